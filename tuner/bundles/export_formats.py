"""The formats of exported models, by name and by suffix. Imports no Keras."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tuner.errors import TunerError, did_you_mean

InputKind = Literal["float32", "uint8"]


class FormatError(TunerError):
    """A model is not exported in this format, or not to a file of this name."""


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """One format."""

    name: str
    #: What a file's name ends in; empty for a folder.
    suffix: str
    #: Its name in `keras.Model.export`; None: Keras saves it.
    keras_name: str | None
    #: Packages beside Keras and its backend that write it, of one extra, see `tuner.extras`.
    packages: tuple[str, ...] = ()

    def refuse(self, *, takes: InputKind, is_ensemble: bool) -> None:
        """Raise `FormatError` where the format cannot hold what is asked for."""
        if self.name == "weights" and is_ensemble:
            raise FormatError(
                "The weights of an ensemble belong to no single builder. Export it as a model, such as --to "
                "model.keras, or the weights of each member's bundle."
            )
        if self.name == "weights" and takes != "float32":
            raise FormatError(
                "A file of weights holds no input. Export a model, such as --to model.keras, or leave out --input."
            )


FORMATS: Mapping[str, ExportFormat] = {
    one.name: one
    for one in (
        ExportFormat(name="keras", suffix=".keras", keras_name=None),
        ExportFormat(name="weights", suffix=".weights.h5", keras_name=None),
        ExportFormat(name="saved-model", suffix="", keras_name="tf_saved_model"),
        ExportFormat(name="onnx", suffix=".onnx", keras_name="onnx", packages=("tf2onnx", "onnx")),
        ExportFormat(name="litert", suffix=".tflite", keras_name="litert"),
    )
}


def choose_format(place: str, asked: str | None) -> ExportFormat:
    """Return the format that was asked for, or that of the place's suffix; a name without a suffix is a folder.

    Raises:
        FormatError: There is no such format, or the name does not end as it must.
    """
    name = place.rpartition("/")[2]
    if asked is not None and asked not in FORMATS:
        raise FormatError(
            f"No format named {asked!r}.{did_you_mean(asked, list(FORMATS))} Expected one of {', '.join(FORMATS)}."
        )
    if asked is not None:
        chosen = FORMATS[asked]
        if not name.endswith(chosen.suffix) or name == chosen.suffix:
            raise FormatError(
                f"Received {name!r} for the format {asked}. Expected a name that ends in {chosen.suffix}."
            )
        return chosen
    for one in FORMATS.values():
        if one.suffix and name.endswith(one.suffix) and name != one.suffix:
            return one
    if "." not in name and name:
        return FORMATS["saved-model"]
    suffixes = ", ".join(f"{one.suffix} ({one.name})" for one in FORMATS.values() if one.suffix)
    raise FormatError(
        f"Received {name!r}, whose suffix is that of no format. Expected {suffixes}, or a name without a dot for the "
        "folder of a SavedModel; or choose one with --format."
    )
