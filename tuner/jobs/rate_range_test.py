"""Run the learning-rate range test of a definition: its space, on its training images, once for each optimizer."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.splits import split_stratified, take_stratified
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import NOT_KEPT, DecodedPictures
from tuner.errors import TunerError, did_you_mean
from tuner.jobs.hyperparameters.hp import OptunaHyperParameters
from tuner.jobs.study.data import open_definition_dataset
from tuner.jobs.study.space import open_definition_space
from tuner.plain_values import Hyperparameters
from tuner.spaces.space import Space, read_batch_size
from tuner.studies.definitions.definition import StudyDefinition
from tuner.training.devices import translate_device_errors
from tuner.training.rate_curve import RateCurve, read_curve
from tuner.training.rate_range import measure_losses
from tuner.training.session import release_memory, seed_everything

#: The hyperparameter that `--write` narrows, as families and recipes name it.
LEARNING_RATE = "learning_rate"
_OPTIMIZER = "optimizer"
#: These are made of another optimizer.
_NO_OPTIMIZERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
#: Keras' own, by the names under which `keras.optimizers.get` knows them.
_KERAS_OPTIMIZERS: Mapping[str, type[keras.optimizers.Optimizer]] = {
    name.lower(): value
    for name, value in vars(keras.optimizers).items()
    if isinstance(value, type) and issubclass(value, keras.optimizers.Optimizer) and name not in _NO_OPTIMIZERS
}


class UnknownOptimizerError(TunerError):
    """Keras has no optimizer of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"--optimizers: no optimizer named {name!r}.{did_you_mean(name, _KERAS_OPTIMIZERS)} "
            f"Expected names of {', '.join(sorted(_KERAS_OPTIMIZERS))}."
        )


class NoRateHyperparameterError(TunerError):
    """The range cannot be written for a space that asks for no learning rate."""

    def __init__(self, space: str) -> None:
        super().__init__(
            f"The space {space!r} asks for no hyperparameter {LEARNING_RATE}, so --write has nothing to narrow. Ask "
            f"for it in the builder, as in hp.Float({LEARNING_RATE!r}, 1e-4, 1e-1, sampling='log')."
        )


def run_range_tests(
    definition: StudyDefinition,
    rates: NDArray[np.float64],
    *,
    optimizers: Sequence[str] = (),
    batch_size: int | None = None,
    needs_rate: bool = False,
    data_dir: Path,
    decoded: DecodedPictures = NOT_KEPT,
    on_step: Callable[[str, int], None] = lambda _name, _steps: None,
) -> list[RateCurve]:
    """Train the space's default model, with the definition's fixed values, once for each optimizer.

    Where the space offers an optimizer, it builds it with its own settings; any other one of Keras' has Keras'
    settings. A `fit` of the space's own is not used. Validation and test images are not shown to any model.

    Args:
        definition: Space, dataset, seed, fixed values and batch size are used.
        rates: To try in rising order, one batch each, see `exponential_rates`.
        optimizers: Keras' names in lower case; none: the one with which the space compiles its default model.
        batch_size: Replaces that of the space or the definition.
        needs_rate: Whether to refuse a space without a hyperparameter `learning_rate` before anything is trained.
        data_dir: Holds one folder for each dataset of the catalogue.
        decoded: Where decoded pictures are kept.
        on_step: Called with the optimizer's name and the steps it has taken.

    Raises:
        UnknownOptimizerError: Keras has none of that name.
        NoRateHyperparameterError: The space has no hyperparameter `learning_rate`.
        NoFirstLossError: The first loss is not finite.
        TunerError: The images cannot be read, or the space does not build.
    """
    for name in optimizers:
        if name not in _KERAS_OPTIMIZERS:
            raise UnknownOptimizerError(name)
    images = _load_images(definition, data_dir, decoded)
    space = open_definition_space(definition)
    curves = []
    for asked in optimizers or (None,):
        model, values = _build(space, definition, images, optimizer=asked)
        if needs_rate and LEARNING_RATE not in values:
            raise NoRateHyperparameterError(definition.space)
        shown = asked or type(model.optimizer).__name__.lower()
        size = batch_size or read_batch_size(values, default=definition.search.batch_size)
        with translate_device_errors():
            losses = measure_losses(
                model,
                images,
                rates,
                batch_size=size,
                seed=definition.seed,
                labels=definition.data.labels,
                on_step=lambda taken, shown=shown: on_step(shown, taken),  # type: ignore[misc]
            )
        curves.append(read_curve(shown, rates, losses, batch_size=min(size, len(images))))
        del model
        release_memory()
    return curves


def _load_images(definition: StudyDefinition, data_dir: Path, decoded: DecodedPictures) -> LabelledImages:
    """Return the images that the search would train on."""
    images = open_definition_dataset(definition, data_dir=data_dir, decoded=decoded).load_train()
    split = split_stratified(images, validation_fraction=definition.data.validation_fraction, seed=definition.seed)
    n_images = definition.search.train_images
    if n_images is None or n_images >= len(split.train):
        return split.train
    return take_stratified(split.train, n_images=n_images, seed=definition.seed)


def _build(
    space: Space, definition: StudyDefinition, images: LabelledImages, *, optimizer: str | None
) -> tuple[keras.Model, Hyperparameters]:
    """Return the default model with this optimizer, and the hyperparameters that the space asked for."""
    fixed = dict(definition.fixed)
    while True:
        seed_everything(definition.seed)
        hyperparameters = OptunaHyperParameters(None, fixed=fixed)
        with translate_device_errors():
            model = space.build(hyperparameters, images.image_format)
        if optimizer is None or fixed.get(_OPTIMIZER) == optimizer:
            break
        offered = [choice for one in hyperparameters.space if one.name == _OPTIMIZER for choice in _choices(one)]
        if optimizer not in offered:
            # Before the first step, so that no compiled step holds the other one.
            model.optimizer = _KERAS_OPTIMIZERS[optimizer]()
            break
        fixed[_OPTIMIZER] = optimizer
    return model, dict(hyperparameters.values)


def _choices(parameter: Any) -> Sequence[Any]:
    return tuple(getattr(parameter, "values", ()))
