import optuna
import pytest

from tuner.datasets.images import ImageFormat
from tuner.jobs.fitting.regime import asking_regime, finals_regime, search_regime
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters, declared_parameters
from tuner.jobs.hyperparameters.initial_trials import default_answers
from tuner.spaces.registry import fixed_hyperparameters
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.training.plan import TrainingPlan
from tuner.training_settings import Annealing, Augmentation, Training

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))
PLAN = TrainingPlan(epochs=5, batch_size=8, seed=0)


@pytest.fixture
def definition() -> StudyDefinition:
    return make_definition(
        space="mlp",
        overrides=[
            "search.augmentation={rotation={low=0, high=20}, shift={values=[0, 0.05]}}",
            "search.annealing={rule={values=['cosine', 'plateau', 'none']}, patience={low=1, high=4}}",
            "search.training.ema_momentum={low=0.5, high=0.9}",
            "finals.training.ema_momentum=0.99",
        ],
    )


@pytest.fixture
def space() -> Space:
    return Space(name="empty", description="", build=lambda hp, _: hp.Int("units", 1, 3), help={"units": "of a layer"})


def test_ranges_are_hyperparameters_beside_those_of_the_builder(definition: StudyDefinition, space: Space) -> None:
    declared = {
        parameter.name: parameter for parameter in declared_parameters(asking_regime(space, definition), DIGITS)
    }

    assert list(declared) == [
        "augmentation.rotation",
        "augmentation.shift",
        "annealing.rule",
        "annealing.patience",
        "training.ema_momentum",
        "units",
    ]
    # Each begins with the default that it has outside of a search, where its range has it.
    assert default_answers(tuple(declared.values())) == {
        "augmentation.rotation": 10.0,
        "augmentation.shift": 0.0,
        "annealing.rule": "cosine",
        "annealing.patience": 3,
        "training.ema_momentum": 0.5,
        "units": 1,
    }
    assert asking_regime(space, definition).help["augmentation.rotation"] == "largest rotation to either side"


def test_what_a_trial_draws_is_what_it_and_its_finals_train_with(definition: StudyDefinition, space: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        hp = OptunaHyperParameters(study.ask(), fixed={"augmentation.shift": 0.03})
        asking_regime(space, definition).build(hp, DIGITS)
        values = hp.values
        searched = search_regime(definition).settle(PLAN, values)
        final = finals_regime(definition).settle(PLAN, fixed_hyperparameters(values).values)

        expected = Augmentation(rotation=values["augmentation.rotation"], shift=0.03)
        rule, patience = values["annealing.rule"], values["annealing.patience"]
        assert 0 <= values["augmentation.rotation"] <= 20
        assert searched.augmentation == final.augmentation == expected
        assert searched.annealing == final.annealing
        assert searched.annealing == (None if rule == "none" else Annealing(rule=rule, patience=patience))
        assert searched.training == Training(ema_momentum=values["training.ema_momentum"])
        assert final.training == Training(ema_momentum=0.99)
    assert finals_regime(definition, augmented=False).settle(PLAN, values).augmentation is None


def test_a_plan_takes_no_range(definition: StudyDefinition) -> None:
    with pytest.raises(ValueError, match="Received a range"):
        TrainingPlan(epochs=1, batch_size=1, seed=0, augmentation=definition.search.augmentation)
