import pytest

from tuner.studies.definitions.making import make_definition
from tuner.studies.finals_plan import describe_plan, plan_finals


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (
            [],
            ("6 trials of up to 3 epochs, then finals: 4 confirmations of 3 epochs, 3 retrainings of 6 epochs, "
            "their ensemble."),
        ),
        (
            ["finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1", "finals.repeats=1", "finals.epochs=1",
             "finals.confirm_epochs=1", "finals.compare_augmentation=false"],
            ("6 trials of up to 3 epochs, then finals: 1 confirmation of 1 epoch, 1 retraining of 1 epoch, "
            "their ensemble."),
        ),
        (
            ["finals.top=1", "finals.repeats=1", "finals.augmentation.rotation=0", "finals.augmentation.zoom=0",
             "finals.augmentation.shift=0", "finals.augmentation.shear=0"],
            ("6 trials of up to 3 epochs, then finals: 4 confirmations of 3 epochs, 1 retraining of 6 epochs, "
            "their ensemble."),
        ),
        (
            ["data.folds=10", "finals.top=1", "finals.compare_augmentation=false"],
            ("6 trials of up to 10 folds of 3 epochs, then finals: 4 confirmations of 10 folds of 3 epochs, "
            "3 retrainings of 6 epochs, their ensemble."),
        ),
        (["finals.top=0"], "6 trials of up to 3 epochs, then no finals (finals.top = 0)."),
    ],
)  # fmt: skip
def test_a_plan_names_every_training_before_the_first(overrides: list[str], told: str) -> None:
    definition = make_definition(space="mlp", dataset="digits", trials=6, epochs=3, overrides=overrides)

    assert describe_plan(definition) == told


def test_fewer_trials_with_a_score_than_candidates_make_fewer_finals() -> None:
    definition = make_definition(space="mlp", dataset="digits", trials=20, epochs=3)

    plan = plan_finals(definition, n_candidates=2)

    assert (plan.confirmations, plan.retrainings, plan.n_jobs) == (4, 9, 14)
