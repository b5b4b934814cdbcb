"""Write a bundle's model in a format that needs no `tuner`, with a card that says how to use it.

| format        | written as       | is loaded by                                  | backends        |
|---------------|------------------|-----------------------------------------------|-----------------|
| `keras`       | `x.keras`        | `keras.models.load_model`                     | all             |
| `weights`     | `x.weights.h5`   | `load_weights` of a model of equal layers     | all             |
| `saved-model` | a folder         | TensorFlow, TensorFlow Serving                | all             |
| `onnx`        | `x.onnx`         | ONNX Runtime                                  | TensorFlow, JAX |
| `litert`      | `x.tflite`       | LiteRT (TensorFlow Lite), on phones           | TensorFlow      |

All but `keras` and `weights` are Keras' own `Model.export`, and hold no code: custom layers need nothing there.
"""

import warnings
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle
from tuner.bundles.custom_objects import OwnObject, find_own_objects, load_objects
from tuner.bundles.ensemble import Ensemble
from tuner.bundles.export_formats import FORMATS, ExportFormat, InputKind, choose_format
from tuner.bundles.model_card import Exported, card_place, refuse_other_text, write_card
from tuner.bundles.outputs import is_url, open_output
from tuner.bundles.served_model import INPUT_NAME, build_served_model, example_images
from tuner.errors import TunerError, shorten
from tuner.extras import install_command
from tuner.logs import stdout_as_stderr

#: How far probabilities of the model that was written may be from those of the model in memory.
_TOLERANCE = 1e-5
_MAX_WORDS = 300


class ModelNotExportedError(TunerError):
    """A model cannot be written in this format."""

    def __init__(self, export_format: ExportFormat, reason: str, *, advice: str) -> None:
        super().__init__(f"The model was not written as {export_format.name}: {reason.rstrip('.')}. {advice}")


@dataclass(frozen=True, kw_only=True)
class ExportedFiles:
    """What `export_model` has written."""

    place: str
    card: str
    format: str
    input: InputKind
    #: Custom classes and functions that must be importable where it is loaded, as `module:name`.
    needs: tuple[str, ...]


def export_model(
    bundle: Bundle | Ensemble, place: Path | str, *, format_name: str | None = None, takes: InputKind = "float32"
) -> ExportedFiles:
    """Write the model and, beside it, its card; both appear when they are whole.

    Args:
        bundle: The model; an ensemble is written as one model.
        place: A local path, or a URL such as `s3://bucket/model.keras`. An existing file is replaced, a folder is not.
        format_name: One of `FORMATS`; None: by the place's suffix.
        takes: What one image is for the exported model; `uint8` puts the scaling into it.

    Raises:
        FormatError: The suffix and the format do not go together, or the model has no such format.
        ModelNotExportedError: Keras cannot write it so, or what was written does not predict the same.
        OtherInputsError: The members of an ensemble see different images.
        OutputNotWrittenError: The place cannot be written to.
        TunerError: The bundle's model cannot be rebuilt.
    """
    place = str(place).rstrip("/")
    chosen = choose_format(place, format_name)
    chosen.refuse(takes=takes, is_ensemble=isinstance(bundle, Ensemble))
    described_in = card_place(place)
    if not is_url(described_in):
        refuse_other_text(Path(described_in))
    if isinstance(bundle, Bundle) and chosen.name == "weights":
        # Those of the builder's own model, whatever it returns.
        model, is_own = bundle.build_model(), True
    else:
        model, is_own = build_served_model(bundle, takes=takes)
    with open_output(described_in, option="--to") as card, open_output(place, option="--to") as path:
        objects, compiles = _write(model, path, chosen, example_images(bundle, takes))
        exported = Exported(
            name=place.rpartition("/")[2],
            format=chosen,
            takes=takes,
            is_own_model=is_own,
            n_parameters=model.count_params(),
            objects=tuple(objects),
            compiles=compiles,
            hashes=_hashes(path),
        )
        write_card(bundle, exported, card)
    return ExportedFiles(
        place=place, card=described_in, format=chosen.name, input=takes, needs=tuple(map(str, objects))
    )


def _write(
    model: keras.Model, path: Path, chosen: ExportFormat, examples: NDArray[Any]
) -> tuple[list[OwnObject], bool]:
    """Write the model; return what must be at hand where it is loaded, and whether it is loaded compiled."""
    try:
        with stdout_as_stderr(), warnings.catch_warnings():
            # Of the converters, on what they themselves use.
            warnings.simplefilter("ignore")
            if chosen.name == "weights":
                model.save_weights(path)
            elif chosen.name == "keras":
                _build_optimizers(model)
                model.save(path)
                return _check_reloaded(model, path, examples)
            else:
                signature = keras.InputSpec(
                    shape=(None, *examples.shape[1:]), dtype=str(examples.dtype), name=INPUT_NAME
                )
                model.export(path, format=chosen.keras_name, input_signature=[signature], verbose=False)
    except (TunerError, OSError):
        raise
    except Exception as error:
        # Keras, TensorFlow, JAX and the converters raise errors of any class for what they do not know.
        reason = shorten(f"{type(error).__name__}: {error}", width=_MAX_WORDS)
        raise ModelNotExportedError(chosen, reason, advice=_advise(chosen)) from error
    return [], False


def _build_optimizers(model: keras.Model) -> None:
    """Give optimizers their variables, at zero: Keras warns at each load of a file that lacks them."""
    parts = [model, *(layer for layer in model.layers if isinstance(layer, keras.Model))]
    for part in parts:
        optimizer = getattr(part, "optimizer", None)
        if isinstance(optimizer, keras.optimizers.Optimizer) and not optimizer.built:
            optimizer.build(part.trainable_variables)


def _advise(chosen: ExportFormat) -> str:
    backend = keras.backend.backend()
    if backend != "tensorflow" and chosen.name not in {"keras", "weights"}:
        return "Try it on TensorFlow, which a bundle of any backend can be exported with: KERAS_BACKEND=tensorflow."
    if chosen.packages:
        return f"It needs {', '.join(chosen.packages)}: {install_command(chosen.packages[0])}."
    return f"Another format may hold it: {', '.join(name for name in FORMATS if name != chosen.name)}."


def _check_reloaded(model: keras.Model, path: Path, images: Any) -> tuple[list[OwnObject], bool]:
    """Load the file as another process would, and compare; return what was needed, and whether it is compiled.

    Raises:
        ModelNotExportedError: It cannot be loaded, or does not predict the same.
    """
    chosen = FORMATS["keras"]
    others = "Formats that hold no code need none: saved-model, onnx, litert."
    objects = find_own_objects(path)
    loaded = load_objects(objects)
    failure: Exception | None = None
    for compiles in (True, False):
        try:
            again = keras.models.load_model(path, custom_objects=loaded, compile=compiles)
        except Exception as error:  # noqa: BLE001 - what a person's own `from_config` raises is of any class
            failure = failure or error
            continue
        expected, received = (np.asarray(one.predict(images, verbose=0), np.float32) for one in (model, again))
        furthest = float(np.abs(expected - received).max())
        if not furthest <= _TOLERANCE:
            reason = f"loaded again it predicts otherwise, by up to {furthest:.2g}: its `get_config` does not tell all"
            raise ModelNotExportedError(chosen, reason, advice=others)
        return objects, compiles and again.compiled
    reason = shorten(f"it cannot be loaded again ({type(failure).__name__}: {failure})", width=_MAX_WORDS)
    advice = f"A custom layer needs a `get_config`, and its class a name in its module. {others}"
    raise ModelNotExportedError(chosen, reason, advice=advice) from failure


def _hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of the file, or of each file of the folder, by its name."""
    if path.is_file():
        return {path.name: sha256(path.read_bytes()).hexdigest()}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path.parent)): sha256(file.read_bytes()).hexdigest() for file in files}
