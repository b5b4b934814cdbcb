import pytest

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.finals_plan import plan_finals


def define(*overrides: str, trials: int = 20, epochs: int = 10) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", trials=trials, epochs=epochs, overrides=overrides)


@pytest.mark.parametrize(
    ("trials", "epochs", "expected"),
    [
        (1, 1, (1, 1, 2, False)),
        (6, 3, (1, 2, 6, False)),
        (10, 10, (2, 3, 20, False)),
        (20, 10, (3, 5, 20, True)),
        (100, 50, (3, 5, 50, True)),
    ],
)
def test_finals_are_in_proportion_to_the_search(trials: int, epochs: int, expected: tuple[int, int, int, bool]) -> None:
    finals = define(trials=trials, epochs=epochs).finals

    assert (finals.top, finals.candidates, finals.epochs, finals.compare_augmentation) == expected


@pytest.mark.parametrize("epochs", [1, 3, 10, 40])
@pytest.mark.parametrize("trials", [5, 6, 9, 10, 14, 15, 19, 20, 50])
def test_finals_train_at_most_twice_as_many_epochs_as_the_search(trials: int, epochs: int) -> None:
    plan = plan_finals(define(trials=trials, epochs=epochs), n_candidates=trials)

    n_epochs = plan.confirmations * plan.confirmation_epochs + plan.retrainings * plan.retraining_epochs
    assert n_epochs <= 2 * trials * epochs


def test_what_a_definition_says_of_its_finals_stays() -> None:
    said = define("finals.top=4", "finals.epochs=7", "finals.compare_augmentation=true", trials=2, epochs=2).finals

    assert (said.top, said.candidates, said.epochs, said.compare_augmentation) == (4, 4, 7, True)


def test_a_warm_up_that_somebody_chose_keeps_its_epochs() -> None:
    assert define("finals.annealing.warmup_epochs=5", trials=2, epochs=1).finals.epochs == 20


def test_a_stored_definition_keeps_the_finals_that_it_was_stored_with() -> None:
    stored = define("finals.top=3", "finals.candidates=5", "finals.epochs=20", trials=6, epochs=3)

    assert StudyDefinition.from_json(stored.to_json()) == stored
    assert StudyDefinition.from_stored(stored.model_dump(mode="json")).finals == stored.finals


def test_an_extended_study_keeps_its_finals() -> None:
    definition = define(trials=6, epochs=3)

    assert definition.with_budget(60).finals == definition.finals
