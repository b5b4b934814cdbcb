"""Every reader of files and texts that people bring, each with a small good input."""

import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tuner.artifacts import ArtifactStore
from tuner.bundles.predictions import read_predictions, write_predictions
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.published.kaggle import read_unlabelled_csv
from tuner.datasets.reading import ReadingSettings
from tuner.datasets.test_set import load_test_set
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition, read_definition

_N_IMAGES = 20
_SIDE = 6
_FORMAT = ImageFormat(height=_SIDE, width=_SIDE, channels=1, class_names=("0", "1"))
_RNG = np.random.default_rng(0)
_IMAGES = _RNG.integers(0, 256, (_N_IMAGES, _SIDE, _SIDE), dtype=np.uint8)
_LABELS = np.arange(_N_IMAGES) % 2


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """A reader of files in a folder."""

    name: str
    #: Content of the good files, by path below the folder.
    files: Mapping[str, bytes]
    #: Reads the folder; may raise a `TunerError`.
    read: Callable[[Path], object]


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _idx(array: Any) -> bytes:
    array = np.asarray(array, np.uint8)
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def _csv(*, labelled: bool) -> bytes:
    names = [*(["label"] if labelled else []), *(f"pixel{index}" for index in range(_SIDE**2))]
    rows = [
        [*([label] if labelled else []), *image.ravel().tolist()] for image, label in zip(_IMAGES, _LABELS, strict=True)
    ]
    return "\n".join(",".join(map(str, row)) for row in [names, *rows]).encode() + b"\n"


def _picture(file_format: str, mode: str = "L", **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = _RNG.integers(0, 256, (_SIDE, _SIDE, 4), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def _turned_picture() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = 72.0
    return _picture("JPEG", exif=exif)


def _predictions() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        probabilities = np.full((_N_IMAGES, 2), 0.5, np.float32)
        write_predictions(
            store, "p.npz", labels=_LABELS, probabilities=probabilities, images=_IMAGES[:, :, :, np.newaxis]
        )
        return store.read("p.npz")


def _load(folder: Path, path: str, *, group: str | None = None) -> None:
    """Read the training part and the test part."""
    target, reading = str(folder / path), ReadingSettings(group=group)
    open_dataset(target, data_dir=folder, reading=reading).load_train()
    load_test_set(target, data_dir=folder, reading=reading)


_DEFINITION = """\
name = "digits"
space = "cnn"
dataset = "digits"
[data]
validation_fraction = 0.15
resize = [8, 8]
[search]
trials = 12
baselines = [{units = 16, optimizer = "adam"}]
[search.pruning]
min_resource = 3
[fixed]
batch_size = 64
[finals]
top = 1
candidates = 3
[finals.augmentation]
rotation = 10.0
"""

_TRAIN_IDX = {
    "train-images-idx3-ubyte": _idx(_IMAGES),
    "train-labels-idx1-ubyte": _idx(_LABELS),
    "t10k-images-idx3-ubyte": _idx(_IMAGES),
    "t10k-labels-idx1-ubyte": _idx(_LABELS),
}
_PICTURES = {
    "PNG": _picture("PNG"),
    "PNG-16": None,
    "PNG-palette": _picture("PNG", "P"),
    "PNG-alpha": _picture("PNG", "RGBA"),
    "JPEG": _turned_picture(),
    "TIFF": _picture("TIFF", "RGB", compression="tiff_lzw"),
}


def _sixteen_bit() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_RNG.integers(0, 65536, (_SIDE, _SIDE), dtype=np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


_PICTURES["PNG-16"] = _sixteen_bit()


def _folder(picture: bytes, suffix: str) -> dict[str, bytes]:
    return {f"data/{label}/{index}.{suffix}": picture for label in ("a", "b") for index in range(5)}


def _suffix(kind: str) -> str:
    return {"JPEG": "jpg", "TIFF": "tif"}.get(kind, "png")


def _read_definition(folder: Path) -> None:
    read_definition(folder / "study.toml")


def _read_stored_definition(folder: Path) -> None:
    StudyDefinition.from_json((folder / "study.json").read_text(errors="surrogateescape"))


_ROWS = [(f"{n}.png", "ab"[n % 2], n) for n in range(10)]
GOOD_TABLES = {
    "labels.csv": "\n".join(["image,class,patient", *(f"{file},{label},{n}" for file, label, n in _ROWS)]),
    "metadata.csv": "\n".join(["file_name,label,patient", *(f'"{file}",{label},p{n}' for file, label, n in _ROWS)]),
    "metadata.jsonl": "\n".join(
        json.dumps({"file_name": file, "label": label, "patient": n}) for file, label, n in _ROWS
    ),
}

FILE_READERS = (
    FileReader(
        name="npz",
        files={"d.npz": _npz(x_train=_IMAGES, y_train=_LABELS, x_test=_IMAGES, y_test=_LABELS)},
        read=lambda folder: _load(folder, "d.npz"),
    ),
    FileReader(
        name="npz-floats-and-names",
        files={"d.npz": _npz(x_train=_IMAGES / 255, y_train=np.array(["cat", "dog"] * 10))},
        read=lambda folder: _load(folder, "d.npz"),
    ),
    FileReader(name="csv", files={"d.csv": _csv(labelled=True)}, read=lambda folder: _load(folder, "d.csv")),
    FileReader(name="idx", files=_TRAIN_IDX, read=lambda folder: _load(folder, "")),
    FileReader(
        name="idx-gzip",
        files={f"{name}.gz": gzip.compress(content) for name, content in _TRAIN_IDX.items()},
        read=lambda folder: _load(folder, ""),
    ),
    *(
        FileReader(
            name=f"folder-{kind}",
            files=_folder(picture, _suffix(kind)),
            read=lambda folder: _load(folder, "data"),
        )
        for kind, picture in _PICTURES.items()
    ),
    *(
        FileReader(
            name=f"picture-{kind}",
            files={f"p.{_suffix(kind)}": picture},
            read=lambda folder, kind=kind: read_image(folder / f"p.{_suffix(kind)}", image_format=_FORMAT),
        )
        for kind, picture in _PICTURES.items()
    ),
    *(
        FileReader(
            name=f"listed-{name}",
            files={**{f"data/{index}.png": _picture("PNG") for index in range(10)}, f"data/{name}": table.encode()},
            read=lambda folder: _load(folder, "data", group="patient"),
        )
        for name, table in GOOD_TABLES.items()
    ),
    FileReader(
        name="kaggle-test",
        files={"test.csv": _csv(labelled=False)},
        read=lambda folder: read_unlabelled_csv(folder / "test.csv", image_format=_FORMAT),
    ),
    FileReader(name="definition", files={"study.toml": _DEFINITION.encode()}, read=_read_definition),
    FileReader(
        name="stored-definition",
        files={"study.json": make_definition(space="cnn", dataset="digits").to_json().encode()},
        read=_read_stored_definition,
    ),
    FileReader(
        name="predictions",
        files={"p.npz": _predictions()},
        read=lambda folder: read_predictions(ArtifactStore(str(folder)), "p.npz").accuracy,
    ),
)

#: Texts: definitions, and what a `--set`, a `--vary` and a `--storage` may say.
GOOD_DEFINITIONS = (
    _DEFINITION,
    """\
name = "ranges"
dataset = "digits"
[space]
name = "mlp"
[space.units]
values = [8, 16]
weights = {8 = 1.0, 16 = 3.0}
[space.dropout]
low = 0.1
high = 0.5
[search]
objectives = ["accuracy", "parameters"]
constraints = ["parameters <= 100_000"]
pruner = "hyperband"
[search.annealing]
rule = "cosine"
[search.augmentation]
rotation = {low = 0.0, high = 20.0}
[finals.training]
label_smoothing = 0.1
""",
)
GOOD_FACTORS = ("kernel_size=3,5,7", "activation=relu,elu", "dropout=0.0,0.25")
GOOD_URLS = (
    "sqlite:///folder/tuner.db",
    "sqlite:///file:tuner.db?mode=ro&uri=true",
    "postgresql://user:secret@host:5432/database?sslmode=require&options=-csearch_path%3Dmine",
    "postgresql+psycopg2://user@/database?host=/run/postgresql",
)
GOOD_OVERRIDES = (
    "search.trials=200",
    "fixed.units=64",
    'fixed.optimizer="adam"',
    "search.grid.learning_rate=[0.001, 0.01]",
    'search.baselines=[{optimizer="adam", units=16}]',
    "data.resize=[28, 28]",
    "finals.augmentation={rotation=5.0}",
    "space.units.values=[8, 16]",
    'search.constraints=["parameters <= 100_000"]',
    "search.annealing.rule=cosine",
)
GOOD_STORED_DEFINITION = json.dumps(json.loads(make_definition(space="cnn", dataset="digits").to_json()), indent=1)
