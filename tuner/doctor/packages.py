"""Installed packages, the devices that they see, and environment variables that would spoil training."""

import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from tuner.doctor.finding import Finding

_SHOWN_PACKAGES = ("keras", "tensorflow", "jax", "keras-tuner", "optuna", "sqlalchemy", "numpy")


def check_versions() -> Finding:
    """Compare the installed packages with the requirements of this version of tuner."""
    from packaging.requirements import Requirement

    problems, wanted = [], []
    for requirement in map(Requirement, metadata.requires("tuner") or ()):
        installed = _installed_version(requirement.name)
        if installed is None and not (requirement.marker and "extra" in str(requirement.marker)):
            problems.append(f"{requirement.name} is missing")
        elif installed is not None and not requirement.specifier.contains(installed, prereleases=True):
            problems.append(f"{requirement.name} is {installed}, expected {requirement.specifier}")
        else:
            continue
        wanted.append(f"'{requirement.name}{requirement.specifier}'")
    if problems:
        # The packages by name: this project itself is not published.
        return Finding(check="versions", ok=False, message="; ".join(problems), fix=f"pip install {' '.join(wanted)}")
    shown = [f"{name} {version}" for name in ("tuner", *_SHOWN_PACKAGES) if (version := _installed_version(name))]
    return Finding(check="versions", ok=True, message=f"Python {platform.python_version()}, {', '.join(shown)}")


def check_devices() -> Finding:
    """Report the devices and the precision of the backend on which workers would train."""
    from tuner.training.backend import NoBackendError, load_backend, preferred_backend

    try:
        os.environ.setdefault("KERAS_BACKEND", preferred_backend(on_gpu=_has_nvidia_gpu()))
        # This hides what the frameworks log about missing devices, which this check reports itself.
        load_backend()
        import keras

        from tuner.training.devices import list_devices

        backend, devices = keras.backend.backend(), list_devices()
    except (ImportError, RuntimeError, ValueError, NoBackendError) as error:
        message = f"Keras does not start: {_first_line(error)}"
        return Finding(check="devices", ok=False, message=message, fix="export KERAS_BACKEND=tensorflow")
    message = f"Keras on {backend} in {keras.config.dtype_policy().name}: {', '.join(devices)}"
    on_cpu = devices == ("cpu",)
    if backend not in {"tensorflow", "jax"}:
        message += "; tuner trains on tensorflow or jax"
        return Finding(check="devices", ok=False, message=message, fix="export KERAS_BACKEND=tensorflow")
    if on_cpu and _has_nvidia_gpu():
        message += "; this machine's NVIDIA GPU is not among them"
        fix = "pip install 'tensorflow[and-cuda]'" if backend == "tensorflow" else "pip install 'jax[cuda12]'"
        return Finding(check="devices", ok=False, message=message, fix=fix)
    if on_cpu and backend == "jax":
        message += "; TensorFlow trains convolutions about 3 times faster on a CPU"
        return Finding(check="devices", ok=True, message=message, fix="export KERAS_BACKEND=tensorflow")
    return Finding(check="devices", ok=True, message=message)


def check_epoch_caps() -> Finding:
    """Report the two environment variables that silently shorten every training run."""
    try:
        import keras

        caps = {
            "KERAS_MAX_EPOCHS": keras.config.max_epochs(),
            "KERAS_MAX_STEPS_PER_EPOCH": keras.config.max_steps_per_epoch(),
        }
    except (ImportError, RuntimeError, ValueError) as error:
        return Finding(check="epoch caps", ok=False, message=f"Keras does not start: {_first_line(error)}")
    present = {name: value for name, value in caps.items() if value is not None}
    if present:
        message = (
            f"{', '.join(f'{name}={value}' for name, value in present.items())} would cut every training run short"
        )
        return Finding(check="epoch caps", ok=False, message=message, fix=f"unset {' '.join(present)}")
    return Finding(
        check="epoch caps", ok=True, message=f"{' and '.join(caps)} are not set, so that no training is cut short"
    )


def _installed_version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _has_nvidia_gpu() -> bool:
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
