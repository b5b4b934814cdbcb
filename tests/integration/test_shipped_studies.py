"""The definitions in `studies/` against the spaces that they search."""

from math import prod
from pathlib import Path

import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.factors import plan_comparison
from tuner.jobs.hyperparameters.grid import check_grid
from tuner.jobs.hyperparameters.hp import declared_parameters
from tuner.spaces.registry import open_space
from tuner.studies.definitions.making import read_definition

FOLDER = Path(__file__).parents[2] / "studies"
SHIPPED = sorted(FOLDER.glob("*.toml"))
MNIST = ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_fixes_values_that_its_space_has_and_leaves_some_to_search(path: Path) -> None:
    definition = read_definition(path)
    side = 8 if definition.dataset == "digits" else 28
    images = ImageFormat(height=side, width=side, channels=1, class_names=tuple("0123456789"))

    searched = declared_parameters(open_space(definition.space), images, fixed=definition.fixed)

    names = {parameter.name for parameter in searched}
    assert "learning_rate" in names
    assert names.isdisjoint(definition.fixed)


# ResNet-34 is left to the test of its counts: it takes seconds to build.
@pytest.mark.parametrize(
    ("name", "searched"),
    [
        ("kmnist-report-mlp", {"hidden_layers", "units", "batch_size", "optimizer", "learning_rate"}),
        ("kmnist-report-cnn", {"optimizer", "learning_rate"}),
        ("digit-recognizer-cnn", {"output"}),
        ("recognizing-digits-ann", {"hidden_layers", "units", "kernel_initializer", "batch_size", "optimizer"}),
        ("recognizing-digits-ann-grid", {"hidden_layers", "units", "batch_size", "optimizer"}),
        ("recognizing-digits-first-cnn", {"kernel_size", "pooling"}),
        ("mnist-997-cnn", {"optimizer"}),
    ],
)
def test_a_reports_study_searches_what_its_authors_varied(name: str, searched: set[str]) -> None:
    definition = read_definition(FOLDER / "reports" / f"{name}.toml")

    declared = declared_parameters(open_space(definition.space), MNIST, fixed=definition.fixed)

    assert {parameter.name for parameter in declared} == searched


def test_the_ann_grid_is_complete() -> None:
    definition = read_definition(FOLDER / "reports" / "recognizing-digits-ann-grid.toml")

    declared = declared_parameters(open_space(definition.space), MNIST, fixed=definition.fixed)

    check_grid(definition.search, declared)
    assert prod(len(parameter.optuna_values or ()) for parameter in declared) == definition.search.trials


def test_the_eleven_factors_are_compared_in_one_definition() -> None:
    definition = read_definition(FOLDER / "reports" / "recognizing-digits-factors.toml")
    space = open_space(definition.space)

    jobs = plan_comparison(definition, space, MNIST, declared_parameters(space, MNIST))

    # Two of them are dropout with batch normalization, and the activation with its slope.
    assert len(definition.search.vary) == 11 + 2
    assert len(jobs) == 120
    assert [job.varied["kernel_size"] for job in jobs if "kernel_size" in job.varied] == [5, 7] * 3
    assert (definition.search.pruner, definition.finals.top) == ("none", 0)
