"""Folders as people keep them: which of their files are read as what, and what is said of the rest."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, write_picture

from tuner.datasets.catalogue import Dataset, open_dataset
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.test_set import load_test_set


def fill(folder: Path, *, n_pictures: int = 8, suffix: str = ".png") -> None:
    """Write noisy pictures, or files that only have a picture's name."""
    for index in range(n_pictures):
        path = folder / f"{index}{suffix}"
        if suffix == ".png":
            write_picture(path, np.random.default_rng(index).integers(0, 256, (6, 5), dtype=np.uint8))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"not read")


def fill_all(folder: Path, *places: str) -> None:
    for place in places:
        fill(folder / place)


def opened(folder: Path) -> Dataset:
    return open_dataset(str(folder), data_dir=folder)


def remarks(folder: Path) -> str:
    dataset = opened(folder)
    return " ".join(dataset.remarks_on(dataset.load_train()))


def test_train_is_a_class_when_it_holds_pictures_beside_other_classes(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "bus", "car", "train")

    data = load_train(tmp_path)

    assert data.class_names == ("bus", "car", "train")
    assert np.bincount(data.labels).tolist() == [6, 6, 7]
    assert not opened(tmp_path).has_test_set


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_a_class_may_have_the_name_of_another_part(tmp_path: Path, load_train: Load, name: str) -> None:
    fill_all(tmp_path, "bus", name, "train")

    assert load_train(tmp_path).class_names == tuple(sorted(["bus", name, "train"]))


def test_a_class_called_train_stays_one_when_it_has_a_sub_folder(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "bus", "train", "train/doubtful")

    assert load_train(tmp_path).class_names == ("bus", "train")
    assert "8 in sub-folders of a class" in remarks(tmp_path)


def test_classes_called_train_and_test_within_the_parts_are_classes(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "train/bus", "train/train", "test/bus", "test/train")

    assert load_train(tmp_path).class_names == ("bus", "train")
    assert len(load_test_set(str(tmp_path), data_dir=tmp_path)) == 16


@pytest.mark.parametrize(
    ("places", "message"),
    [
        pytest.param(
            ["bus", "car", "train/steam", "train/electric"],
            "train/ holds class folders, and bus, car beside it hold pictures: train may be .*Give the path .*/train",
            id="part or class",
        ),
        pytest.param(["train", "test"], "train: holds pictures and no class folders", id="parts without classes"),
        pytest.param(["train", "test/a"], "train: holds pictures and no class folders", id="test alone has classes"),
        pytest.param(["cat", "dog", "test/cat"], "the pictures of test lie in sub-folders", id="test beside classes"),
        pytest.param(["train/a", "train/b/deep"], "the pictures of b lie in sub-folders", id="deep pictures"),
        pytest.param(
            ["train/a", "train/b", "test/a", "test/c"], "test: the class c is none of .* Expected a, b", id="new class"
        ),
        pytest.param(["train/a", "train/b", "test/a/x", "test/b"], "the pictures of a lie", id="deep test pictures"),
        pytest.param(["Training", "Testing"], "Testing, Training hold pictures and no class folders", id="capitals"),
        pytest.param(["training_set", "test-set", "val"], "test-set, training_set, val hold pictures", id="sets"),
    ],
)
def test_an_odd_mixture_is_one_clear_line(tmp_path: Path, load_train: Load, places: list[str], message: str) -> None:
    fill_all(tmp_path, *places)

    with pytest.raises(UnreadableDataError, match=message):
        load_train(tmp_path)


def test_a_competitions_table_beside_its_pictures_is_read_under_another_name(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "train", "test")
    rows = [f"{path.stem},{'ab'[number % 2]}" for number, path in enumerate(sorted((tmp_path / "train").iterdir()))]
    (tmp_path / "train.csv").write_text("\n".join(["id,label", *rows]))

    with pytest.raises(UnreadableDataError, match=r"If train\.csv names the pictures .* call it labels\.csv"):
        load_train(tmp_path)

    (tmp_path / "train.csv").rename(tmp_path / "labels.csv")
    assert load_train(tmp_path).class_names == ("a", "b")


def test_an_empty_test_folder_is_refused_before_a_search(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "train/a", "train/b")
    (tmp_path / "test").mkdir()

    with pytest.raises(UnreadableDataError, match=r"test: no class folders with pictures.* remove the folder"):
        load_train(tmp_path)


def test_every_file_that_is_not_read_is_counted(tmp_path: Path) -> None:
    fill_all(tmp_path, "a", "b")
    fill(tmp_path / "a", n_pictures=3, suffix=".HEIC")
    fill(tmp_path / "b", n_pictures=2, suffix=".avif")
    fill(tmp_path / "b" / "session 1" / "evening", n_pictures=5)
    fill(tmp_path, n_pictures=4)
    for name in (".DS_Store", "Thumbs.db", "a/.hidden.png", "README.md"):
        (tmp_path / name).write_text("", encoding="utf-8")

    dataset = opened(tmp_path)

    assert len(dataset.load_train()) == 13
    assert dataset.left_out.counts == {
        "beside the class folders": 4,
        ".heic": 3,
        "in sub-folders of a class": 5,
        ".avif": 2,
    }
    assert remarks(tmp_path) == (
        "14 files were not read: 5 in sub-folders of a class, 4 beside the class folders, 3 .heic, 2 .avif."
    )


def test_a_folder_that_is_read_whole_needs_no_remark(tmp_path: Path) -> None:
    fill_all(tmp_path, "train/a", "train/b", "test/a", "test/b")

    assert remarks(tmp_path) == ""


def test_a_validation_part_of_another_name_is_said_to_be_left_out(tmp_path: Path) -> None:
    fill_all(tmp_path, "train/a", "train/b", "test/a", "test/b", "dev/a", "dev/b")

    said = remarks(tmp_path)

    assert "16 files were not read: 16 in dev/, which would be the validation set if it were called validation." in said
    assert "A validation part is not used" in said


def test_pictures_without_classes_in_test_are_no_test_set(tmp_path: Path) -> None:
    fill_all(tmp_path, "train/a", "train/b", "test")

    assert not opened(tmp_path).has_test_set
    assert "8 in test/, which has no labels" in remarks(tmp_path)


def test_files_of_the_test_part_are_counted_by_their_names(tmp_path: Path) -> None:
    fill_all(tmp_path, "train/a", "train/b", "test/a", "test/b")
    fill(tmp_path / "test" / "a", n_pictures=1, suffix=".heic")

    assert remarks(tmp_path) == "1 file was not read: 1 .heic of test/."


def test_a_class_whose_pictures_have_another_format_is_told_so(tmp_path: Path, load_train: Load) -> None:
    fill(tmp_path / "a")
    fill(tmp_path / "b", n_pictures=3, suffix=".heif")

    with pytest.raises(UnreadableDataError, match=r"no pictures for the class b, which holds 3 \.heif"):
        load_train(tmp_path)


def test_a_class_folder_that_is_not_named_in_utf_8_is_refused_by_its_name(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "a", os.fsdecode(b"caf\xe9"))

    with pytest.raises(UnreadableDataError, match=r"the class folder caf\\xe9 is no UTF-8\. Rename it") as caught:
        load_train(tmp_path)

    assert str(caught.value).isascii()


def test_a_name_is_one_class_whichever_way_its_accents_are_stored(tmp_path: Path, load_train: Load) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    fill_all(tmp_path, f"train/{decomposed}", "train/tea", f"test/{composed}", "test/tea")

    assert load_train(tmp_path).class_names == (composed, "tea")
    assert np.bincount(load_test_set(str(tmp_path), data_dir=tmp_path).labels).tolist() == [8, 8]


def test_two_folders_of_one_name_are_refused(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, *(unicodedata.normalize(form, "café") for form in ("NFC", "NFD")))

    with pytest.raises(UnreadableDataError, match="several class folders are called café"):
        load_train(tmp_path)


def test_names_that_are_nearly_alike_are_read_and_remarked_on(tmp_path: Path) -> None:
    fill_all(tmp_path, "Cat", "cat", "1", "01", "none")

    said = remarks(tmp_path)

    assert "The classes 'Cat' and 'cat' differ by case" in said
    assert "The classes '01' and '1' differ by case, blanks or zeros" in said
    assert "One of the classes is called 'none'" in said


@pytest.mark.parametrize("name", ["@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"])
def test_what_a_system_puts_beside_classes_is_no_class(tmp_path: Path, load_train: Load, name: str) -> None:
    fill_all(tmp_path, "a", "b", name, f"a/{name}")

    assert load_train(tmp_path).class_names == ("a", "b")
    assert remarks(tmp_path) == ""


@pytest.mark.parametrize("parts", [["a", "b"], ["train/a", "train/b"]])
def test_a_link_that_leads_nowhere_is_counted(tmp_path: Path, parts: list[str]) -> None:
    fill_all(tmp_path, *parts)
    (tmp_path / parts[0]).with_name("c").symlink_to(tmp_path / "moved away")
    (tmp_path / parts[0]).with_name("d").symlink_to((tmp_path / parts[0]).with_name("d"))

    assert remarks(tmp_path) == "2 files were not read: 2 links that lead nowhere."


def test_a_picture_that_is_a_link_is_read_and_one_that_leads_nowhere_refused(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "a", "b")
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "b" / "0.png")

    assert len(load_train(tmp_path)) == 14
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(UnreadableDataError, match=r"a/gone\.png No such file"):
        load_train(tmp_path)


def test_pictures_in_parts_alone_are_told_how_to_be_classes(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "train", "test", "val")

    with pytest.raises(UnreadableDataError, match=r"If test, val, train are classes, .* as in .*/train/train\."):
        load_train(tmp_path)
    for name in ("test", "val", "train"):
        (tmp_path / name).rename(tmp_path / f"{name}_")
    (tmp_path / "train").mkdir()
    for name in ("test", "val", "train"):
        (tmp_path / f"{name}_").rename(tmp_path / "train" / name)
    assert load_train(tmp_path).class_names == ("test", "train", "val")


@pytest.mark.parametrize("name", ["Test", "testing"])
def test_a_test_part_of_another_name_is_said_to_be_left_out(tmp_path: Path, name: str) -> None:
    fill_all(tmp_path, "train/a", "train/b", f"{name}/a", f"{name}/b")

    assert not opened(tmp_path).has_test_set
    assert f"16 in {name}/, which would be the test part if it were called test" in remarks(tmp_path)


def test_a_class_of_the_test_part_is_quoted_where_blanks_make_it_another(tmp_path: Path, load_train: Load) -> None:
    fill_all(tmp_path, "train/cat", "train/dog", "test/cat ", "test/dog")

    with pytest.raises(UnreadableDataError, match="the class 'cat ' is none of the training part's"):
        load_train(tmp_path)
