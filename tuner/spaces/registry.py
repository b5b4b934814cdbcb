"""The tables of architecture families and recipes, and how any space is opened.

To add a family, write a module of this package with `PARAMETERS` (what each hyperparameter is for) and
`build(hp, images)`, and list it in `FAMILIES`. To add a report's nets, write a module of `reports` with `RECIPES`, and
list them in `_REPORTS`. The command line's help is made of these tables: an import of this module loads neither Keras
nor NumPy.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import TunerError, did_you_mean
from tuner.plain_values import Hyperparameters

if TYPE_CHECKING:
    import keras_tuner

    from tuner.spaces.space import Space

#: The family whose nets begin with weights that they have learned elsewhere.
PRETRAINED_FAMILY = "pretrained"

#: Family → what it is, in one line. The name is that of its module in this package.
FAMILIES: Mapping[str, str] = {
    "mlp": "Multi-layer perceptron: seconds an epoch on a CPU; 98 % on MNIST.",
    "cnn": "Convolutional net of one to three blocks: affordable on a CPU; 99.5 % on MNIST with augmentation.",
    "resnet": "Residual nets: ResNet-8 to ResNet-20 with preactivation, and ResNet-34; made for a GPU.",
    PRETRAINED_FAMILY: "A net of keras.applications with its weights for ImageNet and a new head: for few images.",
}

#: Module of a report in `reports` → its nets, each in one line.
_REPORTS: Mapping[str, Mapping[str, str]] = {
    "kmnist": {
        "kmnist-report-mlp": "Recipe, KMNIST report: 784-100-100-10, Adagrad; 89,610 weights.",
        "kmnist-report-cnn": "Recipe, KMNIST report: 64 to 256 filters, no hidden dense layer; 540,298 weights.",
        "kmnist-report-resnet34": "Recipe, KMNIST report: ResNet-34 with Adam at 0.01; 21,300,554 weights.",
    },
    "digit_recognizer": {
        "digit-recognizer-cnn": "Recipe, Digit Recognizer report: LeakyReLU, ten sigmoids; 876,618 weights.",
    },
    "recognizing_digits": {
        "recognizing-digits-ann": "Recipe, Recognizing Digits report: 784-397-397-10; 473,631 weights.",
        "recognizing-digits-first-cnn": "Recipe, Recognizing Digits report: one 5x5 convolution; 93,222 weights.",
        "recognizing-digits-cnn": "Recipe, Recognizing Digits report: its final net; 499,378 weights.",
    },
    "mnist_997": {
        "mnist-997-cnn": "Recipe, MNIST 0.997 report: kernels of 7, 5 and 3 pixels, ELU; 1,245,322 weights.",
    },
}

#: Recipe → what it is, in one line.
RECIPES: Mapping[str, str] = {name: text for nets in _REPORTS.values() for name, text in nets.items()}

#: All that is listed, families first.
SPACES: Mapping[str, str] = {**FAMILIES, **RECIPES}

#: What `open_space` takes, for help texts.
SPACE_NAMES = f"{', '.join(FAMILIES)}, a recipe of `tuner space list`, package.module:Object, or file.py:Object"


class UnknownSpaceError(TunerError):
    """No family and no recipe of that name is listed."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No space named {name!r}.{did_you_mean(name, known)} Known spaces: {', '.join(FAMILIES)}; recipes are "
            f"listed by `tuner space list`; your own builder is given as `package.module:Object`."
        )


def open_space(name: str) -> "Space":
    """Open a listed family or recipe, or a person's own builder: `package.module:Object` or `folder/file.py:Object`.

    A builder is a HyperModel class or instance, or a function `build(hp)` or `build(hp, images)`. Its module is
    imported with the current folder on `sys.path`.

    Raises:
        UnknownSpaceError: The name is not listed.
        SpaceImportError: The import path leads nowhere, or to something that is no builder.
        SourceUnreadableError: A source file of the builder cannot be read.
    """
    if ":" in name:
        from tuner.spaces.import_path import SpaceImportError, import_space
        from tuner.spaces.imported_settings import keep_settings_of, with_settings_of
        from tuner.spaces.own_objects import module_of

        module = module_of(name, refuse=SpaceImportError)
        with keep_settings_of(module):
            space = import_space(name)
        return replace(space, build=with_settings_of(module, space.build))
    refuse_unknown_space(name)
    from tuner.spaces.builder_errors import guarded
    from tuner.spaces.imported_settings import with_initial_settings
    from tuner.spaces.space import Space

    build, parameters = _load_listed(name)
    build = with_initial_settings(guarded(name, build))
    return Space(name=name, description=SPACES[name], build=build, help=parameters)


def _load_listed(name: str) -> tuple[Any, Mapping[str, str]]:
    """Return the builder of a listed space, and what each of its hyperparameters is for."""
    if name in FAMILIES:
        family = importlib.import_module(f"tuner.spaces.{name}")
        return family.build, family.PARAMETERS
    report = next(module for module, nets in _REPORTS.items() if name in nets)
    recipe = importlib.import_module(f"tuner.spaces.reports.{report}").RECIPES[name]
    return recipe.build, recipe.parameters


def refuse_unknown_space(name: str) -> None:
    """Raise `UnknownSpaceError` unless a space is listed by that name, or it is an import path, which is not tried."""
    if ":" not in name and name not in SPACES:
        raise UnknownSpaceError(name, tuple(SPACES))


def fixed_hyperparameters(values: Hyperparameters) -> "keras_tuner.HyperParameters":
    """Return hyperparameters that answer with these values, as a finished trial stored them, and rebuild its model."""
    import keras_tuner

    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(values)
    return hyperparameters
