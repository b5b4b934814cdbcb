"""The table of architecture families, and how any space is opened.

To add a family, write a module of this package with `PARAMETERS` (what each hyperparameter is for) and
`build(hp, images)`, and list it in `SPACES`. The command line's help is made of that table: an import of this module
loads neither Keras nor NumPy.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import TunerError, did_you_mean

if TYPE_CHECKING:
    import keras_tuner

    from tuner.spaces.space import Space

#: Family → what it is, in one line. The name is that of its module in this package.
SPACES: Mapping[str, str] = {
    "mlp": "Multi-layer perceptron: seconds an epoch on a CPU; 98 % on MNIST.",
    "cnn": "Convolutional net of one to three blocks: affordable on a CPU; 99.5 % on MNIST with augmentation.",
    "resnet": "Residual nets: ResNet-8 to ResNet-20 with preactivation, and ResNet-34; made for a GPU.",
}

#: What `open_space` takes, for help texts.
SPACE_NAMES = f"{', '.join(SPACES)} or package.module:Object"


class UnknownSpaceError(TunerError):
    """No family of that name is listed."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No space named {name!r}.{did_you_mean(name, known)} Known spaces: {', '.join(known)}; "
            f"your own builder is given as `package.module:Object`. See `tuner space list`."
        )


def open_space(name: str) -> "Space":
    """Open a listed family, or a person's own builder given as `package.module:Object`.

    A builder is a HyperModel class or instance, or a function `build(hp)` or `build(hp, images)`. Its module is
    imported with the current folder on `sys.path`.

    Raises:
        UnknownSpaceError: The name is not listed.
        SpaceImportError: The import path leads nowhere, or to something that is no builder.
        SourceUnreadableError: A source file of the builder cannot be read.
    """
    if ":" in name:
        from tuner.spaces.import_path import import_space
        from tuner.spaces.imported_settings import keep_settings_of, with_settings_of

        module = name.partition(":")[0]
        with keep_settings_of(module):
            space = import_space(name)
        return replace(space, build=with_settings_of(module, space.build))
    refuse_unknown_space(name)
    from tuner.spaces.builder_errors import guarded
    from tuner.spaces.imported_settings import with_initial_settings
    from tuner.spaces.space import Space

    family = importlib.import_module(f"tuner.spaces.{name}")
    build = with_initial_settings(guarded(name, family.build))
    return Space(name=name, description=SPACES[name], build=build, help=family.PARAMETERS)


def refuse_unknown_space(name: str) -> None:
    """Raise `UnknownSpaceError` unless a family is listed by that name, or it is an import path, which is not tried."""
    if ":" not in name and name not in SPACES:
        raise UnknownSpaceError(name, tuple(SPACES))


def fixed_hyperparameters(values: Mapping[str, Any]) -> "keras_tuner.HyperParameters":
    """Return hyperparameters that answer with these values, as a finished trial stored them, and rebuild its model."""
    import keras_tuner

    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(values)
    return hyperparameters
