import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras_tuner
import numpy as np
import optuna
import pytest
from keras_tuner.applications import HyperResNet, HyperXception

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.grid import check_grid
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters, declared_parameters
from tuner.jobs.hyperparameters.optuna_parameters import UnsearchableError
from tuner.spaces.fixed_values import FixedValueError, UnknownFixedError
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.spaces.space import Space
from tuner.studies.samplers import make_sampler
from tuner.studies.samplers.grid import GridValuesError
from tuner.studies.sections.search import SearchSection

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


@pytest.fixture
def every_kind(monkeypatch: pytest.MonkeyPatch) -> Space:
    """A HyperModel of a person's own, with all kinds of hyperparameters, scopes, and a `fit`."""
    folder = Path(__file__).parents[2] / "support"
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(folder)
    return open_space("own_builders.nets:EveryKind")


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))


def test_a_finished_trials_values_rebuild_its_model(every_kind: Space, study: optuna.Study) -> None:
    for _ in range(20):
        hp = OptunaHyperParameters(study.ask())
        model = every_kind.build(hp, DIGITS)

        stored = json.loads(json.dumps(hp.values))
        rebuilt = every_kind.build(fixed_hyperparameters(stored), DIGITS)

        assert [weight.shape for weight in rebuilt.weights] == [weight.shape for weight in model.weights]
        # Keras numbers optimizers by their names.
        assert {**rebuilt.optimizer.get_config(), "name": ""} == {**model.optimizer.get_config(), "name": ""}


def test_all_values_are_ones_that_kerastuner_could_have_drawn(every_kind: Space, study: optuna.Study) -> None:
    drawn = []
    for _ in range(60):
        hp = OptunaHyperParameters(study.ask())
        every_kind.build(hp, DIGITS)
        drawn.append(hp.values)

    assert {values["units"] for values in drawn if values["kind"] == "plain"} == {4, 8}
    assert {values["units"] for values in drawn if values["kind"] == "scaled"} == {16, 17, 18}
    assert {values["scaling/factor"] for values in drawn if values["kind"] == "scaled"} == {0.5, 1.0, 2.0, 4.0, 8.0}
    assert {values["layers"] for values in drawn} == {1, 4, 7}
    assert {values["layer_0/units"] for values in drawn} == {2, 4, 8, 16}
    assert {values["dropout"] for values in drawn if values["normalize"]} == {0.0, 0.1, 0.2, 0.3}
    assert {values["decay"] for values in drawn} == {64.0, 61.0, 49.0, 1.0}
    assert {values["output"] for values in drawn} == {"softmax"}
    assert all(isinstance(values["bias"], bool) and isinstance(values["normalize"], bool) for values in drawn)
    assert all(4 <= values["narrow"] <= 64 and type(values["narrow"]) is int for values in drawn)


def test_reverse_logarithms_favour_high_values_as_kerastuners_do(study: optuna.Study) -> None:
    drawn = [OptunaHyperParameters(study.ask()).Int("units", 1, 1000, sampling="reverse_log") for _ in range(100)]

    assert sum(value > 900 for value in drawn) > 50


def test_inactive_hyperparameters_are_none_and_not_stored(study: optuna.Study) -> None:
    hp = OptunaHyperParameters(study.ask(), fixed={"kind": "small"})
    hp.Choice("kind", ["small", "large"])

    with hp.conditional_scope("kind", ["large"]):
        units = hp.Int("units", 1, 9)

    assert units is None
    assert hp.values == {"kind": "small"}


def test_one_name_under_two_conditions_keeps_a_range_for_each(study: optuna.Study) -> None:
    def ask(kind: str) -> optuna.trial.Trial:
        trial = study.ask()
        hp = OptunaHyperParameters(trial, fixed={"kind": kind})
        hp.Choice("kind", ["words", "numbers"])
        with hp.conditional_scope("kind", ["words"]):
            hp.Choice("size", ["s", "m"])
        with hp.conditional_scope("kind", ["numbers"]):
            hp.Int("size", 1, 9)
        return trial

    names = [list(ask(kind).params) for kind in ("words", "numbers", "words")]

    assert names == [["size [kind=words]"], ["size [kind=numbers]"], ["size [kind=words]"]]


def _ask_kernel(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
    hp.Choice("kernel", [3] if hp.Boolean("deep") else [3, 5])


def _ask_units(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
    if hp.Boolean("small"):
        hp.Choice("units", [8, 16])
    else:
        hp.Int("units", 32, 64, step=16)


def _ask_rates(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
    hp.Float("rate", 0.1, 1.0, sampling="log" if hp.Boolean("log") else "linear")


def _ask_words(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
    hp.Choice("size", ["1", "2"] if hp.Boolean("words") else [1, 2])


@pytest.mark.parametrize(
    ("build", "name", "expected"),
    [
        (_ask_kernel, "kernel", {(True, 3), (False, 3), (False, 5)}),
        (_ask_units, "units", {(True, 8), (True, 16), (False, 32), (False, 48), (False, 64)}),
        (_ask_words, "size", {(True, "1"), (True, "2"), (False, 1), (False, 2)}),
    ],
)
@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler(seed=1), optuna.samplers.TPESampler(seed=1)])
def test_a_hyperparameter_whose_form_depends_on_another_is_drawn_in_every_form(
    sampler: optuna.samplers.BaseSampler, build: Callable[..., None], name: str, expected: set[tuple[object, object]]
) -> None:
    study = optuna.create_study(sampler=sampler)
    drawn = []
    for number in range(40):
        trial = study.ask()
        hp = OptunaHyperParameters(trial)
        build(hp, DIGITS)
        drawn.append(tuple(hp.values.values()))
        study.tell(trial, number % 7)

    assert list(hp.values)[1] == name
    assert set(drawn) == expected


def test_a_trial_taken_over_answers_as_before_in_another_form(study: optuna.Study) -> None:
    first = OptunaHyperParameters(study.ask(), fixed={"deep": False})
    _ask_kernel(first, DIGITS)
    trial = study.ask()
    other = OptunaHyperParameters(trial, fixed={"deep": True})
    _ask_kernel(other, DIGITS)

    again = OptunaHyperParameters(optuna.trial.Trial(study, trial._trial_id), fixed={"deep": True})
    _ask_kernel(again, DIGITS)

    assert list(trial.params) == ["kernel [choice 3]"]
    assert again.values == other.values == {"deep": True, "kernel": 3}


def test_a_range_on_a_logarithm_here_and_none_there_is_drawn_in_both(study: optuna.Study) -> None:
    names = set()
    for log in (True, False, True):
        trial = study.ask()
        _ask_rates(OptunaHyperParameters(trial, fixed={"log": log}), DIGITS)
        names |= set(trial.params)

    assert names == {"rate", "rate [float 0.1 to 1]"}


def test_names_that_postgres_cannot_keep_are_told_apart_by_a_hash(study: optuna.Study) -> None:
    trial = study.ask()
    hp = OptunaHyperParameters(trial)
    for ending in "ab":
        hp.Int("n" * 600 + ending, 1, 9)
    hp.Choice("label", ["l" * 3000, "m" * 3000])

    assert [len(name) for name in trial.params] == [512, 512, 5]
    assert list(hp.values) == ["n" * 600 + "a", "n" * 600 + "b", "label"]


@pytest.mark.parametrize(
    ("ask", "values"),
    [
        (lambda hp: hp.Int("x", 3, 3), {3}),
        (lambda hp: hp.Int("x", 3, 3, sampling="log"), {3}),
        (lambda hp: hp.Float("x", 0.5, 0.5, sampling="reverse_log"), {0.5}),
        (lambda hp: hp.Int("x", 2, 5, step=100), {2}),
        (lambda hp: hp.Choice("x", [8, 8, 16]), {8, 16}),
        (lambda hp: hp.Choice("x", [1.0, 2.0]), {1.0, 2.0}),
    ],
)
def test_odd_ranges_are_drawn(ask: Callable[..., object], values: set[float], study: optuna.Study) -> None:
    assert {ask(OptunaHyperParameters(study.ask())) for _ in range(20)} == values


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_that_leads_nowhere_is_refused_by_name(step: int, study: optuna.Study) -> None:
    with pytest.raises(UnsearchableError, match=f"'units' cannot be searched: its step is {step}"):
        OptunaHyperParameters(study.ask()).Int("units", 1, 9, step=step)


def test_a_range_without_end_is_refused_by_name(study: optuna.Study) -> None:
    with pytest.raises(UnsearchableError, match="'rate' cannot be searched"):
        OptunaHyperParameters(study.ask()).Float("rate", 0.0, float("inf"))


@pytest.mark.parametrize(
    "ask",
    [lambda hp: hp.Int("x", 0, 2**31 - 1), lambda hp: hp.Float("x", 0.0, 1.0, step=1e-12)],
    ids=["seeds", "fractions"],
)
def test_values_without_number_are_searched_and_never_listed(
    every_kind: Space, study: optuna.Study, ask: Callable[[keras_tuner.HyperParameters], float]
) -> None:
    space = replace(every_kind, build=lambda hp, _images: ask(hp), fit=None)

    (declared,) = declared_parameters(space, DIGITS)

    assert declared.optuna_values is None
    assert ask(OptunaHyperParameters(study.ask())) > 0
    with pytest.raises(GridValuesError, match="needs values for the continuous hyperparameters x"):
        check_grid(SearchSection(sampler="grid"), [declared])


def test_integers_that_optuna_could_not_keep_are_refused_by_name(study: optuna.Study) -> None:
    with pytest.raises(UnsearchableError, match="'seed' cannot be searched: its range is 0 to 18446744073709551616"):
        OptunaHyperParameters(study.ask()).Int("seed", 0, 2**64)


def test_a_name_that_is_asked_for_with_two_ranges_is_told(every_kind: Space, caplog: pytest.LogCaptureFixture) -> None:
    def ask(hp: keras_tuner.HyperParameters, _images: ImageFormat) -> None:
        hp.Int("units", 32, 64)
        hp.Int("units", 32, 64, default=48)
        hp.Choice("units", [8, 16])

    declared_parameters(replace(every_kind, build=ask, fit=None), DIGITS)

    (told,) = caplog.messages
    assert told.startswith(
        "The builder asks for 'units' twice, as 32 to 64 and as 8, 16: both have the first one's value"
    )


def test_a_trial_taken_over_answers_as_before(every_kind: Space, study: optuna.Study) -> None:
    trial = study.ask()
    first = OptunaHyperParameters(trial)
    every_kind.build(first, DIGITS)

    second = OptunaHyperParameters(optuna.trial.Trial(study, trial._trial_id))
    every_kind.build(second, DIGITS)

    assert second.values == first.values


@pytest.mark.parametrize("hypermodel", [HyperXception, HyperResNet])
def test_kerastuners_own_hypermodels_are_searched(hypermodel: type, study: optuna.Study) -> None:
    space = open_space(f"keras_tuner.applications:{hypermodel.__name__}")
    images = ImageFormat(height=32, width=32, channels=3, class_names=("a", "b"))
    # The largest would take half a minute.
    fixed = {"HyperXception": {"num_residual_blocks": 2}, "HyperResNet": {"conv4_depth": 6}}[hypermodel.__name__]
    trial = study.ask()
    hp = OptunaHyperParameters(trial, fixed=fixed)

    model = space.build(hp, images)
    hp.refuse_unknown_names()
    rebuilt = space.build(fixed_hyperparameters(hp.values), images)

    assert model.output_shape == (None, 2)
    assert rebuilt.count_params() == model.count_params()
    assert hp.values.keys() == trial.params.keys() | fixed.keys()


def test_a_fit_of_its_own_asks_and_stores_too(every_kind: Space, study: optuna.Study) -> None:
    hp = OptunaHyperParameters(study.ask(), fixed={"epochs": 2})
    model = every_kind.build(hp, DIGITS)
    random = np.random.default_rng(0)

    history = every_kind.fit(hp, model, random.random((20, 8, 8, 1)), random.integers(0, 10, 20), verbose=0)
    hp.refuse_unknown_names()

    assert len(history.epoch) == hp.values["epochs"] == 2


def test_fixed_values_are_not_asked_from_optuna(every_kind: Space, study: optuna.Study) -> None:
    trial = study.ask()
    hp = OptunaHyperParameters(trial, fixed={"kind": "plain", "units": 8, "learning_rate": 0.01, "normalize": False})

    every_kind.build(hp, DIGITS)

    assert {"kind", "learning_rate", "normalize"}.isdisjoint(trial.params)
    assert (hp.values["units"], hp.values["learning_rate"], hp.values["normalize"]) == (8, 0.01, False)


@pytest.mark.parametrize(
    ("ask", "value", "stored"),
    [
        (lambda hp: hp.Int("x", 0, 100, step=32), 100, 100),
        (lambda hp: hp.Int("x", 0, 100), 5.0, 5),
        (lambda hp: hp.Float("x", 0, 2), 1, 1.0),
        (lambda hp: hp.Choice("x", [True, False]), True, True),
        (lambda hp: hp.Int("x", 8, 32, step=8), 64, 64),
        (lambda hp: hp.Float("x", 1e-4, 1e-2, sampling="log"), 0, 0.0),
        (lambda hp: hp.Choice("x", [3, 5]), 7, 7),
        (lambda hp: hp.Choice("x", [1.0, 2.0]), 2, 2.0),
        (lambda hp: hp.Choice("x", [0.0, 1.0]), 0.5, 0.5),
        (lambda hp: hp.Boolean("x"), False, False),
        (lambda hp: hp.Fixed("x", 1), 4, 4),
    ],
)
def test_a_fixed_value_takes_the_declared_type(ask: object, value: object, stored: object, study: optuna.Study) -> None:
    hp = OptunaHyperParameters(study.ask(), fixed={"x": value})

    assert ask(hp) == stored
    assert type(hp.values["x"]) is type(stored)


@pytest.mark.parametrize(
    ("ask", "value", "expected"),
    [
        (lambda hp: hp.Int("x", 8, 32, step=8), 8.5, r"fixes x to 8.5, but the space expects 8 to 32 \(step 8\)"),
        (lambda hp: hp.Int("x", 0, 2), True, "0 to 2"),
        (lambda hp: hp.Float("x", 1e-4, 1e-2, sampling="log"), "fast", r"0.0001 to 0.01 \(log\)"),
        (lambda hp: hp.Float("x", 0, 1), float("nan"), "0 to 1"),
        (lambda hp: hp.Float("x", 0, 1), float("inf"), "0 to 1"),
        (lambda hp: hp.Choice("x", ["relu", "elu"]), "gelu", "relu, elu"),
        (lambda hp: hp.Choice("x", [3, 5]), "3", "3, 5"),
        (lambda hp: hp.Choice("x", [3, 5]), True, "3, 5"),
        (lambda hp: hp.Choice("x", [True, False]), 7, "1, 0"),
        (lambda hp: hp.Boolean("x"), 1, "true, false"),
        (lambda hp: hp.Fixed("x", 1), "wide", "not searched"),
    ],
)
def test_a_fixed_value_of_another_kind_is_refused(
    ask: object, value: object, expected: str, study: optuna.Study
) -> None:
    hp = OptunaHyperParameters(study.ask(), fixed={"x": value})

    with pytest.raises(FixedValueError, match=expected):
        ask(hp)


def test_a_fixed_name_that_is_never_asked_is_refused(study: optuna.Study) -> None:
    hp = OptunaHyperParameters(study.ask(), fixed={"filter": 8})
    open_space("cnn").build(hp, DIGITS)

    with pytest.raises(UnknownFixedError, match=r"'filter', which its space .*Did you mean 'filters'"):
        hp.refuse_unknown_names()


def test_what_a_grid_needs_is_known_before_the_first_trial(every_kind: Space) -> None:
    fixed = {"kind": "plain", "learning_rate": 0.01, "epochs": 2}

    declared = {
        parameter.optuna_name: parameter.optuna_values
        for parameter in declared_parameters(every_kind, DIGITS, fixed=fixed)
    }

    assert declared["units [kind=plain]"] == (4, 8)
    assert "units [kind=scaled]" not in declared
    assert declared["dropout [normalize=True]"] == (0.0, 0.1, 0.2, 0.3)
    assert declared["decay (index)"] == (0, 1, 2, 3)
    assert declared["wide"] is None
    assert {"kind", "learning_rate", "output"}.isdisjoint(declared)


def test_optunas_grid_sampler_runs_through_all_that_is_declared() -> None:
    def build(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["a"]):
            hp.Int("size", 2, 8, step=2, sampling="log")

    space = Space(name="grid", description="", build=build, help={})
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(_grid(space, {}), seed=0))
    drawn = []

    def objective(trial: optuna.Trial) -> float:
        hp = OptunaHyperParameters(trial)
        build(hp, DIGITS)
        drawn.append(hp.values)
        return 0.0

    study.optimize(objective)

    assert {values["size"] for values in drawn if values["kind"] == "a"} == {2, 4, 8}
    assert len(drawn) == 6


def _ask_sizes(hp: keras_tuner.HyperParameters, _: ImageFormat) -> None:
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["a"]):
        hp.Int("size", 8, 100, step=2, sampling="log")
        hp.Float("rate", 1e-5, 1e-1, step=10, sampling="log")
    with hp.conditional_scope("kind", ["b"]):
        hp.Int("size", 8, 128, step=4, sampling="reverse_log")
        hp.Float("rate", 0.1, 0.9, sampling="reverse_log")
    hp.Float("decay", 0.1, 0.8, step=2, sampling="reverse_log")
    hp.Float("share", 0.1, 0.7, step=0.2)


def _drawn_from(grid: dict[str, list[object]], *, n_trials: int) -> list[dict[str, object]]:
    """Check a grid as the creation of a study does, and return what its trials draw."""
    search = SearchSection(sampler="grid", grid=grid)
    check_grid(search, declared_parameters(Space(name="", description="", build=_ask_sizes, help={}), DIGITS))
    drawn = []
    study = optuna.create_study()
    for number in range(n_trials):
        study.sampler = make_sampler(search, study_seed=0, trial_number=number)
        hp = OptunaHyperParameters(study.ask(), grid=search.grid)
        _ask_sizes(hp, DIGITS)
        drawn.append(dict(hp.values))
    return drawn


def test_a_grid_takes_all_values_that_kerastuner_would_give_logarithmic_steps() -> None:
    asked = keras_tuner.HyperParameters()
    for kind in ("a", "b"):
        asked.values["kind"] = kind
        _ask_sizes(asked, DIGITS)
    sizes, other_sizes = (list(size.values) for size in asked.space if size.name == "size")
    rates, decays, shares = (
        list(next(each for each in asked.space if each.name == name).values) for name in ("rate", "decay", "share")
    )
    grid = {"kind": ["a"], "size": sizes, "rate": rates, "decay": decays, "share": shares}
    n_trials = len(sizes) * len(rates) * len(decays) * len(shares)

    drawn = _drawn_from(grid, n_trials=n_trials)
    others = _drawn_from({"kind": ["b"], "size": other_sizes, "rate": [0.3, 0.9], "decay": decays}, n_trials=200)

    assert (sizes, other_sizes) == ([8, 16, 32, 64], [128, 104, 8])
    assert len({tuple(values.values()) for values in drawn}) == n_trials == 240
    assert {name: sorted({values[name] for values in drawn}) for name in ("size", "rate", "decay", "share")} == {
        "size": sizes, "rate": rates, "decay": sorted(decays), "share": shares
    }  # fmt: skip
    assert {values["size"] for values in others} == set(other_sizes)
    assert {values["rate"] for values in others} == {0.3, 0.9}


def test_a_grids_value_of_a_logarithmic_step_is_trained_exactly_as_kerastuners() -> None:
    # The third step, 1e-5 * 10.0**2, is not quite 0.001.
    (values,) = _drawn_from(
        {"kind": ["a"], "rate": [0.001], "size [kind=a]": [16], "share": [0.1], "decay": [0.7]}, n_trials=1
    )

    assert values == {"kind": "a", "rate": 1e-5 * 10.0**2, "size": 16, "share": 0.1, "decay": 0.8 + 0.1 - 0.1 * 2.0}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            {"kind": ["a"], "size": [8, 24]},
            r"grid\.size: received 24, expected 8 to 100 \(log, times 2\) when kind is a",
        ),
        ({"kind": ["a"], "size": [8, 128]}, "received 128"),
        ({"kind": ["a"], "size": [16.5]}, r"received 16\.5"),
        ({"kind": ["a"], "size": [True]}, "received True"),
        ({"kind": ["b"], "size": [16]}, r"received 16, expected 8 to 128 \(reverse log, times 4\) when kind is b"),
        ({"kind": ["b"], "rate": [0.95]}, r"received 0\.95"),
        ({"decay": [0.8, 0.75]}, r"received 0\.75"),
        ({"decay": ["0.8"]}, "received '0.8'"),
        ({"decay (index)": [1]}, r"has values for decay \(index\), which the space does not ask for"),
    ],
)
def test_a_value_that_kerastuner_would_not_give_is_refused_in_a_grid(
    grid: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(GridValuesError, match=message):
        _drawn_from(grid, n_trials=0)


@pytest.mark.parametrize(
    ("fixed", "error"),
    [
        ({"optimizer": "adan"}, FixedValueError),
        ({"learning_rate": "fast"}, FixedValueError),
        ({"filter": 16}, UnknownFixedError),
    ],
)
def test_a_study_that_fixes_nonsense_is_refused_before_it_starts(fixed: dict[str, object], error: type) -> None:
    with pytest.raises(error):
        declared_parameters(open_space("mlp"), DIGITS, fixed=fixed)


@pytest.mark.parametrize(
    ("fixed", "remarks"),
    [
        (
            {"optimizer": "adam", "learning_rate": 0.5},
            ["0.0001 to 0.01 (log) when optimizer is adam or adamw or nadam or rmsprop; it is used as given."],
        ),
        ({"optimizer": "sgd", "learning_rate": 0.5}, []),
    ],
)
def test_a_number_fixed_outside_of_its_range_is_taken_and_said(
    fixed: dict[str, object], remarks: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    declared_parameters(open_space("mlp"), DIGITS, fixed=fixed)

    told = [record.getMessage().partition("outside of what the space searches, ")[2] for record in caplog.records]
    assert told == remarks


def test_a_study_may_fix_what_only_its_own_branch_allows() -> None:
    declared = declared_parameters(open_space("mlp"), DIGITS, fixed={"optimizer": "sgd", "learning_rate": 0.5})

    assert "momentum [optimizer=sgd]" in {parameter.optuna_name for parameter in declared}


def _grid(space: Space, fixed: dict[str, object]) -> dict[str, tuple[object, ...] | None]:
    declared = declared_parameters(space, DIGITS, fixed=fixed)
    return {parameter.optuna_name: parameter.optuna_values for parameter in declared}


def test_defaults_enqueued_in_optunas_names_give_the_spaces_defaults(every_kind: Space, study: optuna.Study) -> None:
    declared = declared_parameters(every_kind, DIGITS)
    study.enqueue_trial({parameter.optuna_name: parameter.optuna_default for parameter in declared})
    defaults = keras_tuner.HyperParameters()
    every_kind.build(defaults, DIGITS)

    hp = OptunaHyperParameters(study.ask())
    every_kind.build(hp, DIGITS)

    assert hp.values == pytest.approx(defaults.values)


def test_values_of_another_trial_enqueued_in_optunas_names_are_drawn_again(
    every_kind: Space, study: optuna.Study
) -> None:
    declared = declared_parameters(every_kind, DIGITS)
    for _ in range(20):
        drawn = OptunaHyperParameters(study.ask())
        every_kind.build(drawn, DIGITS)
        answers = {
            parameter.optuna_name: parameter.optuna_answer(drawn.values[parameter.name])
            for parameter in declared
            if parameter.name in drawn.values
        }
        study.enqueue_trial({name: answer for name, answer in answers.items() if answer is not None})

        again = OptunaHyperParameters(study.ask())
        every_kind.build(again, DIGITS)

        found = {parameter.name for parameter in declared} & drawn.values.keys()
        assert {name: again.values[name] for name in found} == pytest.approx(
            {name: drawn.values[name] for name in found}
        )


@pytest.mark.parametrize("value", ["relu", True, 3, 0.00005, -1])
def test_a_value_that_a_hyperparameter_does_not_have_has_no_answer(value: object) -> None:
    declared = {parameter.name: parameter for parameter in declared_parameters(open_space("mlp"), DIGITS)}

    assert declared["learning_rate"].optuna_answer(value) is None
    assert declared["learning_rate"].optuna_answer(0.003) == 0.003
