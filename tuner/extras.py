"""Packages that only some uses need, and the extra of this package that installs each.

The base installation creates studies and shows them; an extra adds what trains, or what one feature needs.
"""

import importlib.util
from collections.abc import Mapping

from tuner.errors import TunerError

#: Package, as it is imported → extra. A test compares it with `pyproject.toml`.
EXTRAS: Mapping[str, str] = {
    "h5py": "tensorflow",
    "keras": "tensorflow",
    "keras_tuner": "tensorflow",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "torch": "gp",
    "s3fs": "s3",
    "IPython": "notebook",
    "pandas": "notebook",
    "onnx": "onnx",
    "tf2onnx": "onnx",
    "ray": "ray",
    "itsdangerous": "dashboard",
    "optuna_dashboard": "dashboard",
    "waitress": "dashboard",
}


class ExtraMissingError(TunerError):
    """A package is not installed that only an extra brings."""

    def __init__(self, package: str, *, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs {package}, which is not installed here: {install_command(package)}.")


def install_command(package: str) -> str:
    """Return what to type to install a package of `EXTRAS`."""
    return f"`pip install 'tuner[{EXTRAS[package]}]'`"


def is_installed(package: str) -> bool:
    """Return whether a package of `EXTRAS` is installed; it is not imported."""
    return importlib.util.find_spec(package) is not None


def explain_missing(error: ModuleNotFoundError) -> ExtraMissingError | None:
    """Return the error that names the extra which brings the missing module; None if no extra does."""
    package = (error.name or "").partition(".")[0]
    return ExtraMissingError(package, needed_for="This command") if package in EXTRAS else None
