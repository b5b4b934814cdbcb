"""Studies of pretrained nets, from their weights file to what their bundles do: MobileNet with alpha 0.25, 32x32."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import BundleDescription, Provenance, read_bundle
from tuner.bundles.model import write_bundle
from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.jobs.creation import create_study
from tuner.jobs.preflight.pretrained_check import check_pretrained
from tuner.jobs.replay import replay_trial
from tuner.jobs.study.data import DataPlaces
from tuner.jobs.study.starting_weights import MissingWeightsError, open_weights, weights_for
from tuner.jobs.study.weights_file import read_weights
from tuner.spaces import applications
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.records.reading import load_study
from tuner.studies.records.study import StudyRecord
from tuner.training.initial_weights import LayerNotTakenError, take_weights
from tuner.workers.loop import Worker, WorkerSettings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TINY = {"application": "MobileNet-0.25"}
DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


@pytest.fixture(scope="module")
def body() -> keras.Model:
    """The net as a person has it, with random weights."""
    keras.utils.set_random_seed(3)
    return keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def weights(body: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `save_weights` makes of it."""
    file = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    body.save_weights(file)
    return file


def define(*overrides: str, name: str = "pretrained") -> StudyDefinition:
    small = ("search.epochs=1", "search.trials=1", "search.train_images=40", "search.pruner=none", "finals.top=0")
    chosen = [] if any("application" in one for one in overrides) else ["fixed.application=MobileNet-0.25"]
    return make_definition(space="pretrained", dataset="digits", name=name, overrides=[*small, *chosen, *overrides])


@pytest.fixture(scope="module")
def study(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyRecord, Path]:
    """A study that was searched, and its folder."""
    folder = tmp_path_factory.mktemp("study")
    definition = define(f"search.weights_from={weights}")
    with open_storage(f"sqlite:///{folder / 's.db'}") as storage:
        create_study(storage, definition, data_dir=folder, check=False)
        settings = WorkerSettings(
            worker_id="w",
            studies=[definition.name],
            device="cpu",
            places=DataPlaces(data_dir=folder, cache_dir=folder / "cache"),
            artifacts=ArtifactStore(str(folder / "artifacts")),
            until_done=True,
            lease_s=600.0,
        )
        Worker(storage, settings).run()
        return load_study(storage, definition.name), folder


def test_a_trial_starts_from_the_file_says_so_and_is_replayed(study: tuple[StudyRecord, Path], weights: Path) -> None:
    record, folder = study

    epochs = list(replay_trial(record, record.trials[0], places=DataPlaces(data_dir=folder, cache_dir=folder / "c")))

    (note,) = [note for _, note in record.notes]
    assert note.startswith(f"Started from {weights}: 54 of 55 layers taken: conv1, conv1_bn")
    assert note.endswith("new: dense 1.")
    assert [one.before.loss for one in epochs] == [one.now.loss for one in epochs]


def test_a_bundle_is_rebuilt_without_the_file_and_is_itself_one_to_start_from(
    body: keras.Model, weights: Path, tmp_path: Path
) -> None:
    values = {"fine_tuned_blocks": 1, "body_rate": 0.1}
    model = model_with(**values)
    start(model, weights)
    provenance = Provenance(
        study="digits", trial=4, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256="ab" * 32
    )
    description = BundleDescription(
        space="pretrained", hyperparameters={**TINY, **values}, images=DIGITS, provenance=provenance
    )
    write_bundle(ArtifactStore(str(tmp_path)), "net.bundle", model, description)
    place = tmp_path / "net.bundle"

    again = read_bundle(place).build_model()

    np.testing.assert_array_equal(of(again.get_layer("conv1").kernel), of(body.get_layer("conv1").kernel))
    pictures = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    np.testing.assert_allclose(of(again(pictures)), of(model(pictures)), rtol=1e-5)
    assert "55 of 55 layers taken" in start(model, place)
    initial = weights_for(model, open_weights(define(f"search.weights_from={place}").search, DIGITS, sha256=None))
    assert initial is not None
    with pytest.raises(LayerNotTakenError, match="they have no layer 'conv1' with weights of the same shapes"):
        take_weights(model, replace(initial, paths=initial.paths[1:], values=initial.values[1:]), steps_per_epoch=1)


def model_with(**values: Any) -> keras.Model:
    return open_space("pretrained").build(fixed_hyperparameters({**TINY, **values}), DIGITS)


def start(model: keras.Model, place: Path | None, *overrides: str) -> str:
    """Give a model what a study of this file starts from."""
    named = [] if place is None else [f"search.weights_from={place}"]
    opened = open_weights(define(*named, *overrides).search, DIGITS, sha256=None)
    initial = weights_for(model, opened)
    return "nothing" if initial is None else take_weights(model, initial, steps_per_epoch=1)


def test_without_a_file_the_weights_come_from_keras_cache_folder_or_are_asked_for(
    body: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "keras_home", lambda: str(tmp_path))
    file = tmp_path / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    missing = (
        f"No weights for MobileNet-0.25 here, and none are downloaded. Expected {file}: fetch with `python -c 'import "
        "keras; keras.applications.MobileNet(alpha=0.25, include_top=False)'`, or copy it there"
    )
    with pytest.raises(MissingWeightsError) as caught:
        start(model_with(), None)
    assert missing in str(caught.value)
    file.parent.mkdir()
    save_as_keras_2(body, file)

    told = start(model := model_with(), None)

    assert f"Started from {file} (SHA-256 " in told
    np.testing.assert_array_equal(of(model.get_layer("conv_pw_13").kernel), of(body.get_layer("conv_pw_13").kernel))


def test_a_net_of_random_weights_starts_from_none(weights: Path) -> None:
    model = model_with(weights="random")

    assert start(model, None) == "nothing"
    with pytest.raises(TunerError, match='weights_from together with weights = "random"'):
        start(model, weights)


def test_a_file_of_another_net_is_refused_in_one_line(tmp_path: Path) -> None:
    wider = keras.applications.MobileNet(alpha=0.5, include_top=False, weights=None, input_shape=(32, 32, 3))
    wider.save_weights(tmp_path / "wider.weights.h5")
    save_as_keras_2(wider, tmp_path / "wider.h5")
    other = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "damaged.weights.h5").write_bytes(b"no HDF5")
    model = model_with()

    for name in ("wider.weights.h5", "wider.h5", "other.weights.h5", "damaged.weights.h5"):
        with pytest.raises(TunerError, match=r"do not fit MobileNet-0\.25 without its head: ") as caught:
            start(model, tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fixed.application=MobilNet"], "application: received 'MobilNet'. Did you mean 'MobileNet'"),
        (["space.application.values=['ResNet50', 'VGG16']"], "No weights for ResNet50, VGG16 here"),
        (["space.application.default=small"], "No weights for MobileNetV3Small, MobileNetV2, EfficientNetV2B0 here"),
        (["data.images=uint8-range"], "data.images: received 'uint8-range', expected 'unit-range'"),
        (["fixed.weights=random"], ""),
        (["search.weights_from=one.h5"], ""),
        (
            ["space.application.values=['ResNet50', 'VGG16']", "search.weights_from=one.h5"],
            "names one file, .*one.h5, and the study searches several nets: ResNet50, VGG16",
        ),
    ],
)
def test_what_a_study_lacks_is_known_before_a_model_is_built(
    overrides: Sequence[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "keras_home", lambda: str(tmp_path))

    if not message:
        check_pretrained(define(*overrides))
        return
    with pytest.raises(TunerError, match=message) as caught:
        check_pretrained(define(*overrides))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line() -> None:
    with pytest.raises(TunerError, match=r"No weights could be read from /nowhere/x.h5: .*No such file") as caught:
        read_weights("/nowhere/x.h5", DIGITS)
    assert "\n" not in str(caught.value)


def save_as_keras_2(model: keras.Model, file: Path) -> None:
    """Write the weights as the files of keras.applications have them."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(file, "w") as opened:
        save_weights_to_hdf5_group(opened, model)


def of(tensor: Any) -> Any:
    return np.array(keras.ops.convert_to_numpy(tensor))
