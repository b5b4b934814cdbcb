import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from exported import OWN_BUILDER, digit_images, follow_card, make_bundle

from tuner.bundles.bundle import Bundle
from tuner.bundles.ensemble import Ensemble, EnsembleDescription, EnsembleMember, soft_vote
from tuner.bundles.export import ModelNotExportedError, export_model
from tuner.bundles.export_formats import FormatError
from tuner.bundles.outputs import OutputNotWrittenError
from tuner.bundles.script import write_script
from tuner.bundles.served_model import OtherInputsError
from tuner.datasets.images import ImageFormat
from tuner.image_ranges import ImageRange
from tuner.training.predictions import predict_probabilities

NAMES = {"saved-model": "saved", "onnx": "m.onnx", "litert": "m.tflite"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the pictures that a card's lines load."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    np.save("images.npy", digit_images()[0])
    return tmp_path


@pytest.fixture
def own_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    (folder / "doubling.py").write_text(OWN_BUILDER)
    monkeypatch.delitem(sys.modules, "doubling", raising=False)
    return make_bundle(folder, "doubling:build", {"units": 5})


def ensemble_of(*members: Bundle) -> Ensemble:
    voter = EnsembleMember(study="digits", bundle="a", trial=7, seed=0, known_accuracy=None, test_accuracy=0.97)
    return Ensemble(
        description=EnsembleDescription(
            class_names=tuple("0123456789"), members=(voter,) * len(members), n_test=359, test_accuracy=0.98, bundle="e"
        ),
        members=members,
    )


@pytest.mark.parametrize(("name", "takes"), [("saved-model", "uint8"), ("onnx", "float32"), ("litert", "uint8")])
def test_what_was_exported_predicts_by_the_lines_of_its_card_as_the_bundle_does(
    bundle: Bundle, name: str, takes: str
) -> None:
    files = export_model(bundle, NAMES[name], takes=takes)  # type: ignore[arg-type]

    probabilities = follow_card(Path(files.card))["probabilities"]
    expected = predict_probabilities(bundle.build_model(), digit_images()[0])
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert (files.format, files.input, files.needs) == (name, takes, ())
    assert sorted(path.name for path in Path().iterdir() if path.suffix != ".npy") == sorted(
        [NAMES[name], f"{NAMES[name]}.md"]
    )


@pytest.mark.parametrize("takes", ["float32", "uint8"])
def test_a_model_that_scales_by_itself_is_exported_for_its_own_range(bundle: Bundle, takes: str) -> None:
    scaling = replace_range(bundle, "uint8-range")

    files = export_model(scaling, "saved", takes=takes)  # type: ignore[arg-type]

    assert ("in [0, 255]" in Path(files.card).read_text()) == (takes == "float32")
    expected = predict_probabilities(scaling.build_model(), digit_images()[0])
    np.testing.assert_allclose(follow_card(Path(files.card))["probabilities"], expected, atol=1e-5)


def replace_range(bundle: Bundle, image_range: ImageRange) -> Bundle:
    description = bundle.description.model_copy(update={"image_range": image_range})
    return dataclasses.replace(bundle, description=description)


@pytest.fixture(scope="module")
def keras_file(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "m.keras"
    export_model(bundle, path)
    return path


def test_a_card_says_what_the_model_is_and_how_good_it_is(keras_file: Path) -> None:
    card = Path(f"{keras_file}.md").read_text()

    for sentence in (
        "# Model card: `digits, trial 7`",
        "- Dataset: `digits`",
        '- Input: float32, shape (n, 8, 8, 1), in [0, 1]: `levels.astype("float32") / 255`, with levels 0 to 255.',
        "- Test accuracy: 97.49 % of 359 images, 95 % interval 95.30 to 98.68 % (Wilson)",
        "- Validation accuracy of its configuration, mean over trainings with other seeds: 97.00 %",
        "`dense_units` = `16`",
        "- Training: 6 epochs in batches of 32 images",
        f"`keras` = `{keras.__version__}`",
        "- SHA-256 of `m.keras`: `",
    ):
        assert sentence in card
    assert len(card.partition("```python\n")[2].partition("```")[0].splitlines()) == 5


def test_a_keras_file_is_the_model_itself_compiled(
    bundle: Bundle, keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(keras_file.with_name("images.npy"), digit_images()[0])
    monkeypatch.chdir(keras_file.parent)

    loaded = follow_card(Path("m.keras.md"))

    model, expected = loaded["model"], bundle.build_model()
    assert model.compiled
    assert model.optimizer.get_config()["learning_rate"] == pytest.approx(0.01)
    assert [type(layer) for layer in model.layers] == [type(layer) for layer in expected.layers]
    probabilities = predict_probabilities(expected, digit_images()[0])
    np.testing.assert_allclose(loaded["probabilities"], probabilities, atol=1e-5)


def test_weights_are_loaded_into_the_model_of_the_script(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "train", raising=False)
    Path("train.py").write_text(write_script(bundle))
    export_model(bundle, "m.weights.h5")

    outputs = follow_card(Path("m.weights.h5.md"))["outputs"]

    sys.modules.pop("train")
    np.testing.assert_allclose(outputs, predict_probabilities(bundle.build_model(), digit_images()[0]), atol=1e-6)


@pytest.mark.parametrize("name", ["m.keras", "m.onnx"])
def test_logits_become_probabilities_and_layers_of_ones_own_are_named(own_bundle: Bundle, name: str) -> None:
    files = export_model(own_bundle, name, takes="uint8")

    expected = predict_probabilities(own_bundle.build_model(), digit_images()[0])
    np.testing.assert_allclose(follow_card(Path(files.card))["probabilities"], expected, atol=1e-5)
    assert files.needs == (("doubling:Doubled",) if name == "m.keras" else ())
    assert ("from doubling import Doubled" in Path(files.card).read_text()) == (name == "m.keras")


def test_a_class_that_no_import_finds_is_refused_with_formats_that_hold_it(folder: Path) -> None:
    hidden = OWN_BUILDER.replace("class Doubled", "def make():\n  class Doubled").replace("\n    ", "\n      ")
    hidden = hidden.replace("\n\ndef build", "\n\n  return Doubled\n\nDoubles = make()\n\ndef build").replace(
        "Doubled(3.0)", "Doubles(3.0)"
    )
    (folder / "hiding.py").write_text(hidden)

    own = make_bundle(folder, "hiding:build", {"units": 5})

    with pytest.raises(
        ModelNotExportedError, match=r"as keras: it cannot be loaded again .* saved-model, onnx, litert"
    ):
        export_model(own, "m.keras")
    assert not list(folder.glob("m.keras*"))


def test_an_ensemble_becomes_one_model(bundle: Bundle, folder: Path) -> None:
    other = make_bundle(folder, name="b", seed=1)
    ensemble = ensemble_of(bundle, other)

    files = export_model(ensemble, "e.keras", takes="uint8")

    images = digit_images()[0]
    expected = soft_vote([predict_probabilities(one.build_model(), images) for one in ensemble.members])
    np.testing.assert_allclose(follow_card(Path(files.card))["probabilities"], expected, atol=1e-5)
    card = Path(files.card).read_text()
    assert "- Test accuracy: 98.00 % of 359 images" in card
    assert card.count("\n## How `digits`, trial 7") == 2


def test_members_that_see_different_images_are_no_one_model(bundle: Bundle) -> None:
    wide = ImageFormat(height=8, width=9, channels=1, class_names=tuple("0123456789"))
    other = Bundle(description=bundle.description.model_copy(update={"images": wide}), weights=bundle.weights)

    with pytest.raises(OtherInputsError, match=r"see different images \(8x8x1 of digits, .*; 8x9x1 of digits"):
        export_model(ensemble_of(bundle, other), "e.keras")


@pytest.mark.parametrize(
    ("place", "asked", "takes", "reason"),
    [
        ("m.pb", None, "float32", r"Received 'm.pb', whose suffix is that of no format\. Expected \.keras \(keras\)"),
        (".keras", None, "float32", "whose suffix is that of no format"),
        ("m.keras", "onnx", "float32", r"Received 'm.keras' for the format onnx\. Expected a name that ends in \.onnx"),
        ("m.onnx", "onyx", "float32", "No format named 'onyx'. Did you mean 'onnx'"),
        ("m.weights.h5", None, "uint8", "A file of weights holds no input"),
    ],
)
def test_formats_and_names_that_do_not_go_together_are_refused(
    bundle: Bundle, place: str, asked: str | None, takes: str, reason: str
) -> None:
    with pytest.raises(FormatError, match=reason):
        export_model(bundle, place, format_name=asked, takes=takes)  # type: ignore[arg-type]


def test_a_text_beside_it_that_is_no_card_is_kept(bundle: Bundle) -> None:
    Path("m.keras.md").write_text("# My notes")

    with pytest.raises(OutputNotWrittenError, match=r"m\.keras\.md: a text is there that is no model card"):
        export_model(bundle, "m.keras")

    assert not Path("m.keras").exists()
