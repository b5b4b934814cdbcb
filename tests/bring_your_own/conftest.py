from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.register_assert_rewrite("outcomes", "trying")

if TYPE_CHECKING:
    from trying import Workplace

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Workplace"]:
    """Where all studies of this process are."""
    # Keras comes with it, which cases of data alone can do without.
    from trying import open_workplace

    with open_workplace(tmp_path_factory.mktemp("workplace")) as opened:
        yield opened


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as an archive: 500 to train and validate on, 100 to test, uint8, 8x8, ten classes."""
    found = load_digits()
    images = (found.images * (255 / 16)).astype(np.uint8)
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez_compressed(
        path,
        x_train=images[:500],
        y_train=found.target[:500],
        x_test=images[500:600],
        y_test=found.target[500:600],
    )
    return path


@pytest.fixture(autouse=True)
def _in_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builders are found in the current folder, as a person's are."""
    monkeypatch.chdir(_HERE)
