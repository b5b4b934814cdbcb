import csv
import json
import os
from pathlib import Path

import pytest

from tuner.bundles.prediction import Prediction
from tuner.bundles.prediction_lists import Tally, as_json_file, write_csv


def prediction(file: Path, probability: float, *, folder: str = "") -> Prediction:
    shares = {"cat": probability, "file": 1 - probability}
    best = max(shares, key=lambda name: shares[name])
    return Prediction(
        file=file, class_name=best, probability=shares[best], probabilities=shares, folder=folder or file.parent.name
    )


@pytest.fixture
def predictions() -> list[Prediction]:
    names = ["cat/a, b.png", "cat/c.png", "file/d.png", "other/e.png"]
    return [prediction(Path(name), share) for name, share in zip(names, (0.75, 0.25, 0.125, 1.0), strict=True)]


def test_a_csv_has_a_row_for_each_file_and_a_column_for_each_class(
    predictions: list[Prediction], tmp_path: Path
) -> None:
    write_csv(predictions, tmp_path / "a.csv", class_names=["cat", "file"], probabilities=True)
    write_csv(predictions, tmp_path / "b.csv", class_names=["cat", "file"], probabilities=False)

    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert rows[0] == {
        "file": "cat/a, b.png", "class": "cat", "probability": "0.75", "cat": "0.75", "class file": "0.25",
    }  # fmt: skip
    assert (tmp_path / "b.csv").read_text().splitlines()[:2] == ["file,class,probability", '"cat/a, b.png",cat,0.75']


def test_names_that_are_no_text_keep_their_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")

    write_csv([prediction(Path(name), 1.0)], tmp_path / "a.csv", class_names=["cat"], probabilities=False)

    assert (tmp_path / "a.csv").read_bytes().splitlines()[1] == b"caf\xe9.png,cat,1"


def test_json_is_whole_for_any_number_of_predictions(predictions: list[Prediction]) -> None:
    for given in ([], predictions):
        with as_json_file(given) as file:
            read = json.loads(file.read())
        assert [one["file"] for one in read] == [str(one.file) for one in given]
    assert read[1] == {
        "file": "cat/c.png", "class": "file", "probability": 0.75, "probabilities": {"cat": 0.25, "file": 0.75},
    }  # fmt: skip


def test_folders_named_after_classes_are_compared_with_the_predictions(predictions: list[Prediction]) -> None:
    tally = Tally(class_names=["cat", "file"])

    assert list(tally.counted(predictions)) == predictions

    assert (tally.n, tally.n_in_class_folders, tally.n_as_folder) == (4, 3, 2)
    assert tally.by_class == {"cat": 2, "file": 2}
