"""The folds of a cross-validation, held against scikit-learn's `StratifiedKFold`."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from tuner.datasets.division.folds import assign_folds, divide_into_folds
from tuner.datasets.division.splits import SplitError
from tuner.datasets.images import LabelledImages


def label_images(*counts: int) -> LabelledImages:
    """So many images of each class, in no order; two bytes of each tell it from all others."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(7).permutation(labels)
    images = np.zeros((len(labels), 1, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(len(labels)), 256)
    return LabelledImages(images=images, labels=labels, class_names=tuple(f"c{n}" for n in range(len(counts))))


def identities(data: LabelledImages) -> list[int]:
    return (data.images[:, 0, 0, 0].astype(int) * 256 + data.images[:, 0, 1, 0]).tolist()


DATA = [
    pytest.param(label_images(60, 60, 60), 10, id="equal"),
    pytest.param(label_images(103, 57, 11, 5), 5, id="unequal"),
    pytest.param(label_images(7, 3), 3, id="few"),
    pytest.param(label_images(501, 498), 2, id="two folds"),
]


@pytest.mark.parametrize(("data", "n_folds"), DATA)
def test_every_image_scores_in_one_fold_and_trains_in_all_others(data: LabelledImages, n_folds: int) -> None:
    folded = divide_into_folds(data, n_folds=n_folds, seed=3)
    splits = [folded.split(fold) for fold in range(1, n_folds + 1)]

    everything = list(range(len(data)))
    assert sorted(identity for split in splits for identity in identities(split.validation)) == everything
    for split in splits:
        assert sorted(identities(split.train) + identities(split.validation)) == everything
        assert split.train.labels.tolist() == [data.labels[one] for one in identities(split.train)]


@pytest.mark.parametrize(("data", "n_folds"), DATA)
def test_rows_of_all_images_are_those_of_each_fold(data: LabelledImages, n_folds: int) -> None:
    folded = divide_into_folds(data, n_folds=n_folds, seed=3)

    for fold in range(1, n_folds + 1):
        split = folded.split(fold)
        for rows, part in zip(folded.rows(fold), (split.train, split.validation), strict=True):
            assert identities(folded.once.take(rows)) == identities(part)
            assert folded.once.labels[rows].tolist() == part.labels.tolist()
            assert rows.dtype == np.int32


@pytest.mark.parametrize(("data", "n_folds"), DATA)
def test_shares_of_classes_and_sizes_are_those_of_scikit_learn(data: LabelledImages, n_folds: int) -> None:
    folded = divide_into_folds(data, n_folds=n_folds, seed=3)
    n_classes = len(data.class_names)
    ours = [np.bincount(folded.split(fold).validation.labels, minlength=n_classes) for fold in range(1, n_folds + 1)]
    theirs = [
        np.bincount(data.labels[test], minlength=n_classes)
        for _, test in StratifiedKFold(n_folds, shuffle=True, random_state=0).split(data.labels, data.labels)
    ]

    for label in range(n_classes):
        assert np.ptp([counts[label] for counts in ours]) <= 1
        assert sorted(counts[label] for counts in ours) == sorted(counts[label] for counts in theirs)
    assert [counts.sum() for counts in ours] == [counts.sum() for counts in theirs]


def test_equal_seeds_give_equal_folds_and_others_do_not() -> None:
    data = label_images(60, 60)

    first, again, other = (assign_folds(data, n_folds=4, seed=seed).tolist() for seed in (3, 3, 4))

    assert first == again != other


def test_folds_are_the_same_for_ever() -> None:
    data = label_images(4, 4)

    assert assign_folds(data, n_folds=3, seed=0).tolist() == [1, 1, 0, 0, 1, 2, 0, 2]


def test_folds_are_views_of_two_copies() -> None:
    folded = divide_into_folds(label_images(30, 30), n_folds=5, seed=0)

    for fold in range(1, 6):
        split = folded.split(fold)
        assert np.shares_memory(split.train.images, folded.twice.images)
        assert np.shares_memory(split.validation.images, folded.twice.images)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (
            (50, 3),
            "data.folds = 10: more folds than the smallest class has images, 'c1' with 3 images; expected at most 3",
        ),
        ((50, 1), "'c1' with 1 image; expected more images of it."),
    ],
)
def test_more_folds_than_the_smallest_class_has_images_are_refused(counts: tuple[int, ...], told: str) -> None:
    with pytest.raises(SplitError) as caught:
        divide_into_folds(label_images(*counts), n_folds=10, seed=0)

    assert told in str(caught.value)


@pytest.mark.parametrize("fold", [0, 4, -1])
def test_a_fold_that_is_not_there_is_refused(fold: int) -> None:
    with pytest.raises(ValueError, match="Expected one from 1 to 3"):
        divide_into_folds(label_images(5, 5), n_folds=3, seed=0).split(fold)
