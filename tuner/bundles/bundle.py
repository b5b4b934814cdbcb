"""The format of a bundle: one file with a retrained model, what is needed to use it, and where it comes from.

A sealed zip: `bundle.json` describes the model, `weights.npz` holds `model.weights` in their order, `source/` the files
of the user's own builder, kept to be read and never run; `SHA256SUMS` lists the hash of each. The model is rebuilt by
its space (`model.py`) and never deserialised: Keras' own loading has had a dozen advisories, here the file supplies
nothing but validated text and numbers. The hashes detect damage, they do not prove an author; a description may name
any builder that Python finds on this machine, so use bundles from people you trust. Importing this module, and reading
a bundle, needs no Keras.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuner.bundles.arrays import ArraysUnreadableError, pack_arrays, unpack_arrays
from tuner.bundles.bundle_places import NotABundleError, read_bundle_file
from tuner.bundles.sealed import NotSealedError, SealBrokenError, seal, unseal
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import ResizeHow
from tuner.errors import TunerError, shorten
from tuner.image_ranges import UNIT_RANGE, ImageRange
from tuner.plain_values import JSONObject
from tuner.summaries import summary_html

if TYPE_CHECKING:
    import keras

#: Raised when an older tuner could not read a new bundle.
FORMAT_VERSION: Final = 3

#: How the pixels of a file are prepared for the model.
PREPROCESSING = (
    "decoded as grey or RGB as the format's channels ask; transparent parts on the background that `pixels` says",
    "the range that `pixels` says scaled to 0 to 255, and inverted where it says so, as the training images were",
    "fitted to height and width: photographs of single characters cropped to their strokes and centred, else scaled",
    "uint8 scaled by 1/255 to float32 in [0, 1]",
)

_MANIFEST, _WEIGHTS, _SOURCE = "bundle.json", "weights.npz", "source/"
#: Most characters of what is wrong with the manifest.
_MAX_WORDS = 300
#: More than a member needs in any version.
_MAX_BYTES = {_MANIFEST: 4 * 1024**2, _WEIGHTS: 4 * 1024**3}


class BundleDamagedError(TunerError):
    """The file was a bundle and has been changed."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__(f"{origin} is damaged, its hash is wrong: {reason}. Copy it again from where it was made.")


class BundleTooNewError(TunerError):
    """The file was written by a later version of this package."""

    def __init__(self, origin: str, version: int) -> None:
        super().__init__(
            f"{origin} was made by a newer tuner: received format {version}, expected {FORMAT_VERSION} at most. "
            "Update your checkout of tuner to use it."
        )


class BundleMismatchError(TunerError):
    """The space builds another model today than the one whose weights the bundle holds."""


class Provenance(BaseModel):
    """Where a model comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    trial: int
    #: Rank among the finals when the bundle was written, from 1; a study that was extended may rank otherwise since.
    rank: int
    seed: int
    #: In [0, 1]; None when it was not tested.
    test_accuracy: float | None
    #: Of `tuner` and of the packages that shaped the result, at the time of training.
    versions: dict[str, str]
    data_sha256: str


class HowTrained(BaseModel):
    """How the model was trained and tested: what its card tells, and what repeats it in plain Keras."""

    # A score may be infinite, as a loss on validation images.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    #: As the study names it.
    dataset: str
    #: What the training images are, and how many: `train` or `train+validation`.
    train_on: str
    n_train: int
    n_test: int
    #: What the search optimized, in words, and what the configuration came to, in confirmations with other seeds.
    score_name: str
    score: float
    epochs: int
    #: The epoch whose weights the model has.
    kept_epoch: int
    batch_size: int
    #: The tables of `training_settings` without ranges; None: images as they are, the model's own learning rate.
    augmentation: JSONObject | None
    annealing: JSONObject | None
    training: JSONObject
    #: Whose weights it started from; None: random ones.
    starts_from: str | None
    #: Whether the HyperModel's own `fit` trained it.
    has_own_fit: bool
    #: What was done in another way than these settings ask, in sentences.
    notes: tuple[str, ...] = ()


class BundleDescription(BaseModel):
    """What is needed to use the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: str
    #: All values that `Space.build` asks for.
    hyperparameters: dict[str, bool | int | float | str | None]
    images: ImageFormat
    #: What the pixels mean, as decided for training; None in bundles of format 1.
    pixels: PixelMeaning | None = None
    #: In which range the model takes its images.
    image_range: ImageRange = UNIT_RANGE
    preprocessing: tuple[str, ...] = PREPROCESSING
    provenance: Provenance
    #: None in bundles of formats 1 and 2.
    training: HowTrained | None = None


#: What the third step of `PREPROCESSING` ends with.
_FITTED: dict[ResizeHow, str] = {
    "stretch": "scaled",
    "crop": "scaled to fill the size, and cropped in the middle",
    "pad": "scaled to fit into the size, and padded with the median colour of their border",
}


def preprocessing_for(image_range: ImageRange, resize_how: ResizeHow = "stretch") -> tuple[str, ...]:
    """Return `PREPROCESSING` for a model that takes images in this range, of pictures that are fitted in this way."""
    *first, fitted, last = PREPROCESSING
    return (
        *first,
        fitted.removesuffix(_FITTED["stretch"]) + _FITTED[resize_how],
        last if image_range == UNIT_RANGE else "uint8 as float32 in [0, 255]",
    )


class _WeightEntry(BaseModel):
    """One array of `weights.npz`; the path only informs, because Keras numbers layers anew in every process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    shape: tuple[int, ...]
    dtype: str


class Manifest(BaseModel):
    """The content of `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1, 2, 3] = FORMAT_VERSION
    description: BundleDescription
    weights: tuple[_WeightEntry, ...] = Field(min_length=1)
    weights_sha256: str

    @property
    def n_parameters(self) -> int:
        """Numbers in all weights, as Keras' `count_params` counts them."""
        return sum(prod(entry.shape) for entry in self.weights)


class _Versioned(BaseModel):
    """The part that is common to all versions of `bundle.json`."""

    format_version: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bundle:
    """A description and the weights that belong to it."""

    description: BundleDescription
    #: As `model.weights` of the rebuilt model, in its order.
    weights: tuple[NDArray[Any], ...]
    #: Source files of the user's own builder by their paths, see `Space.sources`; never run.
    sources: Mapping[str, bytes] = field(default_factory=dict)
    #: The path in the model of each weight, as Keras numbered the layers in the process that trained it.
    paths: tuple[str, ...] = ()

    def build_model(self) -> "keras.Model":
        """Rebuild the model through its space and fill in the weights; logs a warning if the builder has changed.

        Raises:
            BundleMismatchError: The space builds other weights than the bundle holds.
            TunerError: The space does not exist here.
        """
        from tuner.bundles.model import build_model

        return build_model(self)

    @property
    def n_parameters(self) -> int:
        """Numbers in all weights, as Keras' `count_params` counts them."""
        return sum(array.size for array in self.weights)

    def __repr__(self) -> str:
        """Return whose model it is, and its size."""
        origin = self.description.provenance
        return f"<Bundle of study {origin.study!r}, trial {origin.trial}, {self.n_parameters:,} parameters>"

    def _repr_html_(self) -> str:
        description, origin = self.description, self.description.provenance
        rows = {
            "study": f"{origin.study}, trial {origin.trial}, seed {origin.seed}",
            "space": description.space,
            "images": " x ".join(map(str, description.images.shape)),
            "classes": ", ".join(description.images.class_names),
            "test accuracy": None if origin.test_accuracy is None else f"{origin.test_accuracy:.4f}",
            "parameters": f"{self.n_parameters:,}",
            **description.hyperparameters,
        }
        return summary_html("Bundle", rows)


def pack_bundle(
    description: BundleDescription,
    weights: Sequence[tuple[str, NDArray[Any]]],
    *,
    sources: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return the content of a bundle file; equal parts give equal bytes.

    Args:
        description: What the model is.
        weights: As `model.weights` in their order, each with its path in the model.
        sources: Of the user's own builder, by path; see `Space.sources`.
    """
    packed = pack_arrays({str(index): array for index, (_, array) in enumerate(weights)})
    manifest = Manifest(
        description=description,
        weights=tuple(_WeightEntry(path=path, shape=array.shape, dtype=str(array.dtype)) for path, array in weights),
        weights_sha256=sha256(packed).hexdigest(),
    )
    members = {_MANIFEST: manifest.model_dump_json(indent=2).encode(), _WEIGHTS: packed}
    members |= {f"{_SOURCE}{name}": content for name, content in (sources or {}).items()}
    return seal(members)


def read_bundle(place: str | Path, *, artifacts: str | None = None) -> Bundle:
    """Read and check a bundle file.

    Args:
        place: A local file, a URL such as `s3://bucket/folder/x.bundle`, or a path in the artifact store.
        artifacts: Folder or URL of the artifact store; without it `place` is no path in one.

    Raises:
        NotABundleError: No such file, or not a bundle.
        BundleDamagedError: It has changed since it was written.
        BundleTooNewError: A later tuner wrote it.
    """
    return parse_bundle(read_bundle_file(place, artifacts=artifacts), origin=str(place))


def parse_bundle(content: bytes, *, origin: str) -> Bundle:
    """Check a bundle in memory, as `read_bundle` does; `origin` names it in errors."""
    manifest, members = _read_members(io.BytesIO(content), origin)
    try:
        arrays = unpack_arrays(members[_WEIGHTS], map(str, range(len(manifest.weights))))
    except (KeyError, ArraysUnreadableError) as error:
        raise NotABundleError(origin, f"{_WEIGHTS}: {error}") from error
    expected = [(entry.shape, entry.dtype) for entry in manifest.weights]
    if [(array.shape, str(array.dtype)) for array in arrays.values()] != expected:
        raise NotABundleError(origin, f"{_WEIGHTS} does not hold the arrays that {_MANIFEST} lists")
    return Bundle(
        description=manifest.description,
        weights=tuple(arrays.values()),
        sources={name.removeprefix(_SOURCE): content for name, content in members.items() if name.startswith(_SOURCE)},
        paths=tuple(entry.path for entry in manifest.weights),
    )


def parse_manifest(content: bytes, *, origin: str) -> Manifest:
    """Check the hashes of a bundle in memory and return what it says of itself; its weights are not unpacked.

    Raises:
        NotABundleError: Not a bundle.
        BundleDamagedError: It has changed since it was written.
        BundleTooNewError: A later tuner wrote it.
    """
    manifest, _ = _read_members(io.BytesIO(content), origin)
    return manifest


def _read_members(file: IO[bytes], origin: str) -> tuple[Manifest, Mapping[str, bytes]]:
    """Return the manifest and all members by name, the manifest's own bytes among them."""
    try:
        members = unseal(file, max_bytes=_MAX_BYTES)
        version = _Versioned.model_validate_json(members.get(_MANIFEST, b"")).format_version
        if version > FORMAT_VERSION:
            raise BundleTooNewError(origin, version)
        return Manifest.model_validate_json(members[_MANIFEST]), members
    except NotSealedError as error:
        raise NotABundleError(origin, str(error)) from error
    except SealBrokenError as error:
        raise BundleDamagedError(origin, str(error)) from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "its content"
        words = shorten(f"{place}: {problem['msg']}", width=_MAX_WORDS)
        raise NotABundleError(origin, f"in {_MANIFEST}, {words}") from error
