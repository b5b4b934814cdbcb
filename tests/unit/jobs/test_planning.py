from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.made_slots import make_slot

from tuner.jobs.finals.planning import plan_next_jobs
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.slots.outcomes import (
    ConfirmOutcome,
    EnsembleJob,
    EnsembleOutcome,
    Failure,
    Job,
    Outcome,
    Result,
    RetrainJob,
    RetrainOutcome,
    SearchJob,
    SearchOutcome,
    Stage,
)
from tuner.studies.slots.slot import Slot


@pytest.fixture
def definition() -> StudyDefinition:
    return make_definition(
        space="mlp",
        dataset="digits",
        overrides=["finals.top=1", "finals.candidates=2", "finals.confirm_repeats=2", "finals.repeats=2"],
    )


def trial(number: int, score: float | None, state: Result = "complete") -> Slot:
    outcome = SearchOutcome(state=state, score=score, hyperparameters={"n": number})
    return make_slot(number, "search", SearchJob(), outcome, number=number)


def done(stage: Stage, jobs: Sequence[Job], outcomes: Sequence[Outcome], first_id: int = 100) -> list[Slot]:
    return [
        make_slot(first_id + i, stage, job, outcome)
        for i, (job, outcome) in enumerate(zip(jobs, outcomes, strict=True))
    ]


def confirmed(score: float) -> ConfirmOutcome:
    return ConfirmOutcome(state="complete", score=score)


def retrained(test_accuracy: float, val_accuracy: float | None = None) -> RetrainOutcome:
    return RetrainOutcome(state="complete", test_accuracy=test_accuracy, val_accuracy=val_accuracy)


FAILED = RetrainOutcome(state="failed", failure=Failure(kind="nan_loss", message="The loss is NaN."))


SEARCHED = [trial(0, 0.7), trial(1, 0.9), trial(2, 0.8), trial(3, None, "failed"), trial(4, 0.95, "pruned")]


def test_the_best_complete_trials_are_confirmed_with_new_seeds(definition: StudyDefinition) -> None:
    planned = plan_next_jobs(definition, SEARCHED)

    assert planned is not None
    stage, jobs = planned
    assert stage == "confirm"
    assert [(job.trial, job.repeat) for job in jobs] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert len({job.seed for job in jobs}) == 4


def test_a_pruned_trial_is_confirmed_only_where_complete_ones_are_too_few(definition: StudyDefinition) -> None:
    planned = plan_next_jobs(definition, [trial(0, 0.7), trial(4, 0.95, "pruned")])

    assert planned is not None
    assert [job.trial for job in planned[1]] == [0, 0, 4, 4]


def test_finals_are_chosen_by_the_mean_of_confirmations_not_by_the_searchs_score(definition: StudyDefinition) -> None:
    planned = plan_next_jobs(definition, SEARCHED)
    assert planned is not None
    confirmations = done("confirm", planned[1], [confirmed(score) for score in (0.80, 0.82, 0.85, 0.87)])

    retraining = plan_next_jobs(definition, [*SEARCHED, *confirmations])

    assert retraining is not None
    stage, jobs = retraining
    assert stage == "retrain"
    assert {job.trial for job in jobs} == {2}
    assert [job.augmented for job in jobs] == [True, True, False, False]
    assert jobs[0].val_accuracy_mean == pytest.approx(0.86)


def test_the_ensemble_comes_last_and_counts_augmented_models_that_were_tested(definition: StudyDefinition) -> None:
    rows = list(SEARCHED)
    confirmations = plan_next_jobs(definition, rows)
    assert confirmations is not None
    rows += done("confirm", confirmations[1], [confirmed(0.9)] * 4, 100)
    retrainings = plan_next_jobs(definition, rows)
    assert retrainings is not None
    rows += done("retrain", retrainings[1], [retrained(0.9), FAILED, retrained(0.8), retrained(0.8)], 200)

    planned = plan_next_jobs(definition, rows)

    assert planned == ("ensemble", [EnsembleJob(slots=(200,))])
    voted = done("ensemble", planned[1], [EnsembleOutcome(state="complete", members=1)], 300)
    assert plan_next_jobs(definition, [*rows, *voted]) is None


def test_models_known_by_validation_to_be_far_worse_are_left_out_of_the_ensemble(definition: StudyDefinition) -> None:
    rows = list(SEARCHED)
    for stage, id_, outcomes in (
        ("confirm", 100, [confirmed(0.9)] * 4),
        ("retrain", 200, [retrained(0.2, val_accuracy=0.95), retrained(0.99, val_accuracy=0.5)] * 2),
    ):
        planned = plan_next_jobs(definition, rows)
        assert planned is not None
        rows += done(stage, planned[1], outcomes, id_)

    # Whatever the test set says.
    assert plan_next_jobs(definition, rows) == ("ensemble", [EnsembleJob(slots=(200,), left_out=1)])


def test_a_study_without_a_score_plans_nothing(definition: StudyDefinition) -> None:
    assert plan_next_jobs(definition, [trial(0, None, "failed")]) is None


def test_no_finals_are_planned_when_none_are_wanted() -> None:
    definition = make_definition(space="mlp", dataset="digits", overrides=["finals.top=0"])

    assert plan_next_jobs(definition, SEARCHED) is None


def test_more_repeats_add_only_what_is_missing(definition: StudyDefinition) -> None:
    rows = list(SEARCHED)
    for stage, id_, outcome in (("confirm", 100, confirmed(0.9)), ("retrain", 200, retrained(0.9))):
        planned = plan_next_jobs(definition, rows)
        assert planned is not None
        rows += done(stage, planned[1], [outcome] * len(planned[1]), id_)
    more = make_definition(
        space="mlp",
        dataset="digits",
        overrides=["finals.top=1", "finals.candidates=2", "finals.confirm_repeats=2", "finals.repeats=3"],
    )

    planned = plan_next_jobs(more, rows)

    assert planned is not None
    assert [(job.repeat, job.augmented) for job in planned[1]] == [(2, True), (2, False)]


@pytest.mark.parametrize(
    ("train_on", "space", "outcomes", "expected"),
    [
        ("train+validation", "mlp", [], [(1, True, 0)]),
        ("train", "mlp", [], []),
        ("train+validation", "my.nets:Net", [], []),
        ("train+validation", "my.nets:Net", [retrained(0.9)] * 2, [(1, True, 0)]),
        ("train+validation", "my.nets:Net", [retrained(0.9, val_accuracy=0.9)] * 2, []),
    ],
    ids=["all", "nothing left out", "not known yet", "no own fit", "own fit"],
)
def test_a_validation_curve_costs_one_more_training_of_each_final_which_joins_nothing(
    train_on: str, space: str, outcomes: list[Outcome], expected: list[tuple[int, bool, int]]
) -> None:
    changes = [f"finals.train_on={train_on}", "finals.validation_curves=true", "finals.compare_augmentation=false"]
    definition = make_definition(
        space=space,
        dataset="digits",
        overrides=["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=2", *changes],
    )
    rows = [*SEARCHED, *done("confirm", confirmations_of(definition), [confirmed(0.9)])]
    planned = plan_next_jobs(definition, rows)
    assert planned is not None
    if outcomes:
        rows += done("retrain", planned[1], outcomes, 200)
        planned = plan_next_jobs(definition, rows)
        assert planned is not None

    curves = [job for job in planned[1] if isinstance(job, RetrainJob) and job.for_curve]

    assert [(job.trial, job.augmented, job.repeat) for job in curves] == expected
    if curves and not outcomes:
        assert curves[0].seed == planned[1][0].seed, "it differs from the first repeat in its images alone"
        rows += done("retrain", planned[1], [retrained(0.9), retrained(0.9), curve_alone()], 200)
        assert plan_next_jobs(definition, rows) == ("ensemble", [EnsembleJob(slots=(200, 201))])


def confirmations_of(definition: StudyDefinition) -> Sequence[Job]:
    planned = plan_next_jobs(definition, SEARCHED)
    assert planned is not None
    return planned[1]


def curve_alone() -> RetrainOutcome:
    return RetrainOutcome(state="complete", val_accuracy=0.5)


@pytest.mark.parametrize(
    ("space", "outcome", "compared"),
    [
        ("mlp", None, True),
        ("my.nets:Net", None, False),
        ("my.nets:Net", replace(retrained(0.9), augmented=True), True),
        ("my.nets:Net", replace(retrained(0.9), augmented=False), False),
        ("my.nets:Net", retrained(0.9), True),
        ("my.nets:Net", FAILED, False),
    ],
)
def test_a_retraining_is_compared_with_one_without_augmentation_where_there_was_some(
    space: str,
    outcome: RetrainOutcome | None,
    compared: bool,  # noqa: FBT001 - what is expected
) -> None:
    definition = make_definition(
        space=space,
        dataset="digits",
        overrides=["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1"],
    )
    rows = [trial(0, 0.9)]
    for stage in ("confirm", *(["retrain"] if outcome else [])):
        planned = plan_next_jobs(definition, rows)
        assert planned is not None
        rows += done(stage, planned[1], [outcome if outcome and stage == "retrain" else confirmed(0.9)], len(rows))

    planned = plan_next_jobs(definition, rows)

    jobs = planned[1] if planned else []
    assert any(isinstance(job, RetrainJob) and not job.augmented for job in jobs) is compared


def test_no_retraining_is_compared_with_its_twin_where_augmentation_is_off() -> None:
    off = [f"finals.augmentation.{name}=0" for name in ("rotation", "zoom", "shift", "shear")]
    definition = make_definition(space="mlp", dataset="digits", overrides=["finals.top=1", "finals.repeats=1", *off])
    rows = [trial(0, 0.9)]
    confirmations = plan_next_jobs(definition, rows)
    assert confirmations is not None
    rows += done("confirm", confirmations[1], [confirmed(0.9)] * 2)

    planned = plan_next_jobs(definition, rows)

    assert planned is not None
    assert [(job.repeat, job.augmented) for job in planned[1] if isinstance(job, RetrainJob)] == [(0, True)]
