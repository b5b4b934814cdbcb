"""Files of this package's own whose hashes are right and whose content is not, as somebody may forge them."""

import dataclasses
import io
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from fuzzing import IS_LONG, SEEDS, expect_an_answer, fuzz
from hypothesis import given
from hypothesis import strategies as st
from model_readers import small_bundle, small_ensemble, small_pictures
from mutations import mutate

from tuner.artifacts import ArtifactStore
from tuner.bundles.arrays import pack_arrays
from tuner.bundles.bundle import parse_bundle
from tuner.bundles.ensemble import read_model_file
from tuner.bundles.sealed import seal, unseal
from tuner.bundles.study_pictures import read_study_pictures

pytestmark = pytest.mark.timeout(3_600 if IS_LONG else 300)


@pytest.fixture(scope="module")
def bundle_members() -> dict[str, bytes]:
    """The members of a good bundle of two weights."""
    return unseal(io.BytesIO(small_bundle()), max_bytes={})


@fuzz
@given(seed=SEEDS, name=st.sampled_from(["bundle.json", "weights.npz"]))
def test_a_forged_bundle_is_read_or_refused_in_one_line(bundle_members: dict[str, bytes], seed: int, name: str) -> None:
    forged = bundle_members | {name: mutate(bundle_members[name], seed)}

    expect_an_answer(lambda: parse_bundle(seal(forged), origin="forged.bundle"))


@fuzz
@given(seed=SEEDS)
def test_a_damaged_bundle_is_read_or_refused_in_one_line(bundle_members: dict[str, bytes], seed: int) -> None:
    damaged = mutate(seal(bundle_members), seed)

    expect_an_answer(lambda: parse_bundle(damaged, origin="damaged.bundle"))


@fuzz
@given(seed=SEEDS, name=st.sampled_from(["ensemble.json", "members/0.bundle", "members/1.bundle"]))
def test_a_forged_ensemble_is_read_or_refused_in_one_line(tmp_path: Path, seed: int, name: str) -> None:
    members = unseal(io.BytesIO(small_ensemble()), max_bytes={})
    (tmp_path / "forged.bundle").write_bytes(seal(members | {name: mutate(members[name], seed)}))

    expect_an_answer(lambda: read_model_file(tmp_path / "forged.bundle"))


@fuzz
@given(seed=SEEDS, name=st.sampled_from(["pictures.json", "arrays.npz"]))
def test_forged_pictures_of_a_study_are_read_or_refused_in_one_line(tmp_path: Path, seed: int, name: str) -> None:
    members = unseal(io.BytesIO(small_pictures()), max_bytes={})
    store = ArtifactStore(str(tmp_path))
    store.write("forged.zip", seal(members | {name: mutate(members[name], seed)}))

    expect_an_answer(lambda: read_study_pictures(store, "forged.zip"))


@pytest.fixture(scope="module")
def checkpoint_content() -> bytes:
    """The part of a good checkpoint that its hash covers."""
    from tuner.epochs import Epoch
    from tuner.training import checkpoint

    fields = {field.name: 1.0 for field in dataclasses.fields(Epoch)} | {"epoch": 1}
    snapshot = checkpoint.Snapshot(
        fingerprint="f",
        epochs=(Epoch(**fields),),
        logs=({"loss": 1.0},),
        annealing_state={},
        model=(np.zeros((3, 2), np.float32),),
        optimizer=(np.zeros(2, np.float32),),
    )
    return checkpoint._encode(snapshot).partition(b"\n")[2]


@fuzz
@given(seed=SEEDS)
def test_a_forged_checkpoint_is_read_or_found_damaged(checkpoint_content: bytes, seed: int) -> None:
    from tuner.training import checkpoint

    content = mutate(checkpoint_content, seed)
    forged = checkpoint.MAGIC + sha256(content).hexdigest().encode() + b"\n" + content

    with suppress(checkpoint.DamagedCheckpointError):
        assert checkpoint._decode(forged).epochs


def test_members_survive_sealing(bundle_members: dict[str, bytes]) -> None:
    sealed = seal(bundle_members)

    assert unseal(io.BytesIO(sealed), max_bytes={}) == bundle_members


@fuzz
@given(data=st.data())
def test_forged_predictions_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Arrays of any small shapes and types under the right names."""
    from hypothesis.extra import numpy as hypothesis_numpy

    from tuner.bundles.predictions import read_predictions

    types = st.sampled_from([np.int64, np.float32, np.uint8, np.float64, np.bool_, np.dtype(">i8"), np.dtype("U3")])
    arrays = hypothesis_numpy.arrays(types, hypothesis_numpy.array_shapes(min_dims=0, max_dims=4, max_side=3))
    names = ("labels", "probabilities", "error_indices", "error_images")
    folder: Path = tmp_path_factory.getbasetemp()
    store = ArtifactStore(str(folder))
    store.write("forged.npz", pack_arrays({name: data.draw(arrays) for name in names}))

    expect_an_answer(lambda: read_predictions(store, "forged.npz").accuracy)
