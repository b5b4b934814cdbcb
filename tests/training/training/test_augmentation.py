import os
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from tuner.training.augmentation import KINDS, Augmenter
from tuner.training.augmentation.cutout import Cutout
from tuner.training.augmentation.warping import draw_transforms
from tuner.training.batches import scale
from tuner.training.epoch_draws import ORDER_STREAM, draw_epoch
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training_settings import Augmentation

#: Names the file of TensorFlow's `pictures_of_everything` in the environment of a run on JAX.
PICTURES_OF_TENSORFLOW = "PICTURES_OF_TENSORFLOW"
EVERYTHING = Augmentation.only(
    rotation=20,
    zoom=0.2,
    shift=0.15,
    shear=0.2,
    elastic=0.05,
    brightness=0.2,
    contrast=0.3,
    cutout=0.4,
    mixup=0.4,
    cutmix=1.0,
)


def augment(images: Any, augmentation: Augmentation | None, *, epoch: int = 1) -> Any:
    plan = TrainingPlan(epochs=1, batch_size=len(images), seed=4, augmentation=augmentation)
    shape = images.shape[1:]
    draws = draw_epoch(plan, epoch=epoch, n_images=len(images), image_shape=shape, learning_rates=None)
    pictures, *_ = Augmenter(augmentation, shape)(images[draws.order], [], draws.images)
    return keras.ops.convert_to_numpy(pictures), draws


def test_augmentation_off_draws_nothing_and_only_scales(digits: TrainingData) -> None:
    pictures, draws = augment(digits.train.images, Augmentation.only())

    assert draws.images == {}
    np.testing.assert_allclose(pictures, digits.train.images[draws.order].astype(np.float32) / 255, rtol=1e-6)


def test_a_quarter_turn_moves_every_pixel_to_its_place(digits: TrainingData) -> None:
    images = digits.train.images[:3]
    quarter = np.array([[0, -1, 7, 1, 0, 0, 0, 0]] * 3, np.float32)

    augmenter = Augmenter(Augmentation.only(rotation=90), (8, 8, 1))
    turned, *_ = augmenter(images, [], {"warping": {"transforms": quarter}})

    np.testing.assert_allclose(keras.ops.convert_to_numpy(turned), np.rot90(images, 1, axes=(1, 2)) / 255, atol=1e-6)


def test_transforms_turn_about_the_centre_and_shift_by_a_share_of_the_side() -> None:
    rng = np.random.default_rng(0)
    centre = np.array([13.5, 9.5, 1])

    turned = draw_transforms(Augmentation.only(rotation=30, zoom=0.5, shear=0.3), 1000, 20, 28, rng)
    shifted = draw_transforms(Augmentation.only(shift=0.1), 1000, 20, 28, rng)

    np.testing.assert_allclose(turned[:, :3] @ centre, 13.5, rtol=1e-5)
    np.testing.assert_allclose(turned[:, 3:6] @ centre, 9.5, rtol=1e-5)
    assert abs(shifted[:, 2]).max() == pytest.approx(2.8, rel=0.01)
    assert abs(shifted[:, 5]).max() == pytest.approx(2.0, rel=0.01)


def test_cutout_sets_one_square_to_zero_and_nothing_else() -> None:
    white = np.full((200, 28, 28, 3), 255, np.uint8)

    pictures, draws = augment(white, Augmentation.only(cutout=0.5))

    for picture, (row, column) in zip(pictures, draws.images["cutout"]["corners"], strict=True):
        expected = np.ones((28, 28, 3))
        expected[max(row, 0) : row + 14, max(column, 0) : column + 14] = 0
        np.testing.assert_array_equal(picture, expected)


def test_cut_squares_are_centred_anywhere_in_the_image() -> None:
    cutout = Cutout(6, (10, 20, 1))

    corners = cutout.draw(lambda _: np.random.default_rng(0), 5000, 32)["corners"]

    assert corners.dtype == np.int32
    assert corners.min(axis=0).tolist() == [-3, -3]
    assert corners.max(axis=0).tolist() == [6, 16]


def test_what_is_drawn_depends_on_seed_and_epoch_alone_and_order_not_on_augmentation(digits: TrainingData) -> None:
    again, draws = augment(digits.train.images, EVERYTHING)
    same, _ = augment(digits.train.images, EVERYTHING)
    other, other_draws = augment(digits.train.images, EVERYTHING, epoch=2)
    _, plain_draws = augment(digits.train.images, None)

    np.testing.assert_array_equal(again, same)
    assert not np.array_equal(draws.order, other_draws.order)
    assert not np.array_equal(again, other)
    np.testing.assert_array_equal(draws.order, plain_draws.order)
    assert sorted(draws.order) == list(range(250))


def pictures_of_everything() -> Any:
    """Images changed in every way."""
    return augment(np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1), dtype=np.uint8), EVERYTHING)[0]


@pytest.mark.skipif(PICTURES_OF_TENSORFLOW not in os.environ, reason="`test_on_jax.py` runs it")
def test_both_backends_show_the_same_pictures() -> None:
    np.testing.assert_allclose(pictures_of_everything(), np.load(os.environ[PICTURES_OF_TENSORFLOW]), atol=2e-4)


def test_scaled_pixels_are_float32_between_0_and_1() -> None:
    pictures = scale(np.array([0, 51, 255], np.uint8))

    assert keras.backend.standardize_dtype(pictures.dtype) == "float32"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(pictures), [0, 0.2, 1])


@pytest.mark.parametrize(
    "numbers",
    [
        {"rotation": 181},
        {"zoom": 1},
        {"shift": -0.1},
        {"cutout": 1.5},
        {"elastic": 0.6},
        {"elastic": 0.1, "elastic_smoothness": 0.05},
        {"contrast": 2},
        {"mixup": -1},
        {"cutmix": 11},
    ],
)
def test_impossible_changes_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=list(numbers)[-1]):
        Augmentation.only(**numbers)


def test_no_two_kinds_draw_from_one_stream() -> None:
    streams = [ORDER_STREAM, *(stream for kind in KINDS.values() for stream in kind.STREAMS)]

    assert sorted(streams) == list(range(6))
