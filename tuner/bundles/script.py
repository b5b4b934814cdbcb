"""A script of plain Keras, without `tuner`, that builds a bundle's model and trains it again.

The nets of this package's own families and recipes are written out layer by layer; a builder of a person's own is
imported, with its hyperparameters fixed. What plain Keras has no equal of is marked in the script as `Differs`.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from pydantic import ValidationError

from tuner.bundles.bundle import Bundle, BundleDescription, HowTrained
from tuner.bundles.ensemble import Ensemble
from tuner.bundles.keras_code import NotPlainError, compile_code, model_code
from tuner.bundles.pretrained_code import pretrained_code, pretrained_preamble
from tuner.bundles.script_training import (
    augmentation_code,
    callback_calls,
    class_weight_code,
    is_augmented,
    schedule_code,
    stopping_remark,
)
from tuner.errors import TunerError, shorten
from tuner.image_ranges import describe_range, levels_to_floats, range_of
from tuner.spaces.body import body_of
from tuner.spaces.import_path import SpaceImportError, count_required
from tuner.spaces.own_objects import find_own_object
from tuner.training.rules import set_up_optimizer
from tuner.training.targets import accept_soft_targets, choose_labels, smooth_labels
from tuner.training_settings import Annealing, Augmentation, Training

#: Datasets of the catalogue that come with a package: how their training images and labels are loaded.
_DATASETS = {
    "mnist": ("", "(images, labels), _ = keras.datasets.mnist.load_data()"),
    "fashion-mnist": ("", "(images, labels), _ = keras.datasets.fashion_mnist.load_data()"),
    "digits": (
        "from sklearn.datasets import load_digits\n",
        (
            "# Differs: a fifth of them was held out for the test.\nimages, labels = load_digits(return_X_y=True)\n"
            "images = np.rint(images * (255 / 16))"
        ),
    ),
}
_INDENT = "    "


class NoScriptError(TunerError):
    """There is no script for this bundle."""


def write_script(bundle: Bundle | Ensemble) -> str:
    """Return the script as text.

    Raises:
        NoScriptError: It is an ensemble, a bundle of an older format, which does not say how it was trained, one that
            says what no training has, or its net has parts that are no single layers.
        TunerError: The model cannot be rebuilt.
    """
    if isinstance(bundle, Ensemble):
        members = ", ".join(member.bundle for member in bundle.description.members)
        raise NoScriptError(f"An ensemble has no single script. Ask for those of its members: {members}.")
    described = bundle.description
    if described.training is None:
        raise NoScriptError(
            "The bundle is of an older format, which does not say how it was trained. Retrain it: `tuner finals "
            f"{described.provenance.study}` of a new study."
        )
    _refuse_other_values(described.training)
    model = bundle.build_model()
    if ":" in described.space:
        imports, build = _own_builder(described)
        rate = _find_rate(model)
    else:
        _apply_rules(model, described.training)
        rate = _find_rate(model)
        try:
            imports, build = _written_out(model, described.training)
        except NotPlainError as error:
            raise NoScriptError(
                f"A net of the space {described.space!r} cannot be written out layer by layer: {error}. Export the "
                "model itself: `tuner export BUNDLE --to model.keras`."
            ) from error
    labels, _ = choose_labels(model, described.images.n_classes)
    return "\n".join(
        [
            *_head(described, imports),
            *build,
            "",
            "",
            *_data(described),
            *augmentation_code(described.training, described.image_range),
            "",
            "",
            *_train(described, one_hot=labels == "one-hot", rate=rate),
            "",
            "",
            *_main(described),
            "",
        ]
    )


def _refuse_other_values(training: HowTrained) -> None:
    """Raise `NoScriptError` for values that no study writes: they become code that a person runs."""
    rules = {**training.training, "class_weights": "none"}
    tables = ((Augmentation, training.augmentation), (Annealing, training.annealing), (Training, rules))
    for table, values in tables:
        try:
            table.model_validate(values or {})
        except ValidationError as error:
            problem = f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}"
            raise NoScriptError(
                f"The bundle says what no training has ({table.__name__.lower()}, {shorten(problem)}), so that no "
                "script is written. Take the bundle from its study again."
            ) from error


def _find_rate(model: keras.Model) -> float | None:
    """Return the learning rate; None where a person's own optimizer has a schedule, which training keeps."""
    optimizer = model.optimizer
    if isinstance(getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule):
        return None
    rate = getattr(optimizer, "learning_rate", None)
    # Keras keeps it as float32, whose digits nobody wrote.
    return None if rate is None else float(str(np.float32(rate)))


def _apply_rules(model: keras.Model, training: HowTrained) -> None:
    """Change optimizer and loss as training does before its first step."""
    rules = Training.model_validate({**training.training, "class_weights": "none"})
    set_up_optimizer(model, rules)
    if rules.label_smoothing:
        smooth_labels(model, rules.label_smoothing)
    if training.augmentation and Augmentation.model_validate(training.augmentation).mixes:
        labels, _ = choose_labels(model, model.output_shape[-1])
        if labels == "indices":
            accept_soft_targets(model)


def _written_out(model: keras.Model, training: HowTrained) -> tuple[str, list[str]]:
    """Return imports, and the function that builds a model of this package's own families."""
    body = body_of(model)
    if body is None:
        return "", ["def build_model():", *_indented(_documented(model, [*model_code(model), *compile_code(model)]))]
    lines = [*pretrained_preamble(model, body, starts_from=training.starts_from), "def build_model():"]
    imports = "from pathlib import Path\n" if any("Path.home()" in line for line in lines) else ""
    return imports, [*lines, *_indented(_documented(model, list(pretrained_code(model, body))))]


def _documented(model: keras.Model, lines: Sequence[str]) -> Iterator[str]:
    interval = describe_range(range_of(model))
    yield f'"""Return the compiled model of {model.count_params():,} weights, for float32 images in {interval}."""'
    yield from lines
    yield "return model"


def _indented(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"{_INDENT}{line}" if line else "" for line in lines)


def _head(described: BundleDescription, imports: str) -> Iterator[str]:
    origin, training = described.provenance, described.training
    tested = "" if origin.test_accuracy is None else f", test accuracy {100 * origin.test_accuracy:.2f} %"
    yield f'"""{_text(described.space)}, trial {origin.trial} of the study {_text(origin.study)}{tested}.'
    yield ""
    yield f"Written by tuner {version('tuner')}, in plain Keras. Differs marks what is not as it was in tuner."
    yield '"""'
    yield ""
    data_imports, _ = _DATASETS.get(training.dataset if training else "", ("", ""))
    yield "import keras"
    if ":" in described.space:
        yield "import keras_tuner"
    yield "import numpy as np"
    if training and is_augmented(training):
        yield "import tensorflow as tf"
    yield from data_imports.splitlines()
    yield from imports.splitlines()
    if training:
        yield ""
        yield f"CLASSES = {json.dumps(list(described.images.class_names), ensure_ascii=False)}"
        yield f"EPOCHS = {training.epochs}"
        yield f"BATCH_SIZE = {training.batch_size}"
        yield f"SEED = {origin.seed}"
    yield ""
    yield ""


def _own_builder(described: BundleDescription) -> tuple[str, list[str]]:
    """Return the import of a person's builder, and the function that calls it with the values of the trial."""
    place, _, name = described.space.partition(":")
    module, found = find_own_object(
        described.space, expected="package.module:Object", what="builders", refuse=SpaceImportError
    )
    images = described.images
    fixed = {key: value for key, value in described.hyperparameters.items() if not key.startswith(_OF_THE_REGIME)}
    lines = ["def build_model():", f'{_INDENT}"""Return the compiled model, with the hyperparameters of the trial."""']
    lines += [f"{_INDENT}hp = keras_tuner.HyperParameters()", f"{_INDENT}hp.values = {fixed!r}"]
    imports = f"from {module.__name__} import {name}\n"
    if place.endswith(".py"):
        file = _text(Path(place).name)
        imports = f"# {file} must lie beside this script; the bundle has it in its folder source/.\n{imports}"
    if inspect.isclass(found):
        known = {"input_shape": images.shape, "classes": images.n_classes}
        taken = inspect.signature(found).parameters
        given = ", ".join(f"{key}={value!r}" for key, value in known.items() if key in taken)
        builder: Any = found
        call, n_own = f"{name}({given}).build", count_required(builder.build) - 1
    elif hasattr(found, "build"):
        call, n_own = f"{name}.build", count_required(type(found).build) - 1
    else:
        call, n_own = name, count_required(found)
    if n_own > 1:
        imports = f"from types import SimpleNamespace\n\n{imports}"
        lines += [
            f"{_INDENT}images = SimpleNamespace(",
            f"{_INDENT * 2}height={images.height}, width={images.width}, channels={images.channels},",
            f"{_INDENT * 2}class_names=tuple(CLASSES), n_classes={images.n_classes}, shape={images.shape},",
            f"{_INDENT})",
        ]
    lines.append(f"{_INDENT}return {call}(hp{', images' if n_own > 1 else ''})")
    return imports, lines


#: Hyperparameters that belong to the tables of the search.
_OF_THE_REGIME = ("augmentation.", "annealing.", "training.")


def _data(described: BundleDescription) -> Iterator[str]:
    images, training = described.images, described.training
    dataset = training.dataset if training else ""
    known_shape = (8, 8, 1) if dataset == "digits" else (28, 28, 1)
    _, load = _DATASETS.get(dataset, ("", "")) if images.shape == known_shape else ("", "")
    yield "def load_data():"
    shape = ", ".join(map(str, images.shape))
    yield f'{_INDENT}"""Return images, uint8, shape (n, {shape}), and indices of CLASSES."""'
    if load:
        yield from _indented(load.splitlines())
        yield f"{_INDENT}images = images.reshape(-1, {shape}).astype(np.uint8)"
    else:
        yield f"{_INDENT}# Your images of {_text(dataset)}, all of this size."
        yield f'{_INDENT}with np.load("data.npz") as arrays:'
        yield f'{_INDENT * 2}images, labels = arrays["x_train"], arrays["y_train"]'
    if described.pixels is not None and described.pixels.inverted:
        yield f"{_INDENT}images = 255 - images"
    yield f"{_INDENT}return images, labels"


def _train(described: BundleDescription, *, one_hot: bool, rate: float | None) -> Iterator[str]:
    training = described.training
    if training is None:
        return
    n_classes = described.images.n_classes
    yield "def train(model, images, labels, validation=None, epochs=EPOCHS):"
    yield f'{_INDENT}"""Train on uint8 images and indices of CLASSES; `validation` is such a pair, or None."""'
    if training.has_own_fit:
        yield f"{_INDENT}# Differs: your HyperModel's own fit trained this model; here Keras' does."
    if training.starts_from and described.space != "pretrained":
        yield f"{_INDENT}# Differs: it started from the weights of {_text(training.starts_from)}."
    weights = class_weight_code(training, n_classes)
    if weights:
        yield f"{_INDENT}class_weight = {weights}"
    if rate is not None:
        yield from _indented(schedule_code(training, rate=rate))
    encode = f"keras.utils.to_categorical(labels, {n_classes})" if one_hot else "labels"
    yield f"{_INDENT}targets = {encode}"
    yield f"{_INDENT}pictures = {levels_to_floats(described.image_range, 'images')}"
    if is_augmented(training):
        yield f"{_INDENT}batches = tf.data.Dataset.from_tensor_slices((pictures, targets)).shuffle(len(pictures))"
        yield f"{_INDENT}batches = batches.batch(BATCH_SIZE).map(augment, tf.data.AUTOTUNE).prefetch(2)"
    yield f"{_INDENT}if validation is not None:"
    held_out = f"keras.utils.to_categorical(validation[1], {n_classes})" if one_hot else "validation[1]"
    yield f"{_INDENT * 2}validation = ({levels_to_floats(described.image_range, 'validation[0]')}, {held_out})"
    callbacks = list(callback_calls(training, has_validation=training.train_on == "train"))
    if callbacks:
        if training.train_on == "train" and (remark := stopping_remark(training)):
            yield f"{_INDENT}{remark}"
        yield f"{_INDENT}callbacks = ["
        yield from (f"{_INDENT * 2}{one}," for one in callbacks)
        yield f"{_INDENT}]"
    given = "batches, shuffle=False" if is_augmented(training) else "pictures, targets, batch_size=BATCH_SIZE"
    options = (", class_weight=class_weight" if weights else "") + (", callbacks=callbacks" if callbacks else "")
    yield f"{_INDENT}return model.fit({given}, epochs=epochs, validation_data=validation{options})"


def _main(described: BundleDescription) -> Iterator[str]:
    training = described.training
    yield 'if __name__ == "__main__":'
    yield f"{_INDENT}keras.utils.set_random_seed(SEED)"
    yield f"{_INDENT}images, labels = load_data()"
    if training and training.train_on == "train":
        yield f"{_INDENT}# Differs: tuner holds out others of them, the same share of each class."
        yield f"{_INDENT}order = np.random.default_rng(SEED).permutation(len(images))"
        yield f"{_INDENT}held_out, order = order[{training.n_train}:], order[:{training.n_train}]"
        yield f"{_INDENT}validation = (images[held_out], labels[held_out]) if len(held_out) else None"
        yield f"{_INDENT}images, labels = images[order], labels[order]"
    else:
        yield f"{_INDENT}validation = None"
    yield f"{_INDENT}model = build_model()"
    yield f"{_INDENT}train(model, images, labels, validation)"
    yield f'{_INDENT}model.save("model.keras")'


def _text(value: Any) -> str:
    """Return text that may stand in a comment or a docstring: one line, without quotes or backslashes."""
    return " ".join(str(value).replace("\\", "/").replace('"', "'").split())
