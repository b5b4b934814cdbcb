"""Files and folders that the system refuses to open are one clear line, and never a traceback."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dataset_files import draw_images, write_csv, write_idx_pair, write_picture

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.reading import UnreadableDataError

IMAGES = draw_images(16, height=6, width=6)
LABELS = [0, 1] * 8
_NOBODY = 65534


@pytest.fixture
def as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Give up root's right to read everything, once the files are there; as another user nothing need be done."""
    is_root = os.geteuid() == 0
    # Paths are relative, as nobody may go through the folders above.
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    "".encode("utf-8-sig")  # which nobody may load

    def give_up() -> None:
        if is_root:
            os.seteuid(_NOBODY)

    yield give_up
    if is_root:
        os.seteuid(0)
    for path in sorted(tmp_path.rglob("*")):
        path.chmod(0o755)


def _write_folder(path: Path) -> None:
    for index, pixels in enumerate(IMAGES):
        write_picture(path / str(LABELS[index]) / f"{index}.png", pixels)


def _write_npz(path: Path) -> None:
    path.mkdir()
    np.savez(path / "own.npz", x_train=IMAGES, y_train=LABELS)


def _write_csv(path: Path) -> None:
    write_csv(path / "train.csv", IMAGES.reshape(16, 36), LABELS)


def _write_idx(path: Path) -> None:
    write_idx_pair(path, IMAGES, LABELS)


@pytest.mark.parametrize(
    ("write", "closed", "mode", "shown"),
    [
        pytest.param(_write_folder, "", 0o444, "", id="folder whose files may not be opened"),
        pytest.param(_write_folder, "", 0o111, "", id="folder that may not be listed"),
        pytest.param(_write_folder, "1", 0o000, "", id="class folder"),
        pytest.param(_write_folder, "1/3.png", 0o000, "", id="picture"),
        pytest.param(_write_npz, "own.npz", 0o000, "own.npz", id="archive"),
        pytest.param(_write_csv, "", 0o111, "", id="folder of tables"),
        pytest.param(_write_csv, "train.csv", 0o000, "", id="table"),
        pytest.param(_write_idx, "", 0o111, "", id="folder of IDX files"),
        pytest.param(_write_idx, "train-labels-idx1-ubyte.gz", 0o000, "", id="IDX file"),
    ],
)
def test_what_may_not_be_read_is_one_clear_line(
    as_nobody: Callable[[], None], write: Callable[[Path], None], closed: str, mode: int, shown: str
) -> None:
    own = Path("own")
    write(own)
    (own / closed).chmod(mode)
    as_nobody()

    with pytest.raises(
        UnreadableDataError, match=r"Permission denied\. Check .*who may read|Check the path\."
    ) as caught:
        open_dataset(str(own / shown), data_dir=own).read_training_part()

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("write", "pointer", "shown"),
    [
        pytest.param(_write_folder, "1/3.png", "", id="picture"),
        pytest.param(_write_folder, "labels.csv", "", id="table of pictures"),
        pytest.param(_write_npz, "own.npz", "own.npz", id="archive"),
        pytest.param(_write_csv, "train.csv", "train.csv", id="table"),
        pytest.param(_write_idx, "train-labels-idx1-ubyte.gz", "", id="IDX file"),
    ],
)
def test_a_file_that_git_lfs_has_not_fetched_is_told_as_such(
    tmp_path: Path, write: Callable[[Path], None], pointer: str, shown: str
) -> None:
    own = tmp_path / "own"
    write(own)
    (own / pointer).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")

    with pytest.raises(UnreadableDataError, match=r"is a pointer of Git LFS, `git lfs pull` fetches") as caught:
        open_dataset(str(own / shown), data_dir=own).read_training_part()

    assert pointer.rpartition("/")[2] in str(caught.value)
