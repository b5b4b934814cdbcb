"""Pictures of a study's data and of one retrained model, stored as an artifact for the report. Knows no Keras."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tuner.artifacts import ArtifactStore
from tuner.bundles.arrays import ArraysUnreadableError, pack_arrays, unpack_arrays
from tuner.bundles.layer_pictures import LayerPictures, LayerPicturesText, put_together, take_apart
from tuner.bundles.sealed import NotSealedError, SealBrokenError, seal, unseal
from tuner.errors import TunerError, shorten

_TEXT, _ARRAYS = "pictures.json", "arrays.npz"
_MAX_BYTES = {_ARRAYS: 64 * 1024**2}
_SAMPLES = ("sample_images", "sample_labels")
_AUGMENTED = ("originals", "augmented")


class PicturesUnreadableError(TunerError):
    """The pictures of a study are damaged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DataPictures:
    """What training images look like, and how many of each class there are."""

    #: Images of each class, in the order of the classes, by part: `train`, `validation`, `test`.
    class_counts: Mapping[str, tuple[int, ...]]
    #: uint8, shape (n, height, width, channels), and int64, shape (n,): training images with their classes.
    sample_images: NDArray[np.uint8]
    sample_labels: NDArray[np.int64]
    #: uint8, shape (n, height, width, channels) and (n, versions, height, width, channels): training images, and what
    #: retraining made of each; None where it augments nothing.
    originals: NDArray[np.uint8] | None
    augmented: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyPictures:
    """What a study's images look like, and what a retrained model sees of some."""

    data: DataPictures
    #: Of the retrained model; `layer_names` are those of its images.
    layers: LayerPictures
    layer_names: tuple[str, ...]


class _Text(BaseModel):
    model_config = ConfigDict(frozen=True)

    class_counts: dict[str, tuple[int, ...]]
    is_augmented: bool
    layers: LayerPicturesText
    layer_names: tuple[str, ...]

    @property
    def array_names(self) -> list[str]:
        return [
            *_SAMPLES,
            *(_AUGMENTED if self.is_augmented else ()),
            *(f"layers_{name}" for name in self.layers.array_names),
        ]


def write_study_pictures(store: ArtifactStore, path: str, pictures: StudyPictures) -> None:
    """Write them as one file; an existing one is replaced.

    Raises:
        TunerError: The store refuses the file.
    """
    data = pictures.data
    layers_text, layer_arrays = take_apart(pictures.layers)
    text = _Text(
        class_counts=dict(data.class_counts),
        is_augmented=data.originals is not None,
        layers=layers_text,
        layer_names=pictures.layer_names,
    )
    arrays: dict[str, NDArray[Any]] = {name: getattr(data, name) for name in _SAMPLES}
    if text.is_augmented:
        arrays |= {name: getattr(data, name) for name in _AUGMENTED}
    arrays |= {f"layers_{name}": array for name, array in layer_arrays.items()}
    store.write(path, seal({_TEXT: text.model_dump_json().encode(), _ARRAYS: pack_arrays(arrays)}))


def read_study_pictures(store: ArtifactStore, path: str) -> StudyPictures:
    """Read what `write_study_pictures` wrote.

    Raises:
        ArtifactNotFoundError: No file has that path.
        PicturesUnreadableError: The file is damaged.
    """
    content = store.read(path)
    try:
        members = unseal(io.BytesIO(content), max_bytes=_MAX_BYTES)
        text = _Text.model_validate_json(members[_TEXT])
        arrays = unpack_arrays(members[_ARRAYS], text.array_names)
    except (NotSealedError, SealBrokenError, ValidationError, KeyError, ArraysUnreadableError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        reason = shorten(" ".join(said.split()), width=200)
        raise PicturesUnreadableError(f"The pictures in {store.location(path)} are damaged: {reason}.") from error
    layers = {name.removeprefix("layers_"): array for name, array in arrays.items() if name.startswith("layers_")}
    return StudyPictures(
        data=DataPictures(
            class_counts=text.class_counts,
            sample_images=arrays["sample_images"],
            sample_labels=arrays["sample_labels"],
            originals=arrays.get("originals"),
            augmented=arrays.get("augmented"),
        ),
        layers=put_together(text.layers, layers),
        layer_names=text.layer_names,
    )
