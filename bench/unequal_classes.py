"""What the objective is worth where classes are unequal: of one random search each objective chooses its own best.

Five classes of MNIST have six times as many images as the other five. Without pruning, random draws do not depend on
the objective, so that one set of trials stands for a study of each. The chosen epoch's model is measured on 2,000 test
images.

    python bench/unequal_classes.py --data ~/.cache/tuner/data
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tuner.class_metrics import balanced_accuracy
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import split_stratified
from tuner.datasets.images import LabelledImages
from tuner.datasets.test_set import load_test_set
from tuner.epochs import Epoch
from tuner.objectives import find_objective

LARGE, SMALL, N_TEST = 360, 60, 2000
EPOCHS, TRIALS = 6, 8
OBJECTIVES = ("accuracy", "balanced_accuracy")


def unequal(images: LabelledImages, *, seed: int) -> LabelledImages:
    """Return 360 images of each of the classes 0 to 4, and 60 of each of the others."""
    random = np.random.default_rng(seed)
    chosen = [
        random.choice(np.flatnonzero(images.labels == index), LARGE if index < 5 else SMALL, replace=False)  # noqa: PLR2004 - half of the classes
        for index in range(10)
    ]
    return images.take(np.sort(np.concatenate(chosen)))


def search(train_part: LabelledImages, test: LabelledImages, *, seed: int) -> Mapping[str, float]:
    """Return the test balanced accuracy of the epoch that each objective chooses among all trials."""
    import keras

    from tuner.training.plan import TrainingData, TrainingPlan
    from tuner.training.predictions import predict_probabilities
    from tuner.training.scoring import Scorings, make_scoring
    from tuner.training.session import seed_everything
    from tuner.training.train import train
    from tuner.training_settings import Training

    split = split_stratified(unequal(train_part, seed=seed), validation_fraction=0.25, seed=seed)
    data = TrainingData(train=split.train, validation=split.validation)
    scoring = Scorings(leading=make_scoring(find_objective("balanced_accuracy"), top_k=5))
    random = np.random.default_rng(1000 + seed)
    best = dict.fromkeys(OBJECTIVES, (-1.0, 0.0))
    for trial in range(TRIALS):
        rate, weights = 10 ** random.uniform(-3.5, -2), ("none", "balanced")[trial % 2]
        seed_everything(100 * seed + trial)
        model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])

        def choose(epoch: Epoch, model: keras.Model = model) -> None:
            scores = dict(zip(OBJECTIVES, (epoch.val_accuracy or 0.0, epoch.score or 0.0), strict=True))
            improved = [name for name in OBJECTIVES if scores[name] > best[name][0]]
            if improved:
                tested = balanced_accuracy(test.labels, predict_probabilities(model, test.images))
                best.update({name: (scores[name], tested) for name in improved})

        plan = TrainingPlan(
            epochs=EPOCHS, batch_size=32, seed=100 * seed + trial, training=Training(class_weights=weights)
        )
        train(model, data, plan, on_epoch=choose, scoring=scoring)
    return {name: tested for name, (_, tested) in best.items()}


def main() -> None:
    """Print a line a seed, and the mean difference with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds mnist/")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()

    from tuner.training.backend import load_backend

    load_backend()
    train_part = open_dataset("mnist", data_dir=arguments.data).load_train()
    whole = load_test_set("mnist", data_dir=arguments.data)
    test = whole.take(np.arange(N_TEST))
    differences = []
    for seed in range(arguments.seeds):
        found = search(train_part, test, seed=seed)
        differences.append(found["balanced_accuracy"] - found["accuracy"])
        print(f"seed {seed}: " + ", ".join(f"{name} {100 * value:.2f} %" for name, value in found.items()), flush=True)
    spread = np.std(differences, ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else np.nan
    print(f"balanced accuracy as the objective: {100 * np.mean(differences):+.2f} points ± {100 * spread:.2f}")


if __name__ == "__main__":
    main()
