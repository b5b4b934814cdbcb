import tomllib
from pathlib import Path

import pytest

from tuner.datasets.catalogue import CATALOGUE
from tuner.spaces.registry import SPACES
from tuner.studies.definition import read_definition

FOLDER = Path(__file__).parents[3] / "studies"
SHIPPED = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_definition_is_valid_and_named_after_its_file(path: Path) -> None:
    definition = read_definition(path)

    assert definition.name == path.stem
    assert definition.space in SPACES
    assert definition.dataset in CATALOGUE


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_definition_tells_its_reader_how_to_run_it(path: Path) -> None:
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]

    assert f"#   tuner run studies/{path.name}" in comments
    assert "seed" in tomllib.loads(path.read_text())


def test_the_quick_start_and_mnist_are_shipped_for_every_space() -> None:
    names = {path.stem for path in SHIPPED}

    assert {"digits", *(f"mnist-{space}" for space in SPACES), *(f"kmnist-{space}" for space in SPACES)} <= names
