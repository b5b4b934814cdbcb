import tomllib
from pathlib import Path

import pytest

from tuner.datasets.catalogue import CATALOGUE
from tuner.spaces.registry import FAMILIES, PRETRAINED_FAMILY, RECIPES, SPACES
from tuner.studies.definitions.making import read_definition

FOLDER = Path(__file__).parents[3] / "studies"
SHIPPED = sorted(FOLDER.rglob("*.toml"))
REPORTS = sorted((FOLDER / "reports").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_definition_is_valid_and_named_after_its_file(path: Path) -> None:
    definition = read_definition(path)

    assert definition.name == path.stem
    assert definition.space in SPACES
    assert definition.dataset in CATALOGUE


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_definition_tells_its_reader_how_to_run_it(path: Path) -> None:
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]

    assert f"#   tuner run {path.stem}" in comments
    assert "seed" in tomllib.loads(path.read_text())


def test_the_quick_start_and_mnist_are_shipped_for_every_family() -> None:
    names = {path.stem for path in SHIPPED}

    # Pretrained nets need weights that do not come with this package.
    families = [space for space in FAMILIES if space != PRETRAINED_FAMILY]
    assert {"digits", *(f"mnist-{space}" for space in families), *(f"kmnist-{space}" for space in families)} <= names


def test_every_recipe_has_a_definition_of_its_name_with_what_was_published() -> None:
    definitions = {path.stem: read_definition(path) for path in REPORTS}

    assert definitions.keys() >= RECIPES.keys()
    for name, definition in definitions.items():
        assert definition.space in RECIPES, name
        # A comparison has a number for each of its values, which stand in the recipe's own definition.
        assert definition.published or definition.search.vary, name
        assert all(figure.source and figure.protocol for figure in definition.published), name


@pytest.mark.parametrize("name", RECIPES)
def test_the_first_and_only_trial_of_a_recipes_study_takes_the_defaults(name: str) -> None:
    definition = read_definition(FOLDER / "reports" / f"{name}.toml")

    assert (definition.search.trials, definition.search.start_with_defaults, definition.fixed) == (1, True, {})
    assert definition.search.train_images is None


# Epochs, rotation, zoom, shift, rule and images of the finals, as the reports give them.
@pytest.mark.parametrize(
    ("name", "epochs", "augmentation", "rule", "train_on"),
    [
        ("kmnist-report-mlp", 20, (0, 0, 0), "none", "train"),
        ("kmnist-report-cnn", 5, (0, 0, 0), "none", "train"),
        ("kmnist-report-resnet34", 5, (0, 0, 0), "none", "train"),
        ("digit-recognizer-cnn", 20, (10, 0.1, 0.1), "plateau", "train"),
        ("recognizing-digits-ann", 10, (0, 0, 0), "none", "train+validation"),
        ("recognizing-digits-first-cnn", 10, (0, 0, 0), "none", "train+validation"),
        ("recognizing-digits-cnn", 20, (8, 0.08, 0.02), "none", "train+validation"),
        ("mnist-997-cnn", 30, (10, 0.1, 0.1), "step", "train"),
    ],
)
def test_a_recipes_finals_train_as_its_report_did(
    name: str, epochs: int, augmentation: tuple[float, float, float], rule: str, train_on: str
) -> None:
    finals = read_definition(FOLDER / "reports" / f"{name}.toml").finals

    assert (finals.epochs, finals.annealing.rule, finals.train_on) == (epochs, rule, train_on)
    assert (finals.augmentation.rotation, finals.augmentation.zoom, finals.augmentation.shift) == augmentation
    changed = finals.augmentation.model_dump().keys() - {"rotation", "zoom", "shift", "shear", "elastic_smoothness"}
    assert not any(getattr(finals.augmentation, key) for key in changed)
    assert finals.augmentation.shear < 0.01


def test_figures_that_a_report_got_wrong_stand_beside_the_corrected_ones() -> None:
    leaked, after = read_definition(FOLDER / "reports" / "digit-recognizer-cnn.toml").published
    impossible = read_definition(FOLDER / "reports" / "mnist-997-cnn.toml").published[0]
    folds = read_definition(FOLDER / "reports" / "recognizing-digits-ann-grid.toml").published[0]

    assert (leaked.value, leaked.corrected, after.value) == (0.9932, 0.9886, 0.978)
    assert impossible.value == 0.997
    assert "cannot be of 420 images" in impossible.note
    assert folds.value == 0.947
    assert "of one epoch" in folds.note


def test_the_ann_grid_has_a_trial_for_each_of_its_24_points_of_one_epoch() -> None:
    search = read_definition(FOLDER / "reports" / "recognizing-digits-ann-grid.toml").search

    assert (search.sampler, search.trials, search.epochs) == ("grid", 24, 1)


def test_kaggles_study_does_not_call_its_net_the_notebooks() -> None:
    text = " ".join((FOLDER / "kaggle-digits.toml").read_text().replace("#", " ").split())

    assert "like that of a well-known notebook, not the same" in text
    assert "99.7 % cannot be of the 420 validation images" in text
