import numpy as np
import pytest
from dataset_files import draw_images

from tuner.datasets.division.splits import SplitError, class_counts, split_stratified, take_stratified, warn_of_few
from tuner.datasets.images import LabelledImages


def label_images(*counts: int) -> LabelledImages:
    """So many images of each class, in turn as far as they go; the first pixel tells them apart."""
    labels = np.concatenate([np.full(count, label, np.int64) for label, count in enumerate(counts)])
    labels = labels[np.argsort(np.concatenate([np.arange(count) for count in counts]), kind="stable")]
    images = draw_images(len(labels))[..., np.newaxis]
    images[:, 0, 0, 0] = np.arange(len(labels)) % 256
    return LabelledImages(images=images, labels=labels, class_names=tuple(f"c{n}" for n in range(len(counts))))


def identities(data: LabelledImages) -> list[int]:
    return data.images[:, 0, 0, 0].tolist()


def test_every_class_gives_the_same_share_to_validation() -> None:
    split = split_stratified(label_images(100, 50, 10), validation_fraction=0.1, seed=0)

    assert np.bincount(split.validation.labels).tolist() == [10, 5, 1]
    assert np.bincount(split.train.labels).tolist() == [90, 45, 9]


def test_no_image_is_on_both_sides_and_none_is_lost() -> None:
    data = label_images(100, 50, 10)

    split = split_stratified(data, validation_fraction=0.3, seed=1)

    assert sorted(identities(split.train) + identities(split.validation)) == list(range(160))
    assert identities(split.train) == sorted(identities(split.train))


def test_rounding_never_changes_the_size_of_a_part() -> None:
    data = label_images(7, 7, 7, 7, 7, 7)

    assert len(split_stratified(data, validation_fraction=0.25, seed=0).validation) == round(42 * 0.25)


def test_equal_seeds_give_equal_splits_and_others_do_not() -> None:
    data = label_images(60, 60)

    first, again, other = (split_stratified(data, validation_fraction=0.2, seed=seed).validation for seed in (3, 3, 4))

    assert identities(first) == identities(again) != identities(other)


def test_splits_are_the_same_for_ever() -> None:
    split = split_stratified(label_images(10, 10), validation_fraction=0.2, seed=0)

    assert identities(split.validation) == [2, 3, 11, 18]


def test_a_fraction_that_leaves_a_class_empty_is_refused() -> None:
    with pytest.raises(SplitError, match=r"validation_fraction = 0\.1 draws 0 of the 3 images of class 'c1'"):
        split_stratified(label_images(100, 3), validation_fraction=0.1, seed=0)
    with pytest.raises(SplitError, match="draws 3 of the 3 images of class 'c1'"):
        split_stratified(label_images(100, 3), validation_fraction=0.95, seed=0)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_zero_to_one_is_refused(fraction: float) -> None:
    with pytest.raises(SplitError, match="expected a number between 0 and 1"):
        split_stratified(label_images(10, 10), validation_fraction=fraction, seed=0)


def test_a_subset_keeps_the_shares_of_the_classes() -> None:
    subset = take_stratified(label_images(160, 80, 16), n_images=32, seed=0)

    assert np.bincount(subset.labels).tolist() == [20, 10, 2]


def test_a_subset_has_at_least_one_image_of_each_class() -> None:
    subset = take_stratified(label_images(250, 3, 3), n_images=6, seed=0)

    assert np.bincount(subset.labels).tolist() == [4, 1, 1]


def test_the_whole_is_a_subset() -> None:
    data = label_images(20, 10)

    assert identities(take_stratified(data, n_images=30, seed=5)) == identities(data)


@pytest.mark.parametrize("n_images", [2, 31, 0, -1])
def test_an_impossible_number_of_images_is_refused(n_images: int) -> None:
    with pytest.raises(SplitError, match=rf"received {n_images}, expected between 3 .* and 30"):
        take_stratified(label_images(10, 10, 10), n_images=n_images, seed=0)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((20, 40), None),
        ((19, 19, 37), None),
        ((40, 19), r"Class 'c1' has 19 validation images: measures by class"),
        ((7, 40, 3, 5), r"Class 'c2' has 3 validation images, and 2 more classes have fewer than 20: measures"),
    ],
)
def test_a_class_with_few_validation_images_is_named(counts: tuple[int, ...], told: str | None) -> None:
    images = label_images(*counts)

    warning = warn_of_few(class_counts(images), images.class_names)

    assert (warning is None) if told is None else (warning or "").startswith(told)


def test_of_equal_classes_few_images_are_told_where_the_score_is_by_class() -> None:
    images = label_images(14, 15)

    assert warn_of_few(class_counts(images), images.class_names) is None
    assert "has 14 validation images" in (warn_of_few(class_counts(images), images.class_names, by_class=True) or "")
