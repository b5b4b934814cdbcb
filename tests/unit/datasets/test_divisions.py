"""A validation set of the dataset's own, and groups that stay on one side of every split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_csv, write_picture
from sklearn.model_selection import StratifiedGroupKFold

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.folds import divide_into_folds
from tuner.datasets.division.given import NoGroupsError
from tuner.datasets.division.group_shares import assign_groups
from tuner.datasets.division.holdout import held_out, without_held_out
from tuner.datasets.division.splits import SplitError, class_counts, split_stratified
from tuner.datasets.formats.labels import LabelOutsideClassesError
from tuner.datasets.images import LabelledImages
from tuner.datasets.pictures.decoding import MixedSizesError
from tuner.datasets.reading import ReadingSettings, UnreadableDataError

IMAGES = draw_images(60)
LABELS = np.arange(60) % 3


def grouped(n_groups: int = 30, n_images: int = 600, *, seed: int = 0) -> LabelledImages:
    """Groups of unequal sizes and classes; the first byte of an image is its group."""
    draw = np.random.default_rng(seed)
    groups = draw.choice(n_groups, n_images, p=draw.dirichlet(np.full(n_groups, 2.0)))
    favourite = draw.integers(0, 3, n_groups)
    labels = np.where(draw.random(n_images) < 0.5, favourite[groups], draw.integers(0, 3, n_images))
    images = np.zeros((n_images, 1, 2, 1), np.uint8)
    images[:, 0, 0, 0] = groups
    return LabelledImages(images=images, labels=labels, class_names=("a", "b", "c"), groups=groups.astype(np.int64))


def groups_in(data: LabelledImages) -> set[int]:
    return set(data.images[:, 0, 0, 0].tolist())


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def remarks(place: Path, **reading: Any) -> tuple[str, ...]:
    opened = open_dataset(str(place), data_dir=place, reading=ReadingSettings(**reading))
    return opened.read_training_part().warnings


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.37])
def test_no_group_is_on_both_sides_of_a_split(fraction: float) -> None:
    data = grouped()

    split = split_stratified(data, validation_fraction=fraction, seed=1)

    assert not groups_in(split.train) & groups_in(split.validation)
    assert len(split.validation) / len(data) == pytest.approx(fraction, abs=0.04)
    shares = class_counts(split.validation) / len(split.validation) - class_counts(data) / len(data)
    assert np.abs(shares).max() < 0.06


def test_no_group_is_in_two_folds_nor_in_training_and_test() -> None:
    data = grouped()
    rest, test = without_held_out(data, name="own"), held_out(data, name="own")

    folded = divide_into_folds(rest, n_folds=4, seed=0)
    folds = [folded.split(fold) for fold in range(1, 5)]

    assert not groups_in(rest) & groups_in(test)
    assert sum(len(fold.validation) for fold in folds) == len(rest)
    for fold in folds:
        assert not groups_in(fold.train) & groups_in(fold.validation)
        assert len(fold.train) + len(fold.validation) == len(rest)


def test_folds_by_groups_are_as_equal_as_scikit_learns() -> None:
    worse = 0
    for seed in range(10):
        data = grouped(seed=seed)
        assert data.groups is not None
        ours = assign_groups(data.labels, data.groups, shares=[0.2] * 5, seed=seed)
        theirs = np.empty(len(data), int)
        splits = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(data.labels, data.labels, data.groups)
        for fold, (_, test) in enumerate(splits):
            theirs[test] = fold
        off = [
            sum(
                np.square(np.bincount(data.labels[sides == fold], minlength=3) - class_counts(data) / 5).sum()
                for fold in range(5)
            )
            for sides in (ours, theirs)
        ]
        worse += off[0] > off[1]

    assert worse <= 5


def test_each_side_has_each_class_where_groups_allow_it() -> None:
    labels = np.array([0] * 50 + [1] * 50 + [2] * 4)
    groups = np.concatenate([np.arange(50) // 5, 20 + np.arange(50) // 5, [90, 90, 91, 91]])

    sides = assign_groups(labels, groups, shares=(0.9, 0.1), seed=0)

    assert {side: set(labels[sides == side].tolist()) for side in (0, 1)} == {0: {0, 1, 2}, 1: {0, 1, 2}}


def test_a_class_in_one_group_cannot_be_divided(tmp_path: Path, load_train: Load) -> None:
    groups = np.where(LABELS == 2, "p9", np.char.add("p", (np.arange(60) // 6 % 9).astype(str)))
    place = save(tmp_path / "own.npz", x_train=IMAGES, y_train=LABELS, patient_train=groups)

    with pytest.raises(SplitError, match=r"of class '2', which are all in one group that cannot be divided"):
        load_train(place, group="patient")


def test_few_groups_make_few_folds() -> None:
    data = grouped(n_groups=4, n_images=100)

    with pytest.raises(SplitError, match=r"data\.folds = 5: fold \d would have no image of class .* in \d groups?"):
        divide_into_folds(data, n_folds=5, seed=0)


def test_groups_of_an_archive_and_how_unequal_the_sides_are_is_told(tmp_path: Path) -> None:
    groups = np.arange(60) // 4
    place = save(tmp_path / "own.npz", x_train=IMAGES, y_train=LABELS, patient=groups)

    told = remarks(place, group="patient")

    assert "data.group = 'patient': 15 groups of 4 to 4 images stay on one side of every split." in told
    assert any(
        line.startswith("Divided by groups, the test set that is held out has 12 of 60 images (20.0%") for line in told
    )


def test_groups_of_a_table_of_pixels(tmp_path: Path, load_train: Load) -> None:
    rows = np.concatenate([(np.arange(60) // 4)[:, np.newaxis], draw_images(60, height=5).reshape(60, -1)], axis=1)
    names = ["label", "patient", *(f"pixel{number}" for number in range(25))]
    write_csv(tmp_path / "own.csv", rows, LABELS.tolist(), names=names)

    data = load_train(tmp_path / "own.csv", group="patient")

    assert data.groups is not None
    assert data.image_format.shape == (5, 5, 1)
    assert len(np.unique(data.groups)) == 12
    with pytest.raises(UnreadableDataError, match="has no column 'person'; its columns are label, patient, pixel0"):
        load_train(tmp_path / "own.csv", group="person")


def test_data_without_columns_have_no_groups(load_train: Load) -> None:
    with pytest.raises(NoGroupsError, match=r"digits: data\.group = 'patient', and the data have no columns"):
        load_train("digits", group="patient")


@pytest.mark.parametrize("part", ["val", "valid", "validation"])
def test_a_validation_set_in_an_archive_scores_and_nothing_else_does(
    tmp_path: Path, load_train: Load, part: str
) -> None:
    others = {f"x_{part}": IMAGES[40:], f"y_{part}": LABELS[40:]}
    place = save(tmp_path / "own.npz", x_train=IMAGES[:40], y_train=LABELS[:40], **others)

    data = load_train(place)
    split = split_stratified(data, validation_fraction=0.1, seed=5)

    np.testing.assert_array_equal(split.validation.images[..., 0], IMAGES[40:])
    # A fifth of the other images is the test set.
    assert len(split.train) == 32
    assert split.train.is_validation is None
    assert any(line.startswith("The dataset has a validation set of its own, 20 images") for line in remarks(place))


@pytest.mark.parametrize("part", ["val", "valid", "validation"])
def test_a_validation_folder_scores(tmp_path: Path, load_train: Load, part: str) -> None:
    for index, pixels in enumerate(IMAGES):
        name = "train" if index < 40 else part
        write_picture(tmp_path / "own" / name / str(LABELS[index]) / f"{index:02}.png", pixels)

    data = load_train(tmp_path / "own")
    split = split_stratified(data, validation_fraction=0.1, seed=0)

    assert (len(split.train), len(split.validation)) == (32, 20)
    assert {image.tobytes() for image in split.validation.images} == {image.tobytes() for image in IMAGES[40:]}
    with pytest.raises(SplitError, match=r"data\.folds = 5: the dataset has a validation set of its own"):
        divide_into_folds(data, n_folds=5, seed=0)


def test_what_is_wrong_with_a_validation_set_is_told(tmp_path: Path, load_train: Load) -> None:
    for index, pixels in enumerate(IMAGES):
        write_picture(
            tmp_path / "own" / ("train" if index < 40 else "val") / str(LABELS[index]) / f"{index}.png", pixels
        )
    write_picture(tmp_path / "own" / "val" / "0" / "copy.png", IMAGES[0])
    assert any(
        line.startswith("The validation set: 1 of its 21 pictures are in the training part as well")
        for line in remarks(tmp_path / "own")
    )

    write_picture(tmp_path / "own" / "val" / "0" / "large.png", draw_images(1, height=9)[0])
    with pytest.raises(MixedSizesError):
        load_train(tmp_path / "own")
    assert load_train(tmp_path / "own", resize=(6, 5)).image_format.shape == (6, 5, 1)

    write_picture(tmp_path / "own" / "val" / "bird" / "0.png", IMAGES[0])
    with pytest.raises(UnreadableDataError, match=r"val: the class bird is none of the training part's"):
        load_train(tmp_path / "own")

    (tmp_path / "own" / "valid").mkdir()
    write_picture(tmp_path / "own" / "valid" / "0" / "0.png", IMAGES[0])
    with pytest.raises(UnreadableDataError, match=r"several validation sets, val/, valid/, expected one"):
        load_train(tmp_path / "own")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_val": IMAGES[:5]}, "holds x_val and no y_val"),
        ({"x_val": IMAGES[:5], "y_val": LABELS[:4]}, "x_val has 5 images and y_val 4 labels"),
        ({"x_val": IMAGES[:5, :4], "y_val": LABELS[:5]}, r"x_val has images of the shape \(4, 5, 1\), x_train of"),
        (
            {"x_val": IMAGES[:5], "y_val": LABELS[:5].astype(str)},
            "y_train holds int64, y_val <U1, expected labels alike",
        ),
        (
            {"x_val": IMAGES[:5], "y_val": LABELS[:5], "x_valid": IMAGES[:5], "y_valid": LABELS[:5]},
            "holds several validation sets, x_val and x_valid",
        ),
    ],
)
def test_a_bad_validation_set_in_an_archive_is_told(
    tmp_path: Path, load_train: Load, arrays: dict[str, Any], message: str
) -> None:
    place = save(tmp_path / "own.npz", x_train=IMAGES, y_train=LABELS, **arrays)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(place)


def test_a_class_that_training_has_not_is_told(tmp_path: Path, load_train: Load) -> None:
    place = save(tmp_path / "own.npz", x_train=IMAGES, y_train=LABELS, x_val=IMAGES[:3], y_val=np.array([0, 1, 7]))

    with pytest.raises(LabelOutsideClassesError, match=r"own\.npz, validation set: received the label 7"):
        load_train(place)
