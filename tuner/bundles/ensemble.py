"""The format of an ensemble: one file with the bundles of several models, whose probabilities are averaged.

A sealed zip: `ensemble.json` names the members and what they came to together, `members/0.bundle` and on are bundles
as `bundle.py` defines them, each with the format of its own images and pixels. Knows neither Keras nor studies.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuner.artifacts import ENSEMBLES_FOLDER, ArtifactNotFoundError, ArtifactStore
from tuner.bundles.bundle import Bundle, BundleDamagedError, parse_bundle
from tuner.bundles.bundle_places import MAX_BUNDLE_BYTES, NotABundleError, read_bundle_file
from tuner.bundles.sealed import NotSealedError, SealBrokenError, seal, unseal
from tuner.errors import shorten

_log = logging.getLogger(__name__)

FORMAT_VERSION: Final = 1
_MANIFEST, _MEMBERS = "ensemble.json", "members/"
#: No ensemble has more members: limits are given for each.
MAX_MEMBERS = 1000


class EnsembleMember(BaseModel):
    """One retrained model of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    #: The identity of its final: path of its bundle in the artifact store.
    bundle: str
    trial: int
    seed: int
    #: What was known of it before any test, by which members are chosen, in [0, 1]; None where nothing was.
    known_accuracy: float | None
    test_accuracy: float


class EnsembleDescription(BaseModel):
    """What votes, and what the vote came to on the test set, where it was measured once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    class_names: tuple[str, ...]
    members: tuple[EnsembleMember, ...] = Field(min_length=2, max_length=MAX_MEMBERS)
    n_test: int
    #: In [0, 1].
    test_accuracy: float
    #: Path of the ensemble's file in the artifact store.
    bundle: str

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies of its members, each once."""
        return tuple(dict.fromkeys(member.study for member in self.members))


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """The models of an ensemble file, and what it says of them."""

    description: EnsembleDescription
    members: tuple[Bundle, ...]


def soft_vote(probabilities: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """Return the mean of the members' probabilities.

    Args:
        probabilities: For each member an array of shape (n, classes), with the images in the same order.

    Returns:
        float32, shape (n, classes); the largest entry of a row is the ensemble's prediction.

    Raises:
        ValueError: There is no member, or the shapes differ.
    """
    shapes = {member.shape for member in probabilities}
    if len(shapes) != 1:
        raise ValueError(f"Received shapes {sorted(shapes)}. Expected at least one member, all of the same shape.")
    # float64, so that the vote does not depend on the order of the members.
    return np.asarray(np.mean(np.stack(probabilities), axis=0, dtype=np.float64), np.float32)


def store_ensemble(store: ArtifactStore, description: EnsembleDescription, bundles: Sequence[bytes]) -> None:
    """Write an ensemble's file and, beside it, its description alone, which `list_ensembles` reads.

    Args:
        store: Where.
        description: What it is.
        bundles: The content of each member's bundle file, in the order of the description.
    """
    store.write(description.bundle, pack_ensemble(description, bundles))
    # Last: where it is, the file is.
    store.write(f"{description.bundle.removesuffix('.bundle')}.json", description.model_dump_json(indent=2).encode())


def pack_ensemble(description: EnsembleDescription, bundles: Sequence[bytes]) -> bytes:
    """Return the content of an ensemble's file; equal parts give equal bytes.

    Args:
        description: What it is.
        bundles: The content of each member's bundle file, in the order of the description.
    """
    members = {f"{_MEMBERS}{index}.bundle": content for index, content in enumerate(bundles)}
    return seal({_MANIFEST: description.model_dump_json(indent=2).encode(), **members})


def list_ensembles(store: ArtifactStore) -> list[EnsembleDescription]:
    """Return the ensembles of an artifact store, by their files' names; what is damaged is logged and passed over."""
    found = []
    for name in sorted(name for name in store.list(ENSEMBLES_FOLDER) if name.endswith(".json")):
        try:
            found.append(EnsembleDescription.model_validate_json(store.read(name)))
        except ArtifactNotFoundError:
            # It was removed meanwhile.
            continue
        except ValidationError as error:
            reason = shorten(error.errors()[0]["msg"], width=200)
            _log.warning("Passed over the damaged ensemble %s: %s.", store.location(name), reason)
    return found


def read_model_file(place: str | Path, *, artifacts: str | None = None) -> Bundle | Ensemble:
    """Read and check a bundle or an ensemble, whichever the file is.

    Args:
        place: As in `read_bundle`.
        artifacts: As in `read_bundle`.

    Raises:
        NotABundleError: No such file, or neither.
        BundleDamagedError: It has changed since it was written.
        BundleTooNewError: A later tuner wrote it.
    """
    content, origin = read_bundle_file(place, artifacts=artifacts), str(place)
    try:
        limits = {f"{_MEMBERS}{index}.bundle": MAX_BUNDLE_BYTES for index in range(MAX_MEMBERS)}
        members = unseal(io.BytesIO(content), max_bytes={**limits, "weights.npz": MAX_BUNDLE_BYTES})
    except SealBrokenError as error:
        raise BundleDamagedError(origin, str(error)) from error
    except NotSealedError as error:
        raise NotABundleError(origin, str(error)) from error
    if _MANIFEST not in members:
        return parse_bundle(content, origin=origin)
    try:
        description = EnsembleDescription.model_validate_json(members[_MANIFEST])
        bundles = [members[f"{_MEMBERS}{index}.bundle"] for index in range(len(description.members))]
    except ValidationError as error:
        raise NotABundleError(origin, f"in {_MANIFEST}: {error.errors()[0]['msg']}") from error
    except KeyError as error:
        raise NotABundleError(origin, f"it has no {error.args[0]}") from error
    return Ensemble(
        description=description,
        members=tuple(
            parse_bundle(bundle, origin=f"{origin}, member {index}") for index, bundle in enumerate(bundles, start=1)
        ),
    )


def members_of(model: Bundle | Ensemble) -> tuple[Bundle, ...]:
    """Return the bundles that vote: a single one for itself."""
    return model.members if isinstance(model, Ensemble) else (model,)


def class_names_of(model: Bundle | Ensemble) -> tuple[str, ...]:
    """Return the classes in the model's order, which all members share."""
    return members_of(model)[0].description.images.class_names
