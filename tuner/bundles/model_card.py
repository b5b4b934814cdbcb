"""The card beside an exported model: what it is, what it takes, how good it is, how it is loaded. Knows no Keras."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tuner.bundles.bundle import Bundle, BundleDescription, HowTrained
from tuner.bundles.custom_objects import OwnObject
from tuner.bundles.ensemble import Ensemble, class_names_of, members_of
from tuner.bundles.export_formats import ExportFormat, InputKind
from tuner.bundles.outputs import OutputNotWrittenError
from tuner.image_ranges import describe_range, levels_to_floats
from tuner.intervals import wilson_interval
from tuner.plain_values import Hyperparameters
from tuner.training_settings import USED_SETTINGS

_TITLE = "# Model card: "


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was exported, beside the bundle that it comes from."""

    #: Of the file or folder.
    name: str
    format: ExportFormat
    takes: InputKind
    #: Whether it is the model as its builder makes it, with nothing before or behind it.
    is_own_model: bool
    n_parameters: int
    #: What must be at hand where it is loaded.
    objects: tuple[OwnObject, ...]
    #: Whether Keras loads it compiled.
    compiles: bool
    #: SHA-256 by file.
    hashes: Mapping[str, str]


def card_place(place: str) -> str:
    """Return the place of the card of a model that is exported to `place`."""
    return f"{place}.md"


def refuse_other_text(path: Path) -> None:
    """Raise `OutputNotWrittenError` where the card would replace a text that is none."""
    if not os.path.isfile(path):  # noqa: PTH113 - False for names that no file can have, where pathlib raises
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        if file.read(len(_TITLE)) == _TITLE:
            return
    raise OutputNotWrittenError(path, "a text is there that is no model card", option="--to")


def write_card(bundle: Bundle | Ensemble, exported: Exported, path: Path) -> None:
    """Write the card as Markdown."""
    sections = [_data(bundle), _contract(bundle, exported), _loading(bundle, exported), _quality(bundle)]
    sections += [_member(member.description) for member in members_of(bundle)]
    sections.append(_origin(bundle, exported))
    lines = [f"{_TITLE}{_code(_name_of(bundle))}", "", *(line for section in sections for line in (*section, ""))]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _name_of(bundle: Bundle | Ensemble) -> str:
    if isinstance(bundle, Ensemble):
        return f"ensemble of {len(bundle.members)} models of {', '.join(bundle.description.studies)}"
    origin = bundle.description.provenance
    return f"{origin.study}, trial {origin.trial}"


def _data(bundle: Bundle | Ensemble) -> Iterator[str]:
    yield "## Data"
    yield ""
    trained = [member.description.training for member in members_of(bundle)]
    datasets = list(dict.fromkeys(_code(one.dataset) for one in trained if one is not None))
    if datasets:
        yield f"- Dataset: {', '.join(datasets)}"
    counts = {(one.n_train, one.train_on, one.n_test) for one in trained if one is not None}
    for n_train, train_on, n_test in sorted(counts):
        yield f"- {n_train:,} images to learn from ({_line(train_on)}), {n_test:,} to test on"
    names = class_names_of(bundle)
    yield f"- {len(names)} classes, in the order of the outputs: {', '.join(map(_code, names))}"


def _contract(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    described = members_of(bundle)[0].description
    images = described.images
    shape = f"(n, {images.height}, {images.width}, {images.channels})"
    yield "## What it takes and returns"
    yield ""
    if exported.takes == "uint8":
        yield f"- Input: `images`, uint8, shape {shape}, levels 0 to 255. The model turns them into floats itself."
    else:
        floats = levels_to_floats(described.image_range, "levels")
        interval = describe_range(described.image_range)
        yield f"- Input: float32, shape {shape}, in {interval}: `{floats}`, with levels 0 to 255."
    colour = "grey" if images.channels == 1 else "red, green, blue"
    yield f"- Channels come last: {colour}."
    if described.pixels is not None:
        low, high = (f"{value:g}" for value in described.pixels.range)
        yield f"- Levels: {described.pixels.describe()}. Stored values from {low} to {high} become 0 to 255."
        if described.pixels.inverted:
            yield "- **Invert your pictures** (255 minus the level), as the training pictures were."
    yield "- `tuner predict` prepares a picture in these steps, which are not part of the exported model:"
    yield from (f"  {number}. {_line(step)}" for number, step in enumerate(described.preprocessing[:-1], start=1))
    if exported.format.name == "weights":
        yield "- The file holds the weights alone, of the model as its builder makes it."
    elif exported.is_own_model:
        yield f"- Output: float32, shape (n, {images.n_classes}), the probability of each class."
    else:
        added = "the mean of its members' probabilities" if isinstance(bundle, Ensemble) else "probabilities"
        yield f"- Output: float32, shape (n, {images.n_classes}), {added}; a row's sum is 1."


def _loading(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "## Load it and predict"
    yield ""
    for one in exported.objects:
        yield (
            f"It has {_code(one.name)} of {_code(one.module)}, a class or function of its builder's own, which Keras "
            "needs when it loads the file."
        )
        yield ""
    yield "```python"
    yield from _LOADERS[exported.format.name](bundle, exported)
    yield "```"


def _load_images(bundle: Bundle | Ensemble) -> str:
    images = members_of(bundle)[0].description.images
    shape = f"(n, {images.height}, {images.width}, {images.channels})"
    return f'images = np.load("images.npy")  # uint8, shape {shape}, prepared as above'


def _given(bundle: Bundle | Ensemble, exported: Exported) -> str:
    if exported.takes == "uint8":
        return "images"
    return levels_to_floats(members_of(bundle)[0].description.image_range, "images")


def _load_keras(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "import keras"
    yield "import numpy as np"
    tops = sorted({(one.module, one.name.partition(".")[0]) for one in exported.objects})
    yield from (f"from {module} import {name}" for module, name in tops)
    own = ", ".join(f"{json.dumps(one.registered_name)}: {one.name}" for one in exported.objects)
    options = (f", custom_objects={{{own}}}" if own else "") + ("" if exported.compiles else ", compile=False")
    yield f"model = keras.models.load_model({json.dumps(exported.name)}{options})"
    yield _load_images(bundle)
    yield f"probabilities = model.predict({_given(bundle, exported)})"


def _load_weights(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "import numpy as np"
    yield "from train import build_model  # of `tuner export BUNDLE --script > train.py`"
    yield "model = build_model()"
    yield f"model.load_weights({json.dumps(exported.name)})"
    yield _load_images(bundle)
    yield f"outputs = model.predict({_given(bundle, exported)})"


def _load_saved_model(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "import numpy as np"
    yield "import tensorflow as tf"
    yield f"model = tf.saved_model.load({json.dumps(exported.name)})"
    yield _load_images(bundle)
    yield f"probabilities = model.serve({_given(bundle, exported)}).numpy()"


def _load_onnx(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "import numpy as np"
    yield "import onnxruntime"
    yield f"session = onnxruntime.InferenceSession({json.dumps(exported.name)})"
    yield _load_images(bundle)
    yield f'(probabilities,) = session.run(None, {{"images": {_given(bundle, exported)}}})'


def _load_litert(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "import numpy as np"
    yield "import tensorflow as tf  # or Interpreter of ai_edge_litert.interpreter, without TensorFlow"
    yield f"interpreter = tf.lite.Interpreter({json.dumps(exported.name)})"
    yield _load_images(bundle)
    yield f"(probabilities,) = interpreter.get_signature_runner()(images={_given(bundle, exported)}).values()"


_LOADERS = {
    "keras": _load_keras,
    "weights": _load_weights,
    "saved-model": _load_saved_model,
    "onnx": _load_onnx,
    "litert": _load_litert,
}


def _quality(bundle: Bundle | Ensemble) -> Iterator[str]:
    yield "## How good it is"
    yield ""
    if isinstance(bundle, Ensemble):
        described = bundle.description
        yield f"- Test accuracy: {_accuracy(described.test_accuracy, described.n_test)}"
        for member in described.members:
            where = f"{_code(member.study)}, trial {member.trial}, seed {member.seed}"
            yield f"- Member {where}: test accuracy {_accuracy(member.test_accuracy, described.n_test)}"
    else:
        origin, training = bundle.description.provenance, bundle.description.training
        if origin.test_accuracy is None:
            yield "- It was not tested."
        else:
            n_test = None if training is None else training.n_test
            yield f"- Test accuracy: {_accuracy(origin.test_accuracy, n_test)}"
        if training is not None:
            score = f"{_line(training.score_name.capitalize())} of its configuration"
            is_share = training.score_name.endswith("accuracy")
            value = f"{100 * training.score:.2f} %" if is_share else f"{training.score:.4f}"
            yield f"- {score}, mean over trainings with other seeds: {value}"
        yield f"- Rank {origin.rank} among the finals of its study when it was trained"
    yield ""
    yield "The test images were shown to each model once, after all choices were made. The interval covers which images"
    yield "happened to be in the test set, not other seeds."


def _accuracy(accuracy: float, n_test: int | None) -> str:
    if n_test is None:
        return f"{100 * accuracy:.2f} % (the bundle is of an older format and does not say of how many images)"
    low, high = wilson_interval(round(accuracy * n_test), n_test)
    return f"{100 * accuracy:.2f} % of {n_test:,} images, 95 % interval {100 * low:.2f} to {100 * high:.2f} % (Wilson)"


def _member(described: BundleDescription) -> Iterator[str]:
    origin = described.provenance
    yield f"## How {_code(origin.study)}, trial {origin.trial}, seed {origin.seed} was made"
    yield ""
    yield f"- Architecture: {_code(described.space)}"
    yield "- Hyperparameters: " + _settings(described.hyperparameters)
    if described.training is None:
        yield "- Training: not recorded, as the bundle is of an older format."
    else:
        yield from _regime(described.training)
    yield f"- Versions and hashes of its study: {_settings(origin.versions)}"
    yield f"- SHA-256 of the training images: `{origin.data_sha256}`"


def _regime(training: HowTrained) -> Iterator[str]:
    kept = "" if training.kept_epoch == training.epochs else f", the weights of epoch {training.kept_epoch} were kept"
    yield f"- Training: {training.epochs} epochs in batches of {training.batch_size} images{kept}"
    if training.has_own_fit:
        yield "- It was trained by the `fit` of its builder's own."
    if training.starts_from:
        yield f"- It started from the weights of {_code(training.starts_from)}"
    augmentation, annealing = training.augmentation or {}, training.annealing or {}
    changes = {name: value for name, value in augmentation.items() if value and name != "elastic_smoothness"}
    yield f"- Augmentation: {_settings(changes)}"
    used = ("rule", *USED_SETTINGS.get(annealing.get("rule", ""), ()))
    settings = _settings({name: annealing[name] for name in used if name in annealing})
    yield f"- Learning rate: {settings if annealing else 'constant'}"
    rules = {name: value for name, value in training.training.items() if value not in (0, "none")}
    yield f"- Rules of training: {_settings(rules)}"
    yield from (f"- Note: {_line(note)}" for note in training.notes)


def _origin(bundle: Bundle | Ensemble, exported: Exported) -> Iterator[str]:
    yield "## Files"
    yield ""
    yield f"- Format: {exported.format.name}, {exported.n_parameters:,} numbers, written by tuner {version('tuner')}"
    if isinstance(bundle, Ensemble):
        yield f"- From {_code(bundle.description.bundle)}"
    yield from (f"- SHA-256 of {_code(name)}: `{digest}`" for name, digest in exported.hashes.items())


def _settings(values: Hyperparameters) -> str:
    return ", ".join(f"{_code(name)} = {_code(_plain(value))}" for name, value in values.items()) or "none"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    """Return text as code of Markdown, in one line."""
    return f"`{_line(text.replace('`', chr(0x2019))) or ' '}`"
