"""Installed packages, the devices that they see, and environment variables that would spoil training."""

import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from tuner.backends import BACKENDS
from tuner.doctor.finding import Finding

_SHOWN_PACKAGES = (
    "keras",
    *(backend.name for backend in BACKENDS),
    "keras-tuner",
    "optuna",
    "sqlalchemy",
    "numpy",
)
#: The backend that trains on every machine.
_DEFAULT_BACKEND = BACKENDS[0].name


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
    from tuner.training.backend import has_backend, load_backend, preferred_backend

    if not has_backend():
        message = "no Keras backend is installed: this machine creates and shows studies, and trains none"
        return Finding(check="devices", ok=True, message=message, fix=f"pip install 'tuner[{_DEFAULT_BACKEND}]'")
    try:
        os.environ.setdefault("KERAS_BACKEND", preferred_backend(on_gpu=_has_nvidia_gpu()))
        # This hides what the frameworks log about missing devices, which this check reports itself.
        load_backend()
        import keras

        from tuner.training.devices import list_devices

        backend, devices = keras.backend.backend(), list_devices()
    except (ImportError, RuntimeError, ValueError) as error:
        message = f"Keras does not start: {_first_line(error)}"
        return Finding(check="devices", ok=False, message=message, fix=f"export KERAS_BACKEND={_DEFAULT_BACKEND}")
    message = f"Keras on {backend} in {keras.config.dtype_policy().name}: {', '.join(devices)}"
    on_cpu = devices == ("cpu",)
    facts = next((one for one in BACKENDS if one.name == backend), None)
    if facts is None:
        message += f"; tuner trains on {' or '.join(one.name for one in BACKENDS)}"
        return Finding(check="devices", ok=False, message=message, fix=f"export KERAS_BACKEND={_DEFAULT_BACKEND}")
    if on_cpu and _has_nvidia_gpu():
        message += "; this machine's NVIDIA GPU is not among them"
        fix = f"pip install '{facts.gpu_requirement}'"
        return Finding(check="devices", ok=False, message=message, fix=fix)
    if on_cpu and facts.cpu_drawback:
        message += f"; {facts.cpu_drawback}"
        return Finding(check="devices", ok=True, message=message, fix=f"export KERAS_BACKEND={_DEFAULT_BACKEND}")
    return Finding(check="devices", ok=True, message=message)


def check_epoch_caps() -> Finding:
    """Report the two environment variables that silently shorten every training run."""
    from tuner.training.backend import has_backend

    if not has_backend():
        return Finding(check="epoch caps", ok=True, message="nothing trains on this machine")
    try:
        from tuner.training.session import FIT_CAPS, read_fit_caps

        caps = read_fit_caps()
    except (ImportError, RuntimeError, ValueError) as error:
        return Finding(check="epoch caps", ok=False, message=f"Keras does not start: {_first_line(error)}")
    if caps:
        message = f"{', '.join(f'{name}={value}' for name, value in caps.items())} would cut every training run short"
        return Finding(check="epoch caps", ok=False, message=message, fix=f"unset {' '.join(caps)}")
    return Finding(
        check="epoch caps", ok=True, message=f"{' and '.join(FIT_CAPS)} are not set, so that no training is cut short"
    )


def _installed_version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _has_nvidia_gpu() -> bool:
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
