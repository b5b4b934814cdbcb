"""The stages of a preflight, each with a builder that fails there, all in this process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import split_stratified
from tuner.jobs.preflight.rehearsal import Rehearsal
from tuner.jobs.preflight.report import StageReport
from tuner.jobs.preflight.sample import Sample, take_sample
from tuner.jobs.preflight.stages import STAGES, explain, run_stage
from tuner.jobs.preflight.trying import try_stage
from tuner.studies.definitions.making import make_definition


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    digits = open_dataset("digits", data_dir=tmp_path_factory.mktemp("data")).load_train()
    return take_sample(split_stratified(digits.take(np.arange(200)), validation_fraction=0.1, seed=0))


TryAll = Callable[..., list[StageReport]]


@pytest.fixture
def try_all(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TryAll:
    """Try every stage with a builder of `failing_later`, up to the first that fails, and return the reports."""
    monkeypatch.chdir(Path(__file__).parents[3] / "support")

    def try_builder(builder: str, *overrides: str) -> list[StageReport]:
        space = builder if ":" in builder or builder == "mlp" else f"own_builders.failing_later:{builder}"
        definition = make_definition(space=space, dataset="digits", name="s", overrides=overrides)
        rehearsal = Rehearsal(definition, sample, tmp_path)
        reports: list[StageReport] = []
        for stage in STAGES:
            reports.append(try_stage(stage.name, lambda stage=stage: run_stage(stage, rehearsal), explain=explain))
            if reports[-1].problem is not None:
                break
        return reports

    return try_builder


@pytest.mark.parametrize(
    ("builder", "overrides", "stage", "problem"),
    [
        ("missing", (), "space", "'missing'"),
        ("raises", (), "search, hyperparameters", "no such layer"),
        ("leaves", (), "search, hyperparameters", "SystemExit: enough"),
        ("fine", ("fixed.unitz=3",), "search, hyperparameters", "'unitz'"),
        ("fine", ("search.sampler=grid", "search.grid.unitz=[3]"), "search, hyperparameters", "unitz"),
        ("breaks_in_training", (), "search, training", "this loss is broken"),
        ("breaks_for_all_but_defaults", (), "search, drawn values", "too many units"),
        ("takes_class_indices_alone", ("finals.augmentation.mixup=0.2",), "finals, retraining", "mixup"),
        ("predicts_nan", (), "finals, predictions", "NaN"),
        ("scales_by_chance", (), "finals, bundle", "rebuilt from its bundle"),
    ],
)
def test_a_stage_that_would_fail_is_named_with_the_reason(
    try_all: TryAll, builder: str, overrides: tuple[str, ...], stage: str, problem: str
) -> None:
    *before, last = try_all(builder, *overrides)

    assert (last.stage, problem in (last.problem or "")) == (stage, True), last
    assert "\n" not in last.problem
    assert all(report.problem is None for report in before)


@pytest.mark.parametrize(
    ("objective", "stage", "problem"),
    [
        ("own_builders.objectives:g_men", "objective", "has no 'g_men'. Did you mean 'g_mean'?"),
        ("own_builders.objectives:NUMBER", "objective", "it is int; expected a function of labels and probabilities"),
        ("own_builders.objectives:wants_columns", "search, training", "too many indices for array"),
        ("own_builders.objectives:returns_nothing", "search, training", "returned nothing. Expected a number"),
        ("own_builders.objectives:returns_nan", "search, training", "returned NaN. Expected a number"),
        ("f_1", "search, hyperparameters", "it measures f1, mse. Did you mean 'f1'? Expected one of these"),
        ("mse", "search, hyperparameters", 'of which less is better. Expected search.direction = "minimize"'),
        ("top_k_accuracy", "objective", "search.top_k is 12, and there are 10 classes"),
    ],
)
def test_an_objective_that_measures_nothing_is_named_with_the_reason(
    try_all: TryAll, objective: str, stage: str, problem: str
) -> None:
    *before, last = try_all(
        "own_builders.objectives:with_more_metrics", f"search.objective={objective}", "search.top_k=12"
    )

    assert (last.stage, problem in (last.problem or "")) == (stage, True), last
    assert "\n" not in last.problem
    assert all(report.problem is None for report in before)


def test_a_study_of_another_metric_needs_no_accuracy_and_says_which_end_is_better(try_all: TryAll) -> None:
    reports = try_all("own_builders.objectives:with_more_metrics", "search.objective=f1")

    assert [report for report in reports if report.problem] == []
    (of_objective,) = [report for report in reports if report.stage == "objective"]
    (warning,) = of_objective.warnings
    assert warning.startswith("the validation f1 is maximized, as search.direction is not set")


@pytest.mark.parametrize("builder", ["fine", "NeedsManyImages", "mlp"])
def test_a_builder_that_works_passes_every_stage_without_a_warning(try_all: TryAll, builder: str) -> None:
    reports = try_all(builder, "finals.train_on=train")

    assert [report.stage for report in reports] == [stage.name for stage in STAGES]
    assert [report for report in reports if report.problem or report.warnings] == []


def test_a_model_that_cannot_go_on_from_its_checkpoint_is_a_warning(try_all: TryAll) -> None:
    reports = {report.stage: report for report in try_all("builds_another_model_each_time")}

    assert reports["search, resuming"].problem is None
    assert any("a killed trial restarts at epoch 1" in warning for warning in reports["search, resuming"].warnings)


@pytest.mark.parametrize(
    ("builder", "stage", "warning"),
    [
        ("seeds_itself", "finals, retraining", "models begin with the same weights whatever the seed"),
        ("answers_by_its_batch", "finals, predictions", "answer for an image depends on the other images"),
    ],
)
def test_a_model_whose_numbers_would_mislead_is_a_warning(
    try_all: TryAll, builder: str, stage: str, warning: str
) -> None:
    reports = {report.stage: report for report in try_all(builder, "finals.train_on=train")}

    (told,) = reports[stage].warnings
    assert warning in told
    assert [report.problem for report in reports.values() if report.problem] == []


def test_values_that_fail_in_some_of_the_next_trials_are_a_warning_that_names_them(try_all: TryAll) -> None:
    reports = {
        report.stage: report
        for report in try_all("breaks_for_one_choice", "search.baselines=[{activation = 'rellu', rate = 0.15}]")
    }

    assert reports["search, drawn values"].problem is None
    warning = reports["search, drawn values"].warnings[0]
    assert "no such activation" in warning
    assert "rate=0.15, activation='rellu'" in warning
