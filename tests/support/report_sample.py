"""Studies as a real search leaves them, made up from a seed: records, and the predictions that belong to them."""

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from support.objectives import ACCURACY
from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance, pack_bundle
from tuner.bundles.layer_pictures import Filters, LayerMaps, LayerPictures
from tuner.bundles.predictions import Predictions, write_predictions
from tuner.bundles.study_pictures import DataPictures, StudyPictures, write_study_pictures
from tuner.datasets.images import ImageFormat
from tuner.epochs import Epoch
from tuner.studies.records.finals import EnsembleRecord, FinalRecord, RetrainRecord
from tuner.studies.records.study import Failure, StudyRecord
from tuner.studies.records.trial import TrialRecord

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
DIGITS = tuple("0123456789")


def sample_trial(number: int, *, epochs: int = 20, seed: int = 0, n_workers: int = 4) -> TrialRecord:
    """One finished trial of a cnn search; about a third are pruned and a few fail."""
    random = np.random.default_rng((seed, number))
    hyperparameters: dict[str, Any] = {
        "learning_rate": float(10 ** random.uniform(-4, -1)),
        "filters": int(random.choice([16, 32, 48, 64])),
        "blocks": int(random.integers(1, 5)),
        "dropout": float(random.uniform(0, 0.6)),
        "optimizer": str(random.choice(["adam", "sgd", "rmsprop"])),
        "batch_size": int(random.choice([32, 64, 128])),
    }
    if hyperparameters["optimizer"] == "sgd":
        hyperparameters["nesterov"] = bool(random.integers(2))
    ceiling = _ceiling(hyperparameters) - abs(random.normal(0, 0.0006))
    state, n_epochs = "complete", epochs
    if number % 33 == 32:
        state, n_epochs = "failed", 2
    elif number > 4 and (stop := _pruned_at(1 - ceiling)) < epochs:
        state, n_epochs = "pruned", stop
    curve = sample_curve(n_epochs, ceiling=ceiling, seed=(seed, number), learning_rate=hyperparameters["learning_rate"])
    best = max(curve, key=lambda epoch: epoch.val_accuracy or 0)
    duration_s = 11.0 * n_epochs * (0.6 + hyperparameters["filters"] / 64)
    started = START + timedelta(seconds=number // n_workers * 130 + 7 * (number % n_workers))
    worker = f"{seed:04x}{number % n_workers:04x}-5b1c-4c0f-9d2e-7a4b1c9e0f11"
    moved = number % 29 == 28
    return TrialRecord(
        number=number,
        state=state,
        score=None if state == "failed" else best.val_accuracy,
        best_epoch=None if state == "failed" else best.epoch,
        hyperparameters=hyperparameters,
        seed=1000 + number,
        attempts=2 if moved else 1,
        workers=("0000dead-5b1c-4c0f-9d2e-7a4b1c9e0f11", worker) if moved else (worker,),
        started_at=started,
        finished_at=started + timedelta(seconds=min(duration_s, 125)),
        duration_s=min(duration_s, 125),
        curve=curve,
        failure=Failure(kind="nan_loss", message="The loss is NaN at epoch 3.") if state == "failed" else None,
    )


def _pruned_at(error: float) -> int:
    rungs = {1: 0.04, 3: 0.03, 6: 0.025}
    return next((epoch for epoch, worst in rungs.items() if error > worst), 1000)


def _ceiling(values: dict[str, Any]) -> float:
    off = (math.log10(values["learning_rate"]) + 2.9) ** 2
    error = 0.004 + 0.004 * abs(off) ** 1.5 + 0.05 * (values["dropout"] - 0.3) ** 2 + 0.016 / values["blocks"]
    return max(0.1, 1 - error - 0.16 / values["filters"] - (0.006 if values["optimizer"] == "sgd" else 0))


def sample_curve(
    epochs: int, *, ceiling: float, seed: int | tuple[int, ...], learning_rate: float = 1e-3, validated: bool = True
) -> tuple[Epoch, ...]:
    """A curve that approaches its ceiling."""
    random = np.random.default_rng(seed)
    error = 1 - ceiling
    curve = []
    for epoch in range(1, epochs + 1):
        now = min(0.9, error * (1 + 6 * math.exp(-epoch / 3)) * float(np.exp(random.normal(0, 0.05))))
        curve.append(
            Epoch(
                epoch=epoch,
                loss=3 * now,
                accuracy=1 - now * 0.9,
                val_loss=3.3 * now if validated else None,
                val_accuracy=1 - now if validated else None,
                learning_rate=learning_rate * 0.5 ** (epoch // 8),
                duration_s=11.0,
            )
        )
    return tuple(curve)


def sample_answers(
    *, n_images: int, n_classes: int, accuracy: float, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels, and probabilities of which `accuracy` are right; some pairs are confused more often, as 4 and 9 are."""
    random = np.random.default_rng(seed)
    labels = np.arange(n_images) % n_classes
    probabilities = random.dirichlet(np.full(n_classes, 0.1), n_images)
    probabilities[np.arange(n_images), labels] += 1.01 + random.exponential(12, n_images)
    wrong = np.flatnonzero(random.random(n_images) > accuracy)
    taken = (labels[wrong] + random.choice([1, 5, 7], len(wrong), p=[0.2, 0.6, 0.2])) % n_classes
    probabilities[wrong, taken] += probabilities[wrong].sum(axis=1) * random.uniform(1.01, 3, len(wrong))
    return labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


def sample_images(labels: NDArray[np.int64], *, channels: int = 1, side: int = 28) -> NDArray[np.uint8]:
    """Real digits for the labels' last figure, enlarged; with three channels they are blue."""
    digits = load_digits()
    drawn = {}
    for digit in range(10):
        drawing = Image.fromarray((digits.images[np.flatnonzero(digits.target == digit)[7]] * 15.9).astype(np.uint8))
        drawn[digit] = np.asarray(drawing.resize((side, side), Image.Resampling.BICUBIC))
    tints = np.array([0.4, 0.7, 1.0] if channels == 3 else [1.0])
    tinted = np.stack([(drawn[digit][:, :, None] * tints).astype(np.uint8) for digit in range(10)])
    return tinted[labels % 10]


def store_sample_predictions(
    artifacts: ArtifactStore,
    path: str,
    *,
    n_images: int,
    n_classes: int,
    accuracy: float,
    channels: int = 1,
    seed: int = 0,
) -> Predictions:
    """Write predictions as finals do."""
    labels, probabilities = sample_answers(n_images=n_images, n_classes=n_classes, accuracy=accuracy, seed=seed)
    images = sample_images(labels, channels=channels)
    return write_predictions(artifacts, path, labels=labels, probabilities=probabilities, images=images)


def sample_pictures(
    *, class_names: Sequence[str] = DIGITS, channels: int = 1, augmented: bool = True, seed: int = 0
) -> StudyPictures:
    """Pictures as a retraining stores them, of noise where a net would see something."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(class_names)), 4)
    images = sample_images(labels, channels=channels)
    firsts = images[::4][:4]

    def noise(*shape: int) -> NDArray[np.uint8]:
        return random.integers(0, 256, shape, dtype=np.uint8)

    return StudyPictures(
        data=DataPictures(
            class_counts={
                part: tuple(int(size * (1 + 0.1 * (label % 3))) for label in range(len(class_names)))
                for part, size in (("train", 900), ("validation", 100), ("test", 200))
            },
            sample_images=images,
            sample_labels=labels,
            originals=firsts if augmented else None,
            augmented=np.stack([firsts] * 6, axis=1) if augmented else None,
        ),
        layers=LayerPictures(
            images=firsts[:2],
            probabilities=random.dirichlet(np.full(len(class_names), 0.2), 2).astype(np.float32),
            saliency=noise(2, 28, 28),
            layers=(
                LayerMaps(position=1, kind="Conv2D", shape=(26, 26, 16), maps=noise(2, 8, 26, 26)),
                LayerMaps(position=3, kind="Dense", shape=(64,), maps=noise(2, 1, 2, 32)),
            ),
            n_layers=4,
            filters=Filters(kind="Conv2D", n_filters=40, pictures=noise(16, 3, 3, channels)),
        ),
        layer_names=(f"training image of class {class_names[0]}", f"training image of class {class_names[1]}"),
    )


def store_sample_bundle(artifacts: ArtifactStore, path: str, *, shapes: Sequence[Sequence[int]]) -> None:
    """Write a bundle whose weights have these shapes."""
    description = BundleDescription(
        space="mlp",
        hyperparameters={},
        images=ImageFormat(height=8, width=8, channels=1, class_names=("0", "1")),
        provenance=Provenance(
            study="s", trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256="ab" * 32
        ),
    )
    artifacts.write(path, pack_bundle(description, [("w", np.zeros(shape, np.float32)) for shape in shapes]))


def sample_final(
    rank: int,
    trial: TrialRecord,
    *,
    test: Sequence[float],
    predictions: str | None = None,
    pictures: str | None = None,
    augmented: bool = True,
    validated: bool = True,
) -> FinalRecord:
    """A final whose repeats have all been tested."""
    runs = tuple(
        RetrainRecord(
            seed=7000 + 10 * rank + repeat,
            state="complete",
            test_accuracy=accuracy,
            val_accuracy=accuracy - 0.0005 if validated else None,
            curve=sample_curve(30, ceiling=accuracy, seed=(rank, repeat), validated=validated),
            bundle=f"finals/{rank}-{repeat}.bundle",
            predictions=predictions if repeat == 0 else None,
            pictures=pictures if repeat == 0 else None,
        )
        for repeat, accuracy in enumerate(test)
    )
    return FinalRecord(
        rank=rank,
        trial=trial.number,
        hyperparameters=trial.hyperparameters,
        mean_score=(trial.score or 0.99) - 0.0012,
        augmented=augmented,
        runs=runs,
        test_accuracy_mean=float(np.mean(test)),
        test_accuracy_sd=float(np.std(test, ddof=1)) if len(test) > 1 else None,
        bundle=runs[0].bundle,
    )


def searching_study(
    *,
    name: str = "mnist-cnn",
    n_trials: int = 100,
    budget: int | None = None,
    dataset: str = "mnist",
    class_names: tuple[str, ...] = DIGITS,
    epochs: int = 20,
    seed: int = 0,
    space: str = "cnn",
) -> StudyRecord:
    """A study in the middle of its search."""
    return StudyRecord(
        name=name,
        space=space,
        dataset=dataset,
        seed=seed,
        state="searching",
        budget=budget or n_trials + 20,
        objective=ACCURACY,
        definition={
            "name": name,
            "space": space,
            "dataset": dataset,
            "seed": seed,
            "data": {"validation_fraction": 0.1},
            "search": {"trials": budget or n_trials + 20, "epochs": epochs, "sampler": "tpe", "pruner": "asha"},
            "fixed": {},
            "finals": {"top": 3, "repeats": 3, "epochs": 30},
        },
        class_names=class_names,
        provenance={
            "tuner": "0.1.0",
            "keras": "3.15.1",
            "tensorflow": "2.21.0",
            "data_sha256": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        created_at=START,
        trials=tuple(sample_trial(number, epochs=epochs, seed=seed) for number in range(n_trials)),
        finals=(),
        without_augmentation=None,
        ensemble=None,
    )


def finished_study(
    artifacts: ArtifactStore,
    *,
    name: str = "mnist-cnn",
    n_images: int = 10_000,
    channels: int = 1,
    accuracy: float = 0.9964,
    **search: Any,
) -> StudyRecord:
    """A study with its finals and its ensemble."""
    study = searching_study(name=name, **search)
    path = f"{name}/ensemble.npz"
    predictions = store_sample_predictions(
        artifacts,
        path,
        n_images=n_images,
        n_classes=len(study.class_names),
        accuracy=accuracy + 0.2 * (1 - accuracy),
        channels=channels,
        seed=study.seed,
    )
    store_sample_bundle(artifacts, "finals/1-0.bundle", shapes=[(3, 3, 1, 32), (32,), (1568, 200), (200,)])
    pictures = f"{name}/pictures.zip"
    write_study_pictures(
        artifacts, pictures, sample_pictures(class_names=study.class_names, channels=channels, seed=study.seed)
    )
    ranked = sorted((trial for trial in study.trials if trial.state == "complete"), key=lambda one: -(one.score or 0))
    finals = tuple(
        sample_final(
            rank,
            trial,
            test=[accuracy - 0.0004 * rank + 0.0003 * step for step in (-1.0, 0.2, 0.9)],
            predictions=path,
            pictures=pictures,
        )
        for rank, trial in enumerate(ranked[:3], start=1)
    )
    plain = sample_final(1, ranked[0], test=[accuracy - 0.003, accuracy - 0.0024, accuracy - 0.0027], augmented=False)
    return dataclasses.replace(
        study,
        state="done",
        budget=len(study.trials),
        finals=finals,
        without_augmentation=plain,
        ensemble=EnsembleRecord(members=9, test_accuracy=predictions.accuracy, predictions=path),
    )
