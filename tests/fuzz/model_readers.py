"""Readers of files with models and of what a study keeps of them, each with a small good file."""

import io
import tempfile
from pathlib import Path

import h5py
import numpy as np
from readers import FileReader
from support.report_sample import sample_pictures

from tuner.artifacts import ENSEMBLES_FOLDER, ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance, pack_bundle
from tuner.bundles.ensemble import (
    EnsembleDescription,
    EnsembleMember,
    list_ensembles,
    pack_ensemble,
    read_model_file,
    store_ensemble,
)
from tuner.bundles.study_pictures import read_study_pictures, write_study_pictures
from tuner.datasets.images import ImageFormat
from tuner.jobs.study.weights_file import read_weights

_IMAGES = ImageFormat(height=6, width=6, channels=1, class_names=("0", "1"))
_PLACE = f"{ENSEMBLES_FOLDER}/two.bundle"


def small_bundle(seed: int = 0) -> bytes:
    """Return a good bundle of two weights."""
    weights = [("0", np.full((36, 2), seed, np.float32)), ("1", np.zeros(2, np.float32))]
    provenance = Provenance(
        study="s", trial=0, rank=1, seed=seed, test_accuracy=0.9, versions={"tuner": "0.1.0"}, data_sha256="0" * 64
    )
    hyperparameters = {"units": 16, "optimizer": "adam"}
    description = BundleDescription(space="mlp", hyperparameters=hyperparameters, images=_IMAGES, provenance=provenance)
    return pack_bundle(description, weights)


def _description() -> EnsembleDescription:
    members = [
        EnsembleMember(study="s", bundle=f"{seed}.bundle", trial=0, seed=seed, known_accuracy=None, test_accuracy=0.9)
        for seed in range(2)
    ]
    return EnsembleDescription(
        class_names=_IMAGES.class_names, members=tuple(members), n_test=10, test_accuracy=0.9, bundle=_PLACE
    )


def small_ensemble() -> bytes:
    """Return a good ensemble of two bundles."""
    return pack_ensemble(_description(), [small_bundle(0), small_bundle(1)])


def small_pictures() -> bytes:
    """Return good pictures of a study."""
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        write_study_pictures(store, "p.zip", sample_pictures())
        return store.read("p.zip")


def _stored_description() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(folder)
        store_ensemble(store, _description(), [small_bundle(0), small_bundle(1)])
        return store.read(_PLACE.replace(".bundle", ".json"))


def _weights_h5(*, is_nested: bool) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("model_weights") if is_nested else file
        group.attrs["layer_names"] = np.array([b"conv1", b"predictions"])
        for layer, shape in (("conv1", (3, 3, 1, 4)), ("predictions", (16, 2))):
            names = [f"{layer}/kernel:0", f"{layer}/bias:0"]
            of_layer = group.create_group(layer)
            of_layer.attrs["weight_names"] = np.array([name.encode() for name in names])
            of_layer.create_dataset(names[0], data=np.ones(shape, np.float32), compression="gzip")
            of_layer.create_dataset(names[1], data=np.zeros(shape[-1], np.float32))
    return buffer.getvalue()


def _read_weights(folder: Path) -> None:
    # Its problem is raised where a model needs names of layers.
    read_weights(str(folder / "w.h5"), _IMAGES)


MODEL_READERS = (
    *(
        FileReader(name=f"weights-h5-{name}", files={"w.h5": _weights_h5(is_nested=is_nested)}, read=_read_weights)
        for name, is_nested in (("plain", False), ("nested", True))
    ),
    FileReader(
        name="weights-bundle",
        files={"w.bundle": small_bundle()},
        read=lambda folder: read_weights(str(folder / "w.bundle"), _IMAGES),
    ),
    FileReader(
        name="ensemble",
        files={"e.bundle": small_ensemble()},
        read=lambda folder: read_model_file(folder / "e.bundle"),
    ),
    FileReader(
        name="ensembles-of-a-store",
        files={f"{ENSEMBLES_FOLDER}/two.json": _stored_description()},
        read=lambda folder: list_ensembles(ArtifactStore(str(folder))),
    ),
    FileReader(
        name="study-pictures",
        files={"p.zip": small_pictures()},
        read=lambda folder: read_study_pictures(ArtifactStore(str(folder)), "p.zip"),
    ),
)
