"""The definitions in `studies/` against the spaces that they search."""

from pathlib import Path

import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters import declared_parameters
from tuner.spaces.registry import open_space
from tuner.studies.definition import read_definition

SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_fixes_values_that_its_space_has_and_leaves_some_to_search(path: Path) -> None:
    definition = read_definition(path)
    side = 8 if definition.dataset == "digits" else 28
    images = ImageFormat(height=side, width=side, channels=1, class_names=tuple("0123456789"))

    searched = declared_parameters(open_space(definition.space), images, fixed=definition.fixed)

    names = {parameter.name for parameter in searched}
    assert "learning_rate" in names
    assert names.isdisjoint(definition.fixed)
