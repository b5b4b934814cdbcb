"""Pictures that a table names: labels.csv, and the metadata files of Hugging Face's image folders."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_picture

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.reading import ReadingSettings, UnreadableDataError
from tuner.datasets.test_set import load_test_set

IMAGES = draw_images(20)
NAMES = [f"{index:02}.png" for index in range(20)]
CLASSES = [("cat", "dog")[index % 2] for index in range(20)]


def write_table(folder: Path, rows: Sequence[Sequence[Any]], *, name: str = "metadata.csv") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith("jsonl"):
        names, *cells = rows
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in cells]
    else:
        lines = [",".join(map(str, row)) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_pictures(folder: Path, names: Sequence[str] = NAMES) -> None:
    for name, pixels in zip(names, IMAGES, strict=False):
        write_picture(folder / name, pixels)


def rows_of(names: Sequence[str] = NAMES, *, columns: Sequence[str] = ("file_name", "label")) -> list[Sequence[str]]:
    return [columns, *zip(names, CLASSES, strict=False)]


def warnings_of(folder: Path, **reading: Any) -> tuple[str, ...]:
    opened = open_dataset(str(folder), data_dir=folder, reading=ReadingSettings(**reading))
    return opened.read_training_part().warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "own")
    return tmp_path / "own"


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl", "labels.csv"])
def test_a_table_names_the_classes_of_the_pictures_beside_it(folder: Path, load_train: Load, table: str) -> None:
    write_table(folder, rows_of(), name=table)

    data = load_train(folder)
    same = load_train(folder / table)

    assert data.class_names == ("cat", "dog")
    assert len(data) == 16
    assert data.content_hash() == same.content_hash()
    place = {image.tobytes(): CLASSES[index] for index, image in enumerate(IMAGES)}
    assert [data.class_names[label] for label in data.labels] == [place[image.tobytes()] for image in data.images]


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda name: f"deep/{name}", id="path"),
        pytest.param(lambda name: f"./deep/{name}", id="path with a dot"),
        pytest.param(lambda name: f"deep\\{name}", id="path of Windows"),
        pytest.param(lambda name: f"deep/{name}".removesuffix(".png"), id="path without ending"),
        pytest.param(lambda name: name, id="name"),
        pytest.param(lambda name: name.removesuffix(".png"), id="name without ending"),
    ],
)
def test_pictures_in_sub_folders_are_found_by_path_or_name(tmp_path: Path, load_train: Load, spell: Any) -> None:
    write_pictures(tmp_path / "own" / "deep")
    write_table(tmp_path / "own", rows_of([spell(name) for name in NAMES], columns=("file", "class")))

    assert len(load_train(tmp_path / "own")) == 16


def test_ids_that_name_one_picture_each_are_its_files(folder: Path, load_train: Load) -> None:
    write_table(folder, rows_of([name.removesuffix(".png") for name in NAMES], columns=("id", "label")))

    assert len(load_train(folder)) == 16
    assert any("names the pictures in the column id" in told for told in warnings_of(folder))


def test_a_column_of_parts_under_another_name_is_refused(folder: Path, load_train: Load) -> None:
    parts = ["train", "Test"] * 10
    write_table(folder, [("file_name", "label", "subset"), *zip(NAMES, CLASSES, parts, strict=True)])

    with pytest.raises(
        UnreadableDataError, match=r"subset divides the pictures into Test, train\. Call the column split"
    ):
        load_train(folder)


def test_whole_numbers_are_classes_in_their_order(folder: Path, load_train: Load) -> None:
    labels = [index % 11 if index % 11 != 1 else 10 for index in range(20)]
    labels[11:] = labels[:9]
    write_table(folder, [("file_name", "label"), *zip(NAMES, (10 * (label % 2) for label in labels), strict=True)])

    assert load_train(folder).class_names == ("0", "10")


def test_each_part_has_a_table_of_its_own(tmp_path: Path, load_train: Load) -> None:
    for part in ("train", "validation", "test"):
        write_pictures(tmp_path / "own" / part)
        write_table(tmp_path / "own" / part, rows_of())

    data = load_train(tmp_path / "own")

    assert len(data) == 40
    assert data.is_validation is not None
    assert data.is_validation.sum() == 20
    assert len(load_test_set(str(tmp_path / "own"), data_dir=tmp_path)) == 20


def test_what_is_taken_and_what_is_left_out_is_told(folder: Path) -> None:
    write_table(folder, rows_of()[:-2])

    told = warnings_of(folder)

    assert (
        f"{folder}/metadata.csv names the pictures in the column file_name; their classes are the column label." in told
    )
    assert f"2 pictures below its folder are not named in {folder}/metadata.csv and left out." in told


def test_a_table_without_classes_leaves_those_of_the_folders(tmp_path: Path, load_train: Load) -> None:
    names = [f"{label}/{name}" for name, label in zip(NAMES, CLASSES, strict=True)]
    write_pictures(tmp_path / "own", names)
    write_table(tmp_path / "own", [("file_name", "patient"), *((name, index // 2) for index, name in enumerate(names))])

    data = load_train(tmp_path / "own", group="patient")

    assert data.class_names == ("cat", "dog")
    assert data.groups is not None
    assert len(np.unique(data.groups)) == 8


def test_a_table_about_something_else_is_told_and_not_read(tmp_path: Path) -> None:
    write_pictures(tmp_path / "own", [f"{label}/{name}" for name, label in zip(NAMES, CLASSES, strict=True)])
    write_table(tmp_path / "own", [("class", "meaning"), ("cat", "a cat")], name="labels.csv")

    assert f"{tmp_path}/own/labels.csv has no column file_name and is not read." in warnings_of(tmp_path / "own")


BAD: Mapping[str, tuple[Sequence[Sequence[Any]], str]] = {
    "absent": (rows_of(["gone.png", *NAMES[1:]]), r"metadata\.csv: line 2 names gone\.png, which is not there"),
    "no picture": (rows_of(["notes.txt", *NAMES[1:]]), r"line 2 names notes\.txt, which is no PNG, JPEG"),
    "outside": (rows_of(["../00.png", *NAMES[1:]]), "expected a path below the table's folder"),
    "twice": (rows_of([NAMES[1], *NAMES[1:]]), r"line 3 names 01\.png, as line 2 does"),
    "ambiguous": (rows_of(["same", *NAMES[1:]]), r"line 2 names same, which may be .*same\.\w+ or .*same\.\w+"),
    "no file": (rows_of(["", *NAMES[1:]]), "line 2 names no file"),
    "blank label": ([*rows_of()[:-1], (NAMES[-1], "")], "line 21, column label: received a blank"),
    "short": ([*rows_of()[:-1], (NAMES[-1],)], "line 21 has 1 cells, expected 2"),
    "column twice": ([("file_name", "label", "label"), *((*row, "x") for row in rows_of()[1:])], "more than once"),
    "no column of files": ([("a", "label"), *rows_of()[1:]], "has no column of file names; its columns are a, label"),
    "no names": (rows_of()[1:], r"line 1 names the picture 00\.png, .* add a first line: file_name,label"),
    "no names or endings": (rows_of(["1", *NAMES[1:]])[1:], r"has no column .* add a first line: file_name,label"),
    "ids of something else": ([("id", "label"), *(("x", "cat"), *rows_of()[2:])], "has no column of file names"),
    "empty": ([("file_name", "label")], "has no rows"),
}
BAD = {
    **BAD,
    "two classes": (
        [("file_name", "label", "class"), *((*row, "x") for row in rows_of()[1:])],
        "has 2 columns that may hold the classes, label, class, expected one",
    ),
    "no label": ([("file_name", "name"), *rows_of()[1:]], "has no column of classes; its columns are file_name, name"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_told_in_one_line(folder: Path, load_train: Load, case: str) -> None:
    rows, message = BAD[case]
    write_table(folder, rows)
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    if case == "ambiguous":
        write_picture(folder / "a" / "same.png", IMAGES[0])
        write_picture(folder / "b" / "same.bmp", IMAGES[0])

    with pytest.raises(UnreadableDataError, match=message) as caught:
        load_train(folder)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["[1]", "{", '{"file_name": "00.png", "label": ["cat"]}', '{"label": "cat"}'])
def test_bad_json_is_told_by_its_line(folder: Path, load_train: Load, line: str) -> None:
    write_table(folder, rows_of(), name="metadata.jsonl")
    with (folder / "metadata.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")

    with pytest.raises(UnreadableDataError, match="line 21"):
        load_train(folder)


#: Numbers of the pictures of each part.
SPLITS = {"train": range(12), "validation": range(12, 16), "test": range(16, 20)}


@pytest.mark.parametrize("table", ["metadata.csv", "labels.csv"])
def test_one_table_may_name_the_pictures_of_all_parts(tmp_path: Path, table: str) -> None:
    folder = tmp_path / "own"
    names = [
        f"{'pictures' if table == 'metadata.csv' else split}/{n:02}.png" for split, of in SPLITS.items() for n in of
    ]
    write_pictures(folder, names)
    rows = [list(row) for row in rows_of(names)]
    if table == "metadata.csv":
        splits = ["split", *(split for split, numbers in SPLITS.items() for _ in numbers)]
        rows = [[*row, split] for row, split in zip(rows, splits, strict=True)]
    write_table(folder, rows, name=table)

    opened = open_dataset(str(folder), data_dir=folder)
    images = opened.read_training_part().images
    tested = load_test_set(str(folder), data_dir=folder)

    assert opened.has_test_set
    assert images.is_validation is not None
    assert images.is_validation.tolist() == [False] * 12 + [True] * 4
    assert np.array_equal(images.images[..., 0], IMAGES[:16])
    assert np.array_equal(tested.images[..., 0], IMAGES[16:])
    assert [tested.class_names[label] for label in tested.labels] == CLASSES[16:]


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        (["train", "holdout"], "line 3, column split: received holdout"),
        (["test", "val"], "names no picture of the training"),
    ],
)
def test_a_split_that_is_none_is_told(folder: Path, load_train: Load, splits: list[str], told: str) -> None:
    write_table(
        folder, [("file_name", "label", "split"), *((*row, splits[n % 2]) for n, row in enumerate(rows_of()[1:]))]
    )

    with pytest.raises(UnreadableDataError, match=told):
        load_train(folder)


UNLABELLED = {
    "beside a table of all": ("", "test", None),
    "beside a table of train/": ("train", "test", None),
    "in a folder below test/": ("train", "test/images", None),
    "with a table without classes": ("train", "test", ("file_name",)),
    "with blank classes": ("train", "test", ("file_name", "label")),
}


@pytest.mark.parametrize("case", UNLABELLED)
def test_a_test_part_without_labels_is_left_out_and_a_fifth_held_out(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "own"
    place, tested, columns = UNLABELLED[case]
    write_pictures(folder / "train", NAMES[:15])
    # Test pictures may have names of training pictures.
    write_pictures(folder / tested, NAMES[:4])
    write_table(folder / place, rows_of(NAMES[:15]), name="labels.csv")
    if columns:
        write_table(folder / "test", [columns, *((name, "")[: len(columns)] for name in NAMES[:4])])

    opened = open_dataset(str(folder), data_dir=folder)
    warnings = " ".join([opened.left_out.describe(), *opened.read_training_part().warnings])

    assert not opened.has_test_set
    assert len(load_test_set(str(folder), data_dir=folder)) == 3
    assert "4 pictures below its folder are not named" in warnings or "which has no labels" in warnings


def test_blank_classes_of_a_part_in_one_table_leave_it_out(folder: Path) -> None:
    rows = [(*row, "train") for row in rows_of()[1:15]] + [(name, "", "test") for name in NAMES[14:]]
    write_table(folder, [("file_name", "label", "split"), *rows])

    opened = open_dataset(str(folder), data_dir=folder)

    assert not opened.has_test_set
    assert "6 pictures of the test part have no class" in " ".join(opened.read_training_part().warnings)


def test_two_tables_are_one_too_many(folder: Path, load_train: Load) -> None:
    for name in ("metadata.csv", "labels.csv"):
        write_table(folder, rows_of(), name=name)

    with pytest.raises(UnreadableDataError, match=r"holds metadata\.csv and labels\.csv, expected one table"):
        load_train(folder)


def test_a_group_that_is_no_column_is_told_with_those_that_are(folder: Path, load_train: Load) -> None:
    write_table(folder, rows_of())

    with pytest.raises(UnreadableDataError, match="has no column 'patient'; its columns are file_name, label"):
        load_train(folder, group="patient")
