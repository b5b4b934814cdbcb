"""Elastic displacement, tones, mixup and cutmix against plain NumPy and SciPy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import beta, ks_2samp, kstest
from small_models import build_mlp

from tuner.epochs import Epoch
from tuner.training.augmentation import Augmenter, ImageDraws, take_part
from tuner.training.augmentation.mixing import Mixing
from tuner.training.augmentation.tones import Tones
from tuner.training.augmentation.warping import NOISE_MEAN, NOISE_SD, draw_noise, smoothing_weights
from tuner.training.epoch_draws import draw_epoch
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.targets import SoftTargetsError, accept_soft_targets, choose_labels, encode_targets
from tuner.training.train import train
from tuner.training_settings import Augmentation

HEIGHT, WIDTH = 20, 28


def random_pictures(n: int, *, channels: int = 1) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, HEIGHT, WIDTH, channels), dtype=np.uint8)


def draws_of(augmentation: Augmentation, n: int, *, batch_size: int = 64) -> ImageDraws:
    plan = TrainingPlan(epochs=1, batch_size=batch_size, seed=3, augmentation=augmentation)
    shape = (HEIGHT, WIDTH, 1)
    return draw_epoch(plan, epoch=1, n_images=n, image_shape=shape, learning_rates=None).images


def apply(augmentation: Augmentation, images: Any, draws: ImageDraws, *others: Any) -> Any:
    augmenter = Augmenter(augmentation, images.shape[1:])
    return [keras.ops.convert_to_numpy(part) for part in augmenter(images, list(others), draws)]


def displacements(augmentation: Augmentation, noise: Any) -> Any:
    """Say where each pixel comes from, relative to its place: shape (n, height, width, 2), down and sideways."""
    unit = (noise - NOISE_MEAN) / NOISE_SD
    down, across = (smoothing_weights(augmentation.elastic_smoothness, side) for side in (HEIGHT, WIDTH))
    fields = np.stack([np.stack([down @ one[..., way] @ across.T for way in (0, 1)], -1) for one in unit])
    return fields * augmentation.elastic * [HEIGHT, WIDTH]


@pytest.mark.parametrize("moves", [{}, {"rotation": 30, "shift": 0.2, "zoom": 0.3}])
@pytest.mark.parametrize("channels", [1, 3])
def test_bent_pictures_are_scipys_with_one_interpolation(moves: dict[str, float], channels: int) -> None:
    augmentation = Augmentation.only(elastic=0.08, **moves)
    images = random_pictures(30, channels=channels)
    draws = draws_of(augmentation, 30)

    (pictures,) = apply(augmentation, images, draws)

    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    warping = draws["warping"]
    fields = displacements(augmentation, warping["noise"])
    for index, picture in enumerate(pictures):
        a0, a1, a2, b0, b1, b2 = warping["transforms"][index, :6] if moves else (1, 0, 0, 0, 1, 0)
        sources = [b0 * x + b1 * y + b2 + fields[index, ..., 0], a0 * x + a1 * y + a2 + fields[index, ..., 1]]
        for channel in range(channels):
            expected = map_coordinates(images[index, ..., channel] / 255, sources, order=1, mode="grid-constant")
            np.testing.assert_allclose(picture[..., channel], expected, atol=2e-4)


@pytest.mark.parametrize("smoothness", [0.1, 0.2])
def test_displacements_have_the_distribution_of_dense_smoothed_noise(smoothness: float) -> None:
    """As Simard: uniform noise for each pixel, smoothed by a Gaussian, scaled to the wanted standard deviation."""
    side, n = 20, 2000
    augmentation = Augmentation.only(elastic=0.05, elastic_smoothness=smoothness)
    noise = draw_noise(augmentation, n, np.random.default_rng(1))
    weights = smoothing_weights(smoothness, side)
    unit = (noise - NOISE_MEAN) / NOISE_SD
    ours = np.einsum("yk,bklf,xl->bfyx", weights, unit, weights)

    dense = np.random.default_rng(2).uniform(-1, 1, (n, 60, 60))
    sigma = smoothness * side
    smoothed = np.stack([gaussian_filter(one, sigma, mode="wrap")[20:40, 20:40] for one in dense])
    theirs = smoothed / smoothed.std()

    assert ours.std() == pytest.approx(1, abs=0.02)
    assert ours[:, :, 0, 0].std() == pytest.approx(1, abs=0.04), "as much in the corner"
    assert abs(np.corrcoef(ours[:, 0].ravel(), ours[:, 1].ravel())[0, 1]) < 0.02, "both directions are independent"
    for lag in (1, 3, 6, 10):
        mine = [np.mean(ours[:, 0, 5, 5] * ours[:, 0, 5, 5 + lag]), np.mean(ours[:, 1, 5, 5] * ours[:, 1, 5 + lag, 5])]
        assert mine == pytest.approx([np.mean(theirs[:, 5, 5] * theirs[:, 5, 5 + lag])] * 2, abs=0.06)
    assert ks_2samp(ours[:, 0, 10, 10], theirs[:, 10, 10]).pvalue > 0.01


def test_tones_are_drawn_evenly_and_applied_about_the_images_mean() -> None:
    augmentation = Augmentation.only(brightness=0.3, contrast=0.6)
    images = random_pictures(2000)
    draws = draws_of(augmentation, 2000)

    (pictures,) = apply(augmentation, images, draws)

    scaled = images / 255
    means = scaled.mean(axis=(1, 2, 3), keepdims=True)
    factors, added = (draws["tones"]["tones"][:, index, None, None, None] for index in (0, 1))
    np.testing.assert_allclose(pictures, np.clip((scaled - means) * factors + means + added, 0, 1), atol=1e-5)
    assert kstest(draws["tones"]["tones"][:, 0], "uniform", (0.4, 1.2)).pvalue > 0.01
    assert kstest(draws["tones"]["tones"][:, 1], "uniform", (-0.3, 0.6)).pvalue > 0.01
    contrast_alone = Tones(Augmentation.only(contrast=0.5))
    assert (contrast_alone.draw(lambda _: np.random.default_rng(0), 9, 9)["tones"][:, 1] == 0).all()


def one_hot(n: int) -> Any:
    return np.eye(10, dtype=np.float32)[np.random.default_rng(4).integers(0, 10, n)]


def by_batch(n: int, batch_size: int) -> list[slice]:
    return [slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]


def test_mixup_blends_images_targets_and_weights_with_one_of_the_same_batch() -> None:
    augmentation = Augmentation.only(mixup=0.4)
    images, targets, weights = random_pictures(150), one_hot(150), np.arange(150, dtype=np.float32)
    draws = draws_of(augmentation, 150)

    for part in by_batch(150, 64):
        pictures, mixed, weighted = apply(
            augmentation, images[part], take_part(draws, part), targets[part], weights[part]
        )

        partners, share = (draws["mixing"][name][part] for name in ("partners", "blends"))
        wide = share[:, None, None, None]
        own = images[part] / 255
        np.testing.assert_allclose(pictures, wide * own + (1 - wide) * own[partners], atol=1e-5)
        expected = share[:, None] * targets[part] + (1 - share[:, None]) * targets[part][partners]
        np.testing.assert_allclose(mixed, expected, atol=1e-6)
        np.testing.assert_allclose(weighted, share * weights[part] + (1 - share) * weights[part][partners], rtol=1e-5)


def test_partners_are_spread_over_the_whole_batch_the_last_one_too_and_shares_are_beta() -> None:
    mixing = Mixing(Augmentation.only(mixup=0.3), (HEIGHT, WIDTH, 1))

    draws = mixing.draw(lambda _: np.random.default_rng(0), 10_020, 100)

    assert np.bincount(draws["partners"][:10_000], minlength=100).min() > 60
    assert draws["partners"][10_000:].max() < 20
    assert kstest(draws["blends"], beta(0.3, 0.3).cdf).pvalue > 0.01
    assert not draws["boxes"].any()


def test_cutmix_fills_a_box_from_the_partner_and_shares_the_target_by_its_area() -> None:
    augmentation = Augmentation.only(cutmix=1.0)
    images, targets = random_pictures(64), one_hot(64)
    draws = draws_of(augmentation, 64)

    pictures, mixed = apply(augmentation, images, draws, targets)

    for index, (top, left, bottom, right) in enumerate(draws["mixing"]["boxes"]):
        partner = draws["mixing"]["partners"][index]
        expected = images[index] / 255
        expected[top:bottom, left:right] = images[partner, top:bottom, left:right] / 255
        np.testing.assert_allclose(pictures[index], expected, atol=1e-6)
        share = 1 - (bottom - top) * (right - left) / (HEIGHT * WIDTH)
        np.testing.assert_allclose(mixed[index], share * targets[index] + (1 - share) * targets[partner], atol=1e-6)


def test_boxes_have_the_areas_of_the_papers_algorithm() -> None:
    rng = np.random.default_rng(1)

    def area(_: int) -> float:
        """Follow Yun et al., algorithm A1, with real coordinates."""
        left_over = rng.beta(1, 1)
        box = [side * np.sqrt(1 - left_over) for side in (HEIGHT, WIDTH)]
        centre = [rng.uniform(0, side) for side in (HEIGHT, WIDTH)]
        sides = [
            min(c + b / 2, side) - max(c - b / 2, 0) for c, b, side in zip(centre, box, (HEIGHT, WIDTH), strict=True)
        ]
        return float(np.prod(sides)) / (HEIGHT * WIDTH)

    mixing = Mixing(Augmentation.only(cutmix=1.0), (HEIGHT, WIDTH, 1))
    boxes = mixing.draw(lambda _: rng, 5000, 50)["boxes"]
    ours = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (HEIGHT * WIDTH)

    # Whole pixels tie, so that the two distributions are compared by their deciles.
    theirs = [area(index) for index in range(5000)]
    np.testing.assert_allclose(
        np.quantile(ours, np.arange(1, 10) / 10), np.quantile(theirs, np.arange(1, 10) / 10), atol=0.02
    )


def test_with_mixup_and_cutmix_half_of_the_images_get_each() -> None:
    mixing = draws_of(Augmentation.only(mixup=1.0, cutmix=1.0), 4000)["mixing"]

    assert np.mean(mixing["blends"] < 1) == pytest.approx(0.5, abs=0.03)
    assert not mixing["boxes"][mixing["blends"] < 1].any()
    assert mixing["boxes"][mixing["blends"] == 1].any(axis=1).mean() > 0.9


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.sparse_categorical_crossentropy,
    ],
    ids=["name", "object", "function"],
)
def test_a_sparse_loss_becomes_the_one_hot_one_with_the_same_values(loss: Any, digits: TrainingData) -> None:
    model = build_mlp(loss=loss, optimizer=keras.optimizers.SGD(0.0))
    x, before = digits.train.images / 255.0, encode_targets(digits.train.labels, 10, choose_labels(model, 10)[0])
    expected = model.evaluate(x, before, verbose=0)
    optimizer = model.optimizer

    accept_soft_targets(model)
    after = encode_targets(digits.train.labels, 10, choose_labels(model, 10)[0])

    assert model.optimizer is optimizer
    assert after.shape == (250, 10)
    np.testing.assert_allclose(model.evaluate(x, after, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "compiled",
    [
        {"loss": keras.losses.SparseCategoricalCrossentropy(ignore_class=1)},
        {"metrics": [keras.metrics.SparseTopKCategoricalAccuracy(2)]},
    ],
)
def test_a_model_that_needs_class_indices_is_refused_in_one_line(
    compiled: dict[str, Any], digits: TrainingData
) -> None:
    plan = TrainingPlan(epochs=1, batch_size=32, seed=0, augmentation=Augmentation.only(mixup=0.2))

    with pytest.raises(SoftTargetsError, match=r"Received mixup or cutmix .* Expected .*finals.augmentation.mixup = 0"):
        train(build_mlp(**compiled), digits, plan, on_epoch=lambda _: None)


@pytest.mark.parametrize("fit", [None, lambda _, model, x, y, **kwargs: model.fit(x, y, batch_size=32, **kwargs)])
def test_a_net_learns_from_mixed_images_and_keeps_its_layers(
    fit: Callable[..., Any] | None, digits: TrainingData
) -> None:
    keras.utils.set_random_seed(0)
    model = build_mlp(optimizer=keras.optimizers.Adam(0.01))
    n_layers = len(model.layers)
    augmentation = Augmentation.only(mixup=0.2, cutmix=1.0, elastic=0.03, contrast=0.2)
    results: list[Epoch] = []

    train(
        model,
        digits,
        TrainingPlan(epochs=30, batch_size=32, seed=0, augmentation=augmentation),
        on_epoch=results.append,
        own_fit=fit and OwnFit(function=fit, hyperparameters=None),
    )

    assert results[-1].val_accuracy > 0.8
    assert results[-1].loss > results[-1].val_loss, "mixed images are harder"
    assert len(model.layers) == n_layers
