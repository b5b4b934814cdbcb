import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from support.old_database import ARTIFACTS

from tuner.artifacts import ArtifactStore
from tuner.bundles.bundle import (
    BundleDamagedError,
    BundleDescription,
    BundleMismatchError,
    BundleTooNewError,
    NotABundleError,
    Provenance,
    parse_bundle,
    read_bundle,
)
from tuner.bundles.model import write_bundle
from tuner.bundles.predictions import read_predictions
from tuner.bundles.sealed import seal
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.test_set import load_test_set
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.predictions import predict_probabilities

PATH = "digits/finals/trial-7-repeat-1.bundle"
SMALL_CNN = {"blocks": 1, "convolutions": 1, "filters": 8, "dense_units": 16, "batch_size": 32, "learning_rate": 0.01}


def describe(space: str, hyperparameters: dict[str, bool | float | str | None]) -> BundleDescription:
    return BundleDescription(
        space=space,
        hyperparameters=hyperparameters,
        images=ImageFormat(height=12, width=10, channels=1, class_names=("zero", "one", "two")),
        provenance=Provenance(
            study="digits",
            trial=7,
            rank=1,
            seed=3,
            test_accuracy=0.98,
            versions={"tuner": "0.1.0", "keras": keras.__version__},
            data_sha256="ab" * 32,
        ),
    )


def build(description: BundleDescription) -> keras.Model:
    keras.utils.set_random_seed(0)
    space = open_space(description.space)
    return space.build(fixed_hyperparameters(description.hyperparameters), description.images)


def build_trained(description: BundleDescription) -> keras.Model:
    """Return the description's model after a few steps, so that batch normalization has statistics of its own."""
    model = build(description)
    model.fit(random_images() / 255, keras.utils.to_categorical(np.arange(64) % 3), epochs=1, verbose=0)
    return model


def random_images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (64, 12, 10, 1), np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of one bundle of a small perceptron."""
    store = ArtifactStore(str(tmp_path_factory.mktemp("bundles")))
    description = describe("mlp", {"units": 10, "hidden_layers": 1})
    write_bundle(store, PATH, build(description), description)
    return store.read(PATH)


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}


def change_description(content: bytes, **changes: object) -> bytes:
    """Return a correctly sealed bundle whose `bundle.json` says something else."""
    members = members_of(content)
    manifest = json.loads(members["bundle.json"])
    return seal({**members, "bundle.json": json.dumps({**manifest, **changes}).encode()})


def test_a_bundle_predicts_bit_for_bit_what_the_trained_model_predicts(store: ArtifactStore) -> None:
    description = describe("cnn", SMALL_CNN)
    model = build_trained(description)

    write_bundle(store, PATH, model, description)
    bundle = read_bundle(Path(store.location(PATH)))

    assert bundle.description == description
    expected, received = (predict_probabilities(each, random_images()) for each in (model, bundle.build_model()))
    np.testing.assert_array_equal(received, expected, strict=True)


def test_a_builder_of_ones_own_is_found_again_by_its_import_path(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_builder.py").write_text(
        "import keras\n"
        "def build(hp, images):\n"
        "    units = hp.Int('units', 4, 8)\n"
        "    hidden, answer = keras.layers.Dense(units), keras.layers.Dense(images.n_classes, 'softmax')\n"
        "    model = keras.Sequential([keras.Input(images.shape), keras.layers.Flatten(), hidden, answer])\n"
        "    model.compile('sgd', 'categorical_crossentropy', metrics=['accuracy'])\n"
        "    return model\n"
    )
    description = describe("own_builder:build", {"units": 5})
    model = build(description)

    write_bundle(store, PATH, model, description)
    rebuilt = read_bundle(Path(store.location(PATH))).build_model()

    expected, received = (predict_probabilities(each, random_images()) for each in (model, rebuilt))
    np.testing.assert_array_equal(received, expected, strict=True)


@pytest.mark.parametrize("built", ["", "model.build((None, *images.shape))", "model(np.zeros((1, *images.shape)))"])
@pytest.mark.filterwarnings("ignore:.build... was called on layer:UserWarning")
def test_a_subclass_is_rebuilt_and_predicts_as_before(
    built: str, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_subclass", raising=False)
    (tmp_path / "own_subclass.py").write_text(
        "import keras\n"
        "import numpy as np\n"
        "class Net(keras.Model):\n"
        "    def __init__(self, units, classes):\n"
        "        super().__init__()\n"
        "        self.flatten, self.hidden = keras.layers.Flatten(), keras.layers.Dense(units)\n"
        "        self.norm, self.last = keras.layers.BatchNormalization(), keras.layers.Dense(classes)\n"
        "    def call(self, images, training=False):\n"
        "        return self.last(self.norm(self.hidden(self.flatten(images)), training=training))\n"
        "def build(hp, images):\n"
        "    model = Net(hp.Int('units', 4, 8), images.n_classes)\n"
        f"    {built}\n"
        "    loss = keras.losses.CategoricalCrossentropy(from_logits=True)\n"
        "    model.compile('sgd', loss, metrics=['accuracy'])\n"
        "    return model\n"
    )
    description = describe("own_subclass:build", {"units": 5})
    model = build_trained(description)

    write_bundle(store, PATH, model, description)
    rebuilt = read_bundle(Path(store.location(PATH))).build_model()

    expected, received = (predict_probabilities(each, random_images()) for each in (model, rebuilt))
    np.testing.assert_array_equal(received, expected, strict=True)
    np.testing.assert_allclose(received.sum(axis=1), 1, atol=1e-5)


def test_the_source_of_a_builder_is_kept_to_be_read_and_a_change_is_told(
    store: ArtifactStore, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    whole = parse_bundle(content, origin="first")
    sources = {"nets.py": b"raise SystemExit\n", "parts/large.py": b"#" * 2**22}
    write_bundle(store, PATH, whole.build_model(), whole.description, sources=sources)

    bundle = read_bundle(Path(store.location(PATH)))
    bundle.build_model()

    assert bundle.sources == sources
    assert members_of(store.read(PATH))["source/nets.py"] == b"raise SystemExit\n"
    assert "has changed since this model was trained (nets.py, parts/large.py)" in caplog.text


def test_equal_weights_give_equal_bytes(store: ArtifactStore, content: bytes) -> None:
    model = parse_bundle(content, origin="first").build_model()

    write_bundle(store, PATH, model, parse_bundle(content, origin="first").description)

    # Keras numbers layers anew for each model of a process, so that the paths that people read may differ.
    assert members_of(store.read(PATH))["weights.npz"] == members_of(content)["weights.npz"]


def test_the_description_can_be_read_without_this_package(content: bytes) -> None:
    members = members_of(content)
    manifest = json.loads(members["bundle.json"])

    assert manifest["format_version"] == 3
    assert manifest["description"]["space"] == "mlp"
    assert manifest["description"]["images"] == {
        "height": 12,
        "width": 10,
        "channels": 1,
        "class_names": ["zero", "one", "two"],
    }
    assert "uint8 scaled by 1/255 to float32 in [0, 1]" in manifest["description"]["preprocessing"]
    assert manifest["description"]["provenance"]["study"] == "digits"
    assert manifest["weights_sha256"] == hashlib.sha256(members["weights.npz"]).hexdigest()


def test_what_pixels_mean_is_kept_and_a_bundle_of_the_first_format_has_none(
    store: ArtifactStore, content: bytes
) -> None:
    pixels = PixelMeaning(
        range=(0, 4095),
        found=(3, 3800),
        bits=16,
        channels=1,
        background=None,
        polarity="dark on light",
        inverted=True,
        stored_size=(12, 10),
        any_size=False,
    )
    description = describe("mlp", {"units": 10, "hidden_layers": 1}).model_copy(update={"pixels": pixels})
    old = json.loads(members_of(content)["bundle.json"])["description"]
    del old["pixels"]

    write_bundle(store, PATH, build(description), description)
    first = parse_bundle(change_description(content, format_version=1, description=old), origin="my model")

    assert read_bundle(Path(store.location(PATH))).description.pixels == pixels
    assert first.description.pixels is None
    assert predict_probabilities(first.build_model(), random_images()).shape == (64, 3)


@pytest.mark.parametrize(
    "forged", [{"range": [1, 1]}, {"range": [0, 1e999]}, {"bits": 7}, {"stored_size": [0, 5]}, {"polarity": "odd"}, {}]
)
def test_a_forged_meaning_of_pixels_is_no_bundle(content: bytes, forged: dict[str, object]) -> None:
    meaning = {"range": [0, 255], "found": [0, 255], "bits": 8, "channels": 1, "background": None, "inverted": False}
    rest = {"polarity": None, "stored_size": None, "any_size": True} if forged else {}
    description = json.loads(members_of(content)["bundle.json"])["description"]
    changed = change_description(content, description=description | {"pixels": meaning | rest | forged})

    with pytest.raises(NotABundleError, match=r"bundle\.json, description\.pixels"):
        parse_bundle(changed, origin="my model")


def test_hyperparameters_keep_their_types(store: ArtifactStore) -> None:
    values = {"units": 10, "dropout": 0.0, "batch_normalization": True, "activation": "relu", "momentum": None}
    description = describe("mlp", values)

    write_bundle(store, PATH, build(description), description)
    read = read_bundle(Path(store.location(PATH))).description.hyperparameters

    assert {name: (type(value), value) for name, value in read.items()} == {
        name: (type(value), value) for name, value in values.items()
    }


@pytest.mark.parametrize("member", ["bundle.json", "weights.npz"])
def test_a_changed_byte_in_either_member_is_detected(content: bytes, member: str) -> None:
    changed = bytearray(content)
    changed[content.index(members_of(content)[member]) + 200] ^= 1

    with pytest.raises(BundleDamagedError, match="my model is damaged, its hash is wrong"):
        parse_bundle(bytes(changed), origin="my model")


def test_weights_swapped_for_others_are_detected_although_the_zip_is_whole(content: bytes) -> None:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b"!" if name == "weights.npz" else b""))

    with pytest.raises(BundleDamagedError, match="its hash is wrong"):
        parse_bundle(changed.getvalue(), origin="my model")


@pytest.mark.parametrize("text", ["", "no bundle\n", "PK\x03\x04 but no zip"])
def test_another_file_is_no_bundle(tmp_path: Path, text: str) -> None:
    path = tmp_path / "picture.bundle"
    path.write_text(text)

    with pytest.raises(NotABundleError, match=r"picture.bundle is not a bundle: .* Expected a \*.bundle file"):
        read_bundle(path)


def test_a_missing_file_and_a_folder_are_no_bundles(tmp_path: Path) -> None:
    with pytest.raises(NotABundleError, match="No such file"):
        read_bundle(tmp_path / "missing.bundle")
    with pytest.raises(NotABundleError, match="Is a directory"):
        read_bundle(tmp_path)


def test_a_newer_format_asks_for_an_upgrade(content: bytes) -> None:
    newer = change_description(content, format_version=4, more="than this version knows")

    with pytest.raises(BundleTooNewError, match="was made by a newer tuner: received format 4, expected 3 at most"):
        parse_bundle(newer, origin="my model")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format_version": "one"}, "format_version"),
        ({"description": {}}, "description.space: Field required"),
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"weights": [{"path": "a", "shape": [3], "dtype": "float32"}]}, "weights.npz"),
    ],
    ids=["no version", "no space", "unknown field", "other weights"],
)
def test_a_description_that_says_something_else_is_refused(
    content: bytes, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(NotABundleError, match=reason):
        parse_bundle(change_description(content, **changes), origin="my model")


def test_announced_shapes_must_be_those_of_the_arrays(content: bytes) -> None:
    weights = json.loads(members_of(content)["bundle.json"])["weights"]
    weights[0]["shape"] = [1, 1]

    with pytest.raises(NotABundleError, match=r"weights.npz does not hold the arrays that bundle.json lists"):
        parse_bundle(change_description(content, weights=weights), origin="my model")


def test_a_space_that_builds_another_model_today_is_named(store: ArtifactStore) -> None:
    description = describe("mlp", {"units": 10, "hidden_layers": 1})
    model = build(description)
    wider = description.model_copy(update={"hyperparameters": {"units": 20, "hidden_layers": 1}})

    write_bundle(store, PATH, model, wider)
    bundle = read_bundle(Path(store.location(PATH)))

    with pytest.raises(BundleMismatchError, match=r"'mlp': received 4 arrays of 1,243 numbers, expected .* 2,483"):
        bundle.build_model()


def test_a_bundle_of_0_1_0_predicts_as_it_did() -> None:
    test = load_test_set("digits", data_dir=Path())
    stored = read_predictions(ArtifactStore(str(ARTIFACTS)), "finished/finals/trial-1-repeat-1.npz")

    bundle = read_bundle(ARTIFACTS / "finished/finals/trial-1-repeat-1.bundle")
    probabilities = predict_probabilities(bundle.build_model(), test.images)

    np.testing.assert_allclose(probabilities, stored.probabilities, atol=1e-6)
    np.testing.assert_array_equal(test.labels, stored.labels)
