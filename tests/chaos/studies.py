"""The study of a round, and what its trials would have been without faults."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna

from chaos.synthetic import HYPERPARAMETERS, undisturbed_curve
from tuner.datasets.catalogue import open_dataset
from tuner.jobs.replay import replay_trial
from tuner.jobs.study.data import DataPlaces
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study
from tuner.studies.records.reading import load_study
from tuner.studies.samplers import make_sampler
from tuner.studies.seeds import trial_seed

#: What decides a program is the same for all cohorts, so that few are compiled.
_ONE_PROGRAM = (
    "fixed.hidden_layers=1", "fixed.units=32", "fixed.batch_normalization=false", "fixed.activation=relu",
    "fixed.optimizer=sgd", "fixed.loss=categorical_crossentropy",
)  # fmt: skip
#: Confirmations and retrainings that one program trains.
_REPEATED = ("finals.top=1", "finals.candidates=2", "finals.confirm_repeats=4", "finals.repeats=3", "finals.epochs=4")
#: One small net; the search is over its dropout and learning rate.
_SMALL = ("fixed.batch_size=64", "search.train_images=600")


def insert_chaos_study(
    storage: Storage,
    *,
    name: str = "chaos",
    trials: int,
    epochs: int,
    seed: int = 0,
    space: str = "mlp",
    overrides: Sequence[str] = (),
) -> Study:
    """Store a study of random search, without pruning and finals, on scikit-learn's digits."""
    definition = make_definition(
        space=space, dataset="digits", name=name, trials=trials, epochs=epochs, seed=seed, sampler="random",
        pruner="none", overrides=["finals.top=0", *overrides],
    )  # fmt: skip
    images = open_dataset("digits", data_dir=Path()).load_train()
    return insert_study(
        storage, definition, class_names=images.class_names, provenance={"data_sha256": images.content_hash()}
    )


def small_net() -> tuple[str, ...]:
    """Return what makes a real training take a second."""
    return _SMALL


def undisturbed_curves(definition: StudyDefinition) -> dict[int, list[float]]:
    """Return the curve of each trial's synthetic training, with the hyperparameters that its number draws."""
    return {
        number: undisturbed_curve(
            _draw(definition, number), seed=trial_seed(definition.seed, number), epochs=definition.search.epochs
        )
        for number in range(definition.search.trials)
    }


def _draw(definition: StudyDefinition, number: int) -> Mapping[str, float]:
    sampler = make_sampler(definition.search, study_seed=definition.seed, trial_number=number)
    trial = optuna.create_study(sampler=sampler).ask()
    return {name: trial.suggest_float(name, 0.0, 1.0) for name in HYPERPARAMETERS}


def trained_at_once(n: int, *, real_keras: bool) -> list[str]:
    """Return what lets one program train so many trials, and of real nets so many repeats of the finals."""
    if n == 1:
        return []
    real = [f"search.at_once={n}", "finals.compare_augmentation=false", *_ONE_PROGRAM, *_REPEATED]
    return [f"search.cohort={n}", *(real if real_keras else [])]


def drawn_curves(storage: Storage, study: Study) -> dict[int, list[float]]:
    """Return the same with the hyperparameters that the trials have drawn: of a cohort they depend on who has led."""
    return {
        trial.number: undisturbed_curve(
            trial.params, seed=trial_seed(study.definition.seed, trial.number), epochs=study.definition.search.epochs
        )
        for trial in storage.optuna.get_all_trials(study.optuna_study_id)
    }


def replayed_curves(storage: Storage, name: str, folder: Path) -> dict[int, list[float]]:
    """Return what each trial's real training comes to alone."""
    record = load_study(storage, name)
    places = DataPlaces(data_dir=folder, cache_dir=folder / "cache")
    return {
        trial.number: [epoch.now.val_accuracy or 0.0 for epoch in replay_trial(record, trial, places=places)]
        for trial in record.trials
    }
