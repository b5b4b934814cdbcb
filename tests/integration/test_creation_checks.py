"""What `tuner study create` refuses, and what it warns of, before a study is stored."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.datasets.division.splits import SplitError
from tuner.errors import TunerError
from tuner.jobs.creation import create_study
from tuner.jobs.hyperparameters.initial_trials import BaselineError
from tuner.jobs.preflight.model_check import NoAccuracyMetricError
from tuner.jobs.study.space import SpaceChangedError, open_study_space
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.import_path import SpaceModelError
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, find_study, list_names
from tuner.studies.samplers.grid import GridValuesError

Create = Callable[..., Study]


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[Storage]:
    with open_storage(sqlite_url) as opened:
        yield opened


@pytest.fixture
def create(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Create:
    """Create a study of digits, with `tests/support`, which holds `own_builders`, as the current folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(Path(__file__).parents[1] / "support")

    def create_digits(*overrides: str, space: str = "mlp") -> Study:
        definition = make_definition(space=space, dataset="digits", name="s", trials=3, overrides=overrides)
        return create_study(storage, definition, data_dir=tmp_path, check=False)

    return create_digits


def first_values(storage: Storage) -> list[Mapping[str, Any]]:
    from tuner.studies.records.reading import read_slots
    from tuner.studies.slots.slot import SearchSlot

    return [
        slot.job.values for slot in read_slots(storage, find_study(storage, "s").id) if isinstance(slot, SearchSlot)
    ]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (
            '{optimizer = "adam", learning_rate = 0.5}',
            "learning_rate = 0.5, .* expected 0.0001 to 0.01 .log. when optimizer is adam",
        ),
        ('{optimizer = "adam", momentum = 0.5}', "with optimizer = 'adam' .* only when optimizer is sgd"),
        ("{momentum = 0.5}", "only when optimizer is sgd. Give optimizer too"),
        ("{learning_rate = 0.5}", "expected 0.0001 to 0.01 .* Give optimizer too"),
        ('{activation = "relu", negative_slope = 0.1}', "only when activation is leaky_relu"),
        ("{units = 16.5}", "units = 16.5, .* expected 10 to 1024"),
        ("{units = true}", "units = True"),
        ('{optimizer = "adan"}', "'adan'"),
        ("{dropout = 0.25}", "dropout = 0.25, .* expected 0 to 0.6 .step 0.1."),
    ],
)
def test_a_baseline_is_checked_against_the_branch_that_it_selects(
    create: Create, storage: Storage, baseline: str, message: str
) -> None:
    with pytest.raises(BaselineError, match=message):
        create(f"search.baselines=[{baseline}]")

    assert list_names(storage) == []


def test_a_baseline_selects_by_what_is_fixed_too(create: Create, storage: Storage) -> None:
    with pytest.raises(BaselineError, match=r"expected 0.001 to 1 \(log\) when optimizer is sgd"):
        create('fixed.optimizer="sgd"', "search.baselines=[{learning_rate = 0.0005}]")
    create('fixed.optimizer="sgd"', "search.baselines=[{learning_rate = 0.5, momentum = 0.5}]")

    assert first_values(storage)[1] == {
        "learning_rate [optimizer=sgd|adagrad|adadelta]": 0.5,
        "momentum [optimizer=sgd]": 0.5,
    }


def test_a_baseline_without_the_parent_begins_every_branch_that_it_fits(create: Create, storage: Storage) -> None:
    create("search.baselines=[{learning_rate = 0.002}]")

    assert first_values(storage)[1] == {
        "learning_rate [optimizer=sgd|adagrad|adadelta]": 0.002,
        "learning_rate [optimizer=adam|adamw|nadam|rmsprop]": 0.002,
    }


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["units=[16, 5000]"], r"grid.units: received 5000, expected 10 to 1024 \(log\), .* `--set fixed.units"),
        (['units=["16"]'], "received '16'"),
        (["units=[16, true]"], "received True"),
        (["units=[16, 16.5]"], "received 16.5"),
        (["units=[16, 32, 16]"], "has 16 twice"),
        (['activation=["relu", "tanh"]'], "received 'tanh', expected relu, leaky_relu, elu, gelu"),
        (["learning_rate=[0.005, 0.5]"], "received 0.5, expected 0.0001 to 0.01 .* when optimizer is adam"),
        (['optimizer=["sgd"]', "learning_rate=[0.0005]"], "received 0.0005, expected 0.001 to 1 .* is sgd"),
        (["unitz=[1]"], "unitz"),
    ],
)
def test_a_grid_is_checked_against_the_space(create: Create, grid: list[str], message: str) -> None:
    with pytest.raises(GridValuesError, match=message):
        create("search.sampler=grid", *(f"search.grid.{entry}" for entry in grid))


def test_a_grid_needs_to_fit_only_branches_that_it_may_enter(create: Create) -> None:
    values = ["momentum=[0.9]", "weight_decay=[0.001]", "label_smoothing=[0.1]", "negative_slope=[0.1]", "units=[16]"]
    grid = [f"search.grid.{entry}" for entry in ('optimizer=["sgd"]', "learning_rate=[0.5]", *values)]

    assert create("search.sampler=grid", *grid).definition.search.grid["learning_rate"] == [0.5]


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ((["search.train_images=5"], "mlp"), SplitError, "search.train_images: received 5, expected between 10"),
        ((["fixed.units=0"], "mlp"), BuilderError, "in the builder of mlp"),
        ((['fixed.units="wide"'], "mlp"), TunerError, "fixes units to 'wide', but the space expects 10 to 1024"),
        (([], "own_builders.odd:no_metrics"), NoAccuracyMetricError, r"metrics=\['accuracy'\]"),
        (([], "own_builders.odd:too_few_without_input"), SpaceModelError, r"\(None, 7\), expected \(None, 10\)"),
        (([], "own_builders.odd:raises"), BuilderError, r"odd.py, line \d+"),
    ],
)
def test_what_no_trial_could_do_creates_no_study(
    create: Create, storage: Storage, wanted: tuple[list[str], str], error: type[Exception], message: str
) -> None:
    overrides, space = wanted

    with pytest.raises(error, match=message) as raised:
        create(*overrides, space=space)

    assert "\n" not in str(raised.value)
    assert list_names(storage) == []


@pytest.mark.parametrize(
    ("overrides", "space", "message"),
    [
        (["fixed.units=2000", "fixed.batch_size=100"], "mlp", "fixed.units = 2000 lies outside"),
        ([], "own_builders.odd:probabilities", "asks for no hyperparameter: all 3 trials train the same model"),
        (["search.trials=1"], "own_builders.odd:scaled_twice", "scaled twice"),
    ],
)
def test_what_is_odd_is_said_and_done(
    create: Create, overrides: list[str], space: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    create(*overrides, space=space)

    assert message in caplog.text


def test_one_trial_of_a_net_without_hyperparameters_is_nothing_odd(
    create: Create, caplog: pytest.LogCaptureFixture
) -> None:
    create("search.trials=1", space="own_builders.odd:probabilities")

    assert not caplog.records


def test_a_study_knows_the_source_of_its_builder(create: Create) -> None:
    own = create(space="own_builders.nets:build")

    assert open_study_space(own.definition, own.provenance).source_sha256 == own.provenance["space_sha256"]
    with pytest.raises(SpaceChangedError, match=r"own_builders.nets:build' \(own_builders/__init__.py, .*has changed"):
        open_study_space(own.definition, {**own.provenance, "space_sha256": "0" * 64})


def test_a_family_of_this_package_has_no_source_of_its_own(create: Create) -> None:
    assert "space_sha256" not in create().provenance


def _build(hp: object) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": _build}, r"received the function _build for space. .*space=\"test_creation_checks:_build\""),
        ({"space": lambda hp: hp}, r"the function .*<lambda> for space. .*space=\"nets:build\""),
        ({"space": None}, "received None for space"),
        ({"space": "mlp", "dataset": np.zeros((2, 8, 8))}, r"a ndarray for dataset. .*numpy.savez\(\"data.npz\""),
        ({"space": "mlp", "dataset": (np.zeros(2), np.zeros(2))}, "a tuple for dataset"),
    ],
)
def test_a_definition_wants_text_where_it_is_given_objects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make_definition(**arguments)


def test_a_path_is_as_good_as_its_text(tmp_path: Path) -> None:
    assert make_definition(space="mlp", dataset=tmp_path / "x.npz").dataset == str(tmp_path / "x.npz")
