"""The one list of architecture families, and the door to them; importing it needs no Keras.

To add a family, write one module with `PARAMETERS` (what each hyperparameter is for) and `build(hp, images)`, and list
it in `SPACES`.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import TunerError, did_you_mean
from tuner.spaces.builder_errors import guarded
from tuner.spaces.space import Space

if TYPE_CHECKING:
    import keras_tuner

#: Family → what it is, in one line. The name is that of its module in this package.
SPACES: Mapping[str, str] = {
    "mlp": "Multi-layer perceptron: seconds an epoch on a CPU; 98 % on MNIST.",
    "cnn": "Convolutional net of one to three blocks: affordable on a CPU; 99.5 % on MNIST with augmentation.",
    "resnet": "Residual nets: ResNet-8 to ResNet-20 with preactivation, and ResNet-34; made for a GPU.",
}


class UnknownSpaceError(TunerError):
    """No family of that name is listed."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No space named {name!r}.{did_you_mean(name, known)} Known spaces: {', '.join(known)}; "
            f"a builder of your own is given as `package.module:Object`. See `tuner space list`."
        )


def open_space(name: str) -> Space:
    """Open a listed family, or a builder of one's own given as `package.module:Object`.

    Own builders are imported with the current folder on `sys.path`: a HyperModel class or instance, or a function
    `build(hp)` or `build(hp, images)`.

    Raises:
        UnknownSpaceError: The name is not listed.
        SpaceImportError: The import path leads nowhere, or to something that is no builder.
    """
    if ":" in name:
        from tuner.spaces.import_path import import_space
        from tuner.spaces.imported_settings import keep_settings_of, with_settings_of

        module = name.partition(":")[0]
        with keep_settings_of(module):
            space = import_space(name)
        return replace(space, build=with_settings_of(module, space.build))
    refuse_unknown_space(name)
    from tuner.spaces.imported_settings import with_initial_settings

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
