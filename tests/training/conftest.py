from pathlib import Path

import pytest


@pytest.fixture
def beside_own_builders(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `tests/support`, which holds `own_builders`, the current folder."""
    folder = Path(__file__).parents[1] / "support"
    monkeypatch.chdir(folder)
    return folder
