"""Searches by other programs, each as its documentation shows it, until the process is killed.

BENCH_LOG=log.jsonl python bench/searching/peers.py keras-tuner-random --net mlp --seed 0 --folder /tmp/x
"""

import argparse
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import split_stratified
from tuner.settings import read_settings

#: More than any machine finishes before it is stopped.
_ENDLESS = 100_000


def load_arrays(seed: int) -> tuple[Any, ...]:
    """Return MNIST as `fit` takes it: x and y to train on, then (x, y) to validate; the split is tuner's."""
    images = open_dataset("mnist", data_dir=read_settings().data_dir).load_train()
    split = split_stratified(images, validation_fraction=0.1, seed=seed)
    train, validation = (
        (part.images.astype(np.float32) / 255, part.labels) for part in (split.train, split.validation)
    )
    return *train, validation


def search_with_keras_tuner(kind: str, net: str, seed: int, folder: Path) -> None:
    """Search with one of KerasTuner's tuners, in its one process."""
    import keras_tuner
    from nets import EPOCHS, NETS

    common: dict[str, Any] = {
        "objective": "val_accuracy",
        "seed": seed,
        "directory": str(folder),
        "project_name": "search",
    }
    tuners: dict[str, Callable[[], Any]] = {
        "random": lambda: keras_tuner.RandomSearch(NETS[net](), max_trials=_ENDLESS, **common),
        "hyperband": lambda: keras_tuner.Hyperband(
            NETS[net](), max_epochs=EPOCHS, factor=3, hyperband_iterations=_ENDLESS, **common
        ),
        "bayesian": lambda: keras_tuner.BayesianOptimization(NETS[net](), max_trials=_ENDLESS, **common),
    }
    x, y, validation = load_arrays(seed)
    tuners[kind]().search(x, y, epochs=EPOCHS, validation_data=validation, verbose=0)


def search_with_optuna(net: str, seed: int, folder: Path) -> None:
    """Optimize with pruning in two processes on one SQLite file, the script of Optuna's documentation."""
    import optuna

    url = f"sqlite:///{folder / 'optuna.db'}"
    optuna.create_study(study_name="search", storage=url, direction="maximize")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_optimize, args=(url, net, seed, index)) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _optimize(url: str, net: str, seed: int, index: int) -> None:
    import keras_tuner
    import optuna
    from nets import EPOCHS, NETS
    from optuna_integration import KerasPruningCallback

    x, y, validation = load_arrays(seed)

    def objective(trial: optuna.Trial) -> float:
        hp = keras_tuner.HyperParameters()
        hp.values = {
            "optimizer": trial.suggest_categorical("optimizer", ["sgd", "rmsprop", "adam"]),
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128]),
        }
        if net == "mlp":
            hp.values |= {"units": trial.suggest_int("units", 64, 512, step=64)}
            hp.values |= {"layers": trial.suggest_int("layers", 1, 3)}
        else:
            hp.values |= {"filters": trial.suggest_int("filters", 8, 32, step=8)}
            hp.values |= {"blocks": trial.suggest_int("blocks", 1, 3)}
        hypermodel = NETS[net]()
        history = hypermodel.fit(
            hp,
            hypermodel.build(hp),
            x,
            y,
            epochs=EPOCHS,
            validation_data=validation,
            verbose=0,
            callbacks=[KerasPruningCallback(trial, "val_accuracy")],
        )
        return float(max(history.history["val_accuracy"]))

    study = optuna.load_study(
        study_name="search", storage=url, sampler=optuna.samplers.TPESampler(seed=1000 * seed + index)
    )
    study.optimize(objective, n_trials=_ENDLESS)


def search_with_ray(net: str, seed: int, folder: Path) -> None:
    """Search with Ray Tune: Optuna's sampler, ASHA, two trials at a time."""
    from nets import EPOCHS, NETS
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    space = {
        "optimizer": tune.choice(["sgd", "rmsprop", "adam"]),
        "learning_rate": tune.loguniform(1e-4, 1e-1),
        "batch_size": tune.choice([32, 64, 128]),
        **({"units": tune.choice(list(range(64, 513, 64)))} if net == "mlp" else {}),
        **({"layers": tune.randint(1, 4)} if net == "mlp" else {}),
        **({"filters": tune.choice([8, 16, 24, 32]), "blocks": tune.randint(1, 4)} if net == "cnn" else {}),
    }

    def train(config: dict[str, Any]) -> None:
        import keras
        import keras_tuner

        # No class: what Ray sends to its workers lacks the names in annotations.
        report = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: tune.report({"val_accuracy": logs["val_accuracy"], "epoch": epoch + 1})
        )
        x, y, validation = load_arrays(seed)
        hp = keras_tuner.HyperParameters()
        hp.values = dict(config)
        hypermodel = NETS[net]()
        model = hypermodel.build(hp)
        hypermodel.fit(hp, model, x, y, epochs=EPOCHS, validation_data=validation, verbose=0, callbacks=[report])

    tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=_ENDLESS,
            max_concurrent_trials=2,
            search_alg=OptunaSearch(seed=seed),
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(storage_path=str(folder.absolute())),
    ).fit()


PEERS: dict[str, Callable[[str, int, Path], None]] = {
    "keras-tuner-random": lambda net, seed, folder: search_with_keras_tuner("random", net, seed, folder),
    "keras-tuner-hyperband": lambda net, seed, folder: search_with_keras_tuner("hyperband", net, seed, folder),
    "keras-tuner-bayesian": lambda net, seed, folder: search_with_keras_tuner("bayesian", net, seed, folder),
    "optuna": search_with_optuna,
    "ray": search_with_ray,
}


def main() -> None:
    """Search until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--net", choices=["mlp", "cnn"], required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    PEERS[arguments.peer](arguments.net, arguments.seed, arguments.folder)


if __name__ == "__main__":
    main()
