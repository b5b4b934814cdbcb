"""Epochs that show a part of the training images."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from small_models import build_mlp, random_images

from tuner.artifacts import ArtifactStore
from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.epoch_draws import draw_epoch
from tuner.training.image_parts import ImageParts, thin
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import xla
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing

PARTS = ImageParts(seed=4, shares=((1, 0.1), (2, 0.3)))
PLAN = TrainingPlan(epochs=3, batch_size=32, seed=3, parts=PARTS, annealing=Annealing(rule="cosine", warmup_epochs=0))


def test_parts_are_stratified_and_the_larger_one_contains_the_smaller() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 7])
    order = PARTS.order(labels)

    small, large = order[: PARTS.count(1, labels)], order[: PARTS.count(2, labels)]

    assert len(small) == 91
    assert sorted(order) == list(range(907))
    assert set(small) <= set(large)
    assert np.bincount(labels[small]).tolist() == [60, 30, 1]
    assert np.bincount(labels[large]).tolist() == [180, 90, 3]
    assert (PARTS.order(labels) == order).all()
    assert (replace(PARTS, seed=5).order(labels) != order).any()


def test_every_class_has_an_image_in_the_smallest_part() -> None:
    labels = np.arange(10).repeat(3)

    assert PARTS.count(1, labels) == 10
    assert sorted(labels[PARTS.order(labels)[:10]]) == list(range(10))
    assert replace(PARTS, fewest=20).count(1, labels) == 20
    assert replace(PARTS, fewest=1000).count(1, labels) == 30


def test_an_epoch_of_fewer_steps_anneals_as_far_as_a_whole_one() -> None:
    rates = np.arange(100, dtype=np.float32)

    assert thin(rates, 4).tolist() == [12, 37, 62, 87]
    assert thin(rates, 100) is rates


def test_an_epoch_shows_its_part_in_an_order_of_its_own() -> None:
    labels = random_images(150).labels
    part = PARTS.order(labels)[: PARTS.count(1, labels)]

    draws = draw_epoch(PLAN, epoch=1, n_images=150, image_shape=(8, 8, 1), learning_rates=None, part=part)

    assert sorted(draws.order) == sorted(part)
    with pytest.raises(ValueError, match="no part of the images for epoch 1"):
        draw_epoch(PLAN, epoch=1, n_images=150, image_shape=(8, 8, 1), learning_rates=None)


def test_epochs_train_on_their_parts_alone_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # By XLA, which has a program for full batches: the first part has none.
    monkeypatch.setattr(xla, "FEWEST_STEPS", 0)
    images = random_images(150)
    in_parts = np.isin(np.arange(150), PARTS.order(images.labels)[:45])
    others = replace(images, images=np.where(in_parts[:, None, None, None], images.images, 255 - images.images))

    def run(images: LabelledImages) -> list[Epoch]:
        keras.utils.set_random_seed(7)
        epochs: list[Epoch] = []
        data = TrainingData(train=images, validation=random_images(20, seed=1))
        train(build_mlp(), data, PLAN, on_epoch=epochs.append)
        return epochs

    epochs, changed = run(images), run(others)

    assert [epoch.images for epoch in epochs] == [15, 45, None]
    assert [epoch.loss for epoch in epochs[:2]] == [epoch.loss for epoch in changed[:2]]
    assert epochs[2].loss != changed[2].loss


def test_a_run_resumed_in_a_part_ends_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    # All images make full batches, and no part does.
    images = TrainingData(train=random_images(160), validation=random_images(20, seed=1))
    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")

    class Killed(Exception):  # noqa: N818 - ends the run
        pass

    def end(epoch: Epoch) -> None:
        if epoch.epoch == 1:
            raise Killed

    def run(checkpoint: Checkpoint | None, on_epoch: object = lambda _: None) -> keras.Model:
        keras.utils.set_random_seed(7)
        model = build_mlp()
        train(model, images, PLAN, on_epoch=on_epoch, checkpoint=checkpoint)  # type: ignore[arg-type]
        return model

    whole = run(None)
    with pytest.raises(Killed):
        run(checkpoint, end)
    resumed = run(checkpoint)

    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(read_variable(one), read_variable(other))


def test_keras_own_loop_shows_all_images_and_says_so() -> None:
    notes: list[str] = []
    epochs: list[Epoch] = []
    model = build_mlp(run_eagerly=True)
    data = TrainingData(train=random_images(40), validation=random_images(20, seed=1))

    train(model, data, replace(PLAN, annealing=None), on_epoch=epochs.append, on_note=notes.append)

    assert [epoch.images for epoch in epochs] == [None, None, None]
    assert "Trained on all images from the first epoch on" in notes[0]
