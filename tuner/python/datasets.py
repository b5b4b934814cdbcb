"""Images that a script holds in memory, written once as a dataset that every process reads by its path.

| what is given | is |
|---|---|
| text or a path | a dataset as the command line takes it |
| `(x, y)` | images and labels; a fifth of every class is held out as test set |
| `((x, y), (x_test, y_test))` | the same with a test set, as `keras.datasets` return it |
| `tf.data.Dataset`, `keras.utils.PyDataset` | pairs of images and labels, batched or one by one; or a pair of these |

The file's name is the hash of its content, so that equal data is stored once.
"""

import hashlib
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.arrays import store_array
from tuner.datasets.formats.labels import clean_labels
from tuner.datasets.handed_arrays import FOLDER
from tuner.datasets.reading import name_groups
from tuner.errors import TunerError, shorten
from tuner.free_memory import free_memory_bytes

#: What `data.group` is called where the groups are given.
GROUPS = "group"
_NAME_LENGTH = 16
_PAIR = 2
#: Types that an error names.
_MOST_KINDS = 4
_EXPECTED = (
    "Expected a name such as 'digits', a path, a pair of arrays (x, y), two pairs ((x_train, y_train), (x_test, "
    "y_test)), a tf.data.Dataset or a keras.utils.PyDataset."
)
#: Images, and the label of each.
_Part = tuple[NDArray[Any], NDArray[Any]]


class DatasetGivenError(TunerError):
    """What was given as dataset cannot be read as images with one label each."""

    def __init__(self, problem: str, remedy: str = _EXPECTED) -> None:
        super().__init__(f"dataset: {problem}. {remedy}")


def place_dataset(dataset: Any, *, home: Path, validation_data: Any = None, groups: Any = None) -> str:
    """Return the name or the absolute path of a dataset, which is written to `home` if it is in memory.

    Args:
        dataset: What the table of this module lists.
        home: `TUNER_HOME`.
        validation_data: Images and labels that score the trials, given as the training part is; None: drawn from it.
        groups: Of a pair of arrays: the group of each training image, numbers or text of shape (n,); None: no groups.

    Raises:
        DatasetGivenError: It is none of what the table of this module lists.
        UnreadableDataError: Images or labels have a wrong shape or type.
    """
    if isinstance(dataset, str | Path):
        _refuse_beside_path(validation_data=validation_data, groups=groups)
        # A relative path of one word is no name of the catalogue.
        return dataset if isinstance(dataset, str) else str(dataset.absolute())
    parts = _read_parts(dataset)
    if validation_data is not None:
        parts["val"] = _read_part(validation_data, "val")
    given = (
        {} if groups is None else {f"{GROUPS}_train": _read_groups(groups, dataset, n_images=len(parts["train"][0]))}
    )
    return str(_write(parts, home / FOLDER, more=given))


def _refuse_beside_path(**given: Any) -> None:
    places = {
        "validation_data": "a folder validation/ beside train/, or arrays x_val and y_val in the .npz file",
        "groups": "the name of a column, data={'group': 'patient'}",
    }
    for name, value in given.items():
        if value is not None:
            raise DatasetGivenError(
                f"{name} goes with arrays, and the dataset is a name or path", f"Give {places[name]}."
            )


def _read_groups(groups: Any, dataset: Any, *, n_images: int) -> NDArray[np.str_]:
    if _is_batched_source(dataset) or _is_batched_source(dataset[0]):
        raise DatasetGivenError("groups go with a pair of arrays, whose order is known", "Give (x, y) as arrays.")
    array = _as_array(groups, "groups")
    if array.shape != (n_images,):
        raise DatasetGivenError(
            f"groups have the shape {array.shape}, the training part {n_images:,} images",
            "Give one group for each image.",
        )
    return name_groups(array, where="groups")


def _read_parts(dataset: Any) -> dict[str, _Part]:
    if not isinstance(dataset, tuple | list):
        return {"train": _read_part(dataset, "train")}
    if len(dataset) != _PAIR:
        raise DatasetGivenError(f"received {len(dataset)} things")
    if _is_batched_source(dataset[0]) or _is_pair(dataset[0]):
        return {name: _read_part(part, name) for name, part in zip(("train", "test"), dataset, strict=True)}
    return {"train": _read_part(dataset, "train")}


def _is_pair(value: Any) -> bool:
    """Say whether a value is images with labels, and not a list of two images."""
    return isinstance(value, tuple) and len(value) == _PAIR


def _read_part(part: Any, name: str) -> _Part:
    """Return one part's images and labels, both checked."""
    if _is_tensorflow_dataset(part):
        images, labels = _collect(_examples_of(part), name)
        labels = _name_labels(labels, getattr(part, "class_names", None))
    elif _is_keras_dataset(part):
        images, labels = _collect(_batches_of(part), name)
    elif isinstance(part, tuple | list) and len(part) == _PAIR:
        images, labels = (_as_array(value, f"{letter}_{name}") for value, letter in zip(part, "xy", strict=True))
    else:
        raise DatasetGivenError(f"received {_describe(part)} as the {name} part")
    labels = _without_one_hot(labels)
    store_array(images, where=f"dataset, x_{name}")
    labels = clean_labels(labels, where=f"dataset, y_{name}")
    if len(images) != len(labels):
        raise DatasetGivenError(
            f"the {name} part has {len(images):,} images and {len(labels):,} labels", "Give one label for each image."
        )
    return images, labels


def _is_batched_source(value: Any) -> bool:
    return _is_tensorflow_dataset(value) or _is_keras_dataset(value)


def _is_tensorflow_dataset(value: Any) -> bool:
    # A script that holds such a dataset has imported TensorFlow.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


def _is_keras_dataset(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.utils.PyDataset)


def _examples_of(dataset: Any) -> Iterator[_Part]:
    """Yield batches of a `tf.data.Dataset`; examples that come one by one are batched."""
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) == _PAIR and all(hasattr(one, "shape") for one in spec)):
        raise DatasetGivenError(f"the elements of the tf.data.Dataset are {shorten(str(spec))}", _ONE_PAIR)
    if any("Ragged" in type(one).__name__ or "Sparse" in type(one).__name__ for one in spec):
        raise DatasetGivenError("the images of the tf.data.Dataset are ragged or sparse", _ONE_SIZE)
    if int(dataset.cardinality()) == -1:
        raise DatasetGivenError("the tf.data.Dataset never ends", "Take what one pass is: `dataset.take(n)`.")
    images, labels = (one.shape for one in spec)
    is_batched = _has_batches(images, labels)
    for some_images, some_labels in dataset.as_numpy_iterator():
        if is_batched:
            yield some_images, some_labels
        else:
            yield np.asarray(some_images)[np.newaxis], np.asarray(some_labels)[np.newaxis]


def _has_batches(images: Any, labels: Any) -> bool:
    """Say by the shapes of an element whether it holds many images or one."""
    if images.rank is None or labels.rank is None:
        raise DatasetGivenError("the tf.data.Dataset does not say the shapes of its elements", _ONE_SIZE)
    if labels.rank == 0:
        return False
    if (images.rank, labels.rank) == (3, 1):
        # A batch of grey images without channels, or one image with a one-hot label.
        return bool(images[0] == labels[0])
    return True


def _batches_of(dataset: Any) -> Iterator[_Part]:
    """Yield the batches of a `keras.utils.PyDataset`."""
    if dataset.num_batches is None:
        raise DatasetGivenError("the PyDataset has no num_batches and may never end", "Let it return their number.")
    for index in range(dataset.num_batches):
        batch = dataset[index]
        if not (isinstance(batch, tuple | list) and len(batch) == _PAIR):
            raise DatasetGivenError(f"a batch of the PyDataset is {_describe(batch)}", _ONE_PAIR)
        if any(isinstance(value, Mapping | tuple) for value in batch):
            raise DatasetGivenError("a batch of the PyDataset has several inputs or outputs", _ONE_PAIR)
        images, labels = (_as_array(value, "a batch of the PyDataset") for value in batch)
        yield images, labels


def _collect(batches: Iterable[_Part], name: str) -> _Part:
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    # They are put together in the end, beside what is collected.
    n_bytes, most_bytes = 0, free_memory_bytes() // 2
    for some_images, some_labels in batches:
        images.append(some_images)
        labels.append(some_labels)
        n_bytes += some_images.nbytes
        if n_bytes > most_bytes:
            raise DatasetGivenError(
                f"the {name} part gives more than {most_bytes / 2**30:.1f} GiB of images, half of the free memory",
                "If it never ends, take what one pass is: `dataset.take(n)`; else save the images as files, such as an "
                ".npz file or class folders, which may be larger than memory, and give their path.",
            )
    if not images:
        raise DatasetGivenError(f"the {name} part gives no image", "An iterator that was used up gives none again.")
    if len({one.shape[1:] for one in images}) > 1:
        raise DatasetGivenError(f"the images of the {name} part differ in size", _ONE_SIZE)
    return np.concatenate(images), np.concatenate(labels)


def _as_array(value: Any, where: str) -> NDArray[Any]:
    if isinstance(value, Mapping):
        raise DatasetGivenError(f"{where} is {_describe(value)}: several inputs or outputs", _ONE_PAIR)
    if np.ma.is_masked(value):
        raise DatasetGivenError(f"{where} has masked values", "Fill them in, as by `numpy.ma.filled(array, 0)`.")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise DatasetGivenError(f"{where} is no array ({error})", _ONE_SIZE) from error
    if array.dtype == object and all(isinstance(one, str) for one in array.ravel()):
        # As pandas keeps text.
        array = array.astype(np.str_)
    if array.dtype == object and all(type(one) is int or isinstance(one, np.integer) for one in array.ravel()):
        # As pandas keeps whole numbers of which some may be missing.
        array = array.astype(np.int64)
    if array.dtype == object and array.ndim == 1 and len({getattr(one, "shape", None) for one in array} - {None}) == 1:
        # Images of one size that were collected one by one.
        array = np.array([*array]) if all(isinstance(one, np.ndarray) for one in array) else array
    if array.dtype == object:
        kinds = sorted({type(one).__name__ for one in array.ravel()})
        is_nested = any(hasattr(one, "__len__") and not isinstance(one, str | bytes) for one in array.ravel())
        raise DatasetGivenError(
            f"{where} holds Python objects ({', '.join(kinds[:_MOST_KINDS])})", _ONE_SIZE if is_nested else _ONE_KIND
        )
    return array


def _without_one_hot(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the class of each row of a one-hot array; others unchanged."""
    is_table = labels.ndim == _PAIR and labels.shape[1] > 1 and labels.dtype.kind in "biuf"
    if is_table and ((labels == 0) | (labels == 1)).all() and ((labels == 1).sum(axis=1) == 1).all():
        return np.asarray(labels.argmax(axis=1))
    return labels


def _name_labels(labels: NDArray[Any], class_names: Any) -> NDArray[Any]:
    """Return the names of the classes, which `keras.utils.image_dataset_from_directory` puts beside its dataset."""
    indices = _without_one_hot(labels)
    if not class_names or indices.ndim != 1 or indices.dtype.kind not in "iu":
        return labels
    return np.take(np.asarray(class_names, np.str_), indices)


def _write(parts: Mapping[str, _Part], folder: Path, *, more: Mapping[str, NDArray[Any]]) -> Path:
    arrays = dict(more) | {
        f"{letter}_{name}": np.ascontiguousarray(array)
        for name, part in parts.items()
        for letter, array in zip("xy", part, strict=True)
    }
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(repr((name, array.shape, array.dtype.str)).encode())
        digest.update(array.view(np.uint8).data if array.dtype.kind != "U" else array.tobytes())
    path = folder / f"arrays-{digest.hexdigest()[:_NAME_LENGTH]}.npz"
    if path.is_file():
        return path
    unfinished = folder / f".{uuid.uuid4().hex}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not compressed, which would take longer than all that follows.
        np.savez(unfinished, allow_pickle=False, **arrays)
        unfinished.rename(path)
    except OSError as error:
        raise DatasetGivenError(
            f"cannot be written to {folder}: {error.strerror or error}", "Free some space, or set TUNER_HOME."
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return path


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}{'' if shape is None else f' of shape {tuple(shape)}'}"


_ONE_PAIR = "Expected pairs of one array of images and one of labels, without weights and other inputs."
_ONE_KIND = "Give numbers alone or text alone, and none that is missing."
_ONE_SIZE = "Give all images one size, as by `keras.ops.image.resize` or a folder of pictures with `data.resize`."
