"""People's own pictures, arrays and models, from their files to a prediction."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from commands import Run, RunHere, artifacts_of
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

#: One short trial, one short final.
SHORT = [
    argument
    for setting in (
        "search.trials=1",
        "search.epochs=1",
        "finals.top=1",
        "finals.candidates=1",
        "finals.confirm_repeats=1",
        "finals.repeats=1",
        "finals.epochs=1",
        "finals.compare_augmentation=false",
    )
    for argument in ("--set", setting)
]

OWN_MODEL = """
from pathlib import Path

import keras
import keras_tuner


class Net(keras_tuner.HyperModel):
    def build(self, hp):
        units = hp.Int("units", 16, 64, step=16)
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, **kwargs):
        Path("fitted.txt").touch()
        return model.fit(*args, batch_size=hp.Choice("size", [16, 32]), **kwargs)
"""


@pytest.fixture
def zeros_ones_twos() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Bright digits on black: uint8, shape (n, 8, 8), and their labels 0 to 2."""
    digits = load_digits(n_class=3)
    return (digits.images * 255 / 16).astype(np.uint8), digits.target


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_are_counted_compressed_or_not(
    run: Run, folder: Path, zeros_ones_twos: tuple[NDArray[np.uint8], NDArray[np.uint8]], ending: str
) -> None:
    images, labels = zeros_ones_twos
    for part, end in (("train", 400), ("t10k", 100)):
        write_idx(folder / f"{part}-images-idx3-ubyte{ending}", images[:end])
        write_idx(folder / f"{part}-labels-idx1-ubyte{ending}", labels[:end])

    shown = run("dataset", "show", str(folder)).stdout

    assert "400 training images, 8x8 grey, 3 classes" in shown
    assert "test set: its own" in shown


def test_a_folder_of_csv_files_has_its_own_test_set(
    run: Run, folder: Path, zeros_ones_twos: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    images, labels = zeros_ones_twos
    rows = np.column_stack([labels, images.reshape(len(images), -1)])
    header = ",".join(["label", *(f"pixel{number}" for number in range(64))])
    (folder / "csv").mkdir()
    np.savetxt(folder / "csv/train.csv", rows[:400], fmt="%d", delimiter=",", header=header, comments="")
    np.savetxt(folder / "csv/test.csv", rows[400:], fmt="%d", delimiter=",", header=header, comments="")

    shown = run("dataset", "show", "csv").stdout

    assert "400 training images, 8x8 grey, 3 classes" in shown
    assert "test set: its own" in shown


def test_colour_pictures_of_many_sizes_become_a_model_that_predicts(
    run: Run, run_here: RunHere, folder: Path, zeros_ones_twos: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    random = np.random.default_rng(0)
    for number, (image, label) in enumerate(zip(*zeros_ones_twos, strict=True)):
        path = folder / "pictures" / f"class {label}" / f"{number}.{('png', 'jpg')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = random.integers(9, 20, 2).tolist()
        Image.fromarray(image).convert("RGB").resize((width, height)).save(path)

    run_here(
        "study",
        "create",
        "--space",
        "mlp",
        "--dataset",
        "pictures",
        "--name",
        "own",
        "--no-check",
        "--set",
        "data.resize=[9,7]",
        *SHORT,
    )
    run("worker", "own", "--until-done")

    (bundle,) = (artifacts_of(folder, "own") / "finals").glob("*.bundle")
    picture = next((folder / "pictures/class 1").iterdir())
    (answer,) = json.loads(run("predict", str(bundle), str(picture), "--json").stdout)
    assert set(answer["probabilities"]) == {"class 0", "class 1", "class 2"}


def test_a_model_of_the_current_folder_is_trained_by_its_own_fit(
    run: Run, run_here: RunHere, folder: Path, zeros_ones_twos: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    images, labels = zeros_ones_twos
    np.savez_compressed(folder / "own.npz", x_train=images[:400], y_train=labels[:400])
    (folder / "own_model.py").write_text(OWN_MODEL)

    run(
        "study",
        "create",
        "--space",
        "own_model:Net",
        "--dataset",
        "own.npz",
        "--name",
        "own",
        # Whose own `fit` would be called here too.
        "--no-check",
        *SHORT,
        "--set",
        "finals.top=0",
    )
    run("worker", "own", "--until-done")

    shown = json.loads(run_here("study", "show", "own", "--json"))
    assert shown["state"] == "done"
    assert shown["failures"] == []
    assert set(shown["best"]["hyperparameters"]) == {"units", "size"}
    assert (folder / "fitted.txt").exists()
