"""A person's own builder, found by its import path, or in a file.

| object at `package.module:Object` or `folder/file.py:Object` | the space is made of |
|---|---|
| subclass of `keras_tuner.HyperModel` | an instance; its constructor may take `input_shape` and `classes` |
| instance of such a class | this instance |
| function `build(hp)` or `build(hp, images)` | this function; `images` may have a default |

`tuner space show` prints what a mapping `PARAMETERS` in the module says of each hyperparameter.
"""

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.logs import stdout_as_stderr
from tuner.plain_values import Hyperparameters
from tuner.spaces.builder_errors import BuilderError, guarded
from tuner.spaces.model_shapes import ShapeProblemError, create_weights, refuse_wrong_shapes
from tuner.spaces.own_objects import find_own_object
from tuner.spaces.sources import read_sources
from tuner.spaces.space import Space


class SpaceImportError(TunerError):
    """An import path leads to no builder, or to nothing at all."""

    def __init__(self, path: str, reason: str, *, what: str = "space") -> None:
        super().__init__(f"Cannot open {what} {path!r}: {' '.join(reason.split())}")


class SpaceModelError(TunerError):
    """A builder returned something that cannot be trained on these images."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"Space {path!r} built no model for these images: {reason}")


def import_space(path: str) -> Space:
    """Open the builder at `package.module:Object` or `folder/file.py:Object`.

    The current folder is put on `sys.path` and stays there, and so does the folder of such a file.

    Raises:
        SpaceImportError: The module cannot be imported, has no such object, or the object is no builder.
        SourceUnreadableError: One of its source files cannot be read.
    """
    module, found = find_own_object(
        path,
        expected="package.module:Object, for example my_models.nets:TinyNet",
        what="builders",
        refuse=SpaceImportError,
    )
    _check_builder(path, found)
    if _has_own_fit(found):
        _check_own_fit(path, found)
    builder = _Builder(path, found)
    documentation = found.__doc__ if inspect.isclass(found) or inspect.isfunction(found) else None
    parameters = getattr(module, "PARAMETERS", None)
    return Space(
        name=path,
        description=next(iter(inspect.cleandoc(documentation or "").splitlines()), "Your own builder."),
        build=guarded(path, builder.build),
        fit=builder.fit if _has_own_fit(found) else None,
        # A module may use the name for something else.
        help={name: str(text) for name, text in parameters.items()} if isinstance(parameters, Mapping) else {},
        sources=read_sources(module),
    )


def call_builder(found: Any, images: ImageFormat, *, values: Hyperparameters) -> keras.Model:
    """Build the model of a builder that is at hand, with these values and otherwise its defaults.

    Raises:
        SpaceModelError: What it returns is no model for these images.
        Exception: What the builder raises, unchanged.
    """
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = dict(values)
    return _Builder("given", found).build(hyperparameters, images)


class _Builder:
    """Makes the HyperModel once the images are known and keeps it, as `fit` belongs to the instance that has built."""

    def __init__(self, path: str, found: Any) -> None:
        self._path = path
        self._found = found
        self._hypermodel: Any = None
        #: What was built last, as long as it is in use.
        self._last: weakref.ref[keras.Model] | None = None
        self._for_images = functools.cache(self._make)

    def build(self, hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
        self._hypermodel = self._for_images(images)
        is_hypermodel = isinstance(self._hypermodel, keras_tuner.HyperModel)
        build = self._hypermodel.build if is_hypermodel else self._hypermodel
        # An instance wraps its `build` in a function of any signature; the class shows it, with `self`.
        shown = type(self._hypermodel).build if is_hypermodel else build
        if "images" in inspect.signature(shown).parameters:
            model = build(hp, images=images)
        else:
            model = build(hp, images) if count_required(shown) - is_hypermodel > 1 else build(hp)
        _check_model(self._path, model, images)
        if self._last is not None and self._last() is model:
            reason = "build returned the very model that it returned before, with the weights that it has learnt."
            raise SpaceModelError(self._path, f"{reason} Make a new one in each call.")
        self._last = weakref.ref(model)
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        try:
            with stdout_as_stderr():
                return self._hypermodel.fit(hp, model, *args, **kwargs)
        except SystemExit as error:
            # It would end the worker.
            raise BuilderError(self._path, error) from error

    def _make(self, images: ImageFormat) -> Any:
        if not inspect.isclass(self._found):
            return self._found
        known = {"input_shape": images.shape, "classes": images.n_classes}
        taken = inspect.signature(self._found).parameters
        return self._found(**{name: value for name, value in known.items() if name in taken})


def _check_builder(path: str, found: Any) -> None:
    is_class = inspect.isclass(found)
    if is_class and not issubclass(found, keras_tuner.HyperModel):
        raise SpaceImportError(path, f"the class {found.__name__} is no subclass of keras_tuner.HyperModel.")
    if not callable(found) and not isinstance(found, keras_tuner.HyperModel):
        raise SpaceImportError(
            path,
            f"it is {type(found).__name__}; expected a keras_tuner.HyperModel (class or instance) or a function "
            "build(hp) or build(hp, images).",
        )
    if is_class:
        required = [name for name, value in inspect.signature(found).parameters.items() if _is_required(value)]
        missing = set(required) - {"input_shape", "classes"}
        if missing:
            raise SpaceImportError(
                path,
                f"its constructor needs {', '.join(sorted(missing))}, but is given input_shape and classes alone. "
                "Give the others defaults, or name an instance instead of the class.",
            )


def _check_own_fit(path: str, found: Any) -> None:
    """Refuse a `fit` that cannot be called with what it would be given."""
    given: dict[str, Any] = dict.fromkeys(("validation_data", "callbacks", "epochs"))
    try:
        inspect.signature(_class_of(found).fit).bind("self", "hp", "model", "x", "y", **given)
    except TypeError as error:
        raise SpaceImportError(
            path,
            f"its fit cannot be called as fit(hp, model, x, y, validation_data=…, callbacks=…, epochs=…): {error}. "
            "Take these arguments, or *args and **kwargs, and pass them on to model.fit.",
        ) from error


def _class_of(found: Any) -> Any:
    return found if inspect.isclass(found) else type(found)


def _has_own_fit(found: Any) -> bool:
    cls = _class_of(found)
    return bool(issubclass(cls, keras_tuner.HyperModel) and cls.fit is not keras_tuner.HyperModel.fit)


def count_required(function: Callable[..., Any]) -> int:
    """Return how many arguments a function must be given; those of a method include `self`."""
    return sum(_is_required(parameter) for parameter in inspect.signature(function).parameters.values())


def _is_required(parameter: inspect.Parameter) -> bool:
    variadic = parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return parameter.default is inspect.Parameter.empty and not variadic


def _check_model(path: str, model: Any, images: ImageFormat) -> None:
    if not isinstance(model, keras.Model):
        raise SpaceModelError(path, f"build returned {type(model).__name__}, expected a keras.Model.")
    if not model.compiled:
        raise SpaceModelError(path, "the model is not compiled. Call model.compile(…, metrics=['accuracy']) in build.")
    try:
        create_weights(model, images)
        refuse_wrong_shapes(model, images)
    except ShapeProblemError as error:
        raise SpaceModelError(path, str(error)) from error.__cause__
