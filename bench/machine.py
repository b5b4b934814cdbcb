"""What every benchmark needs: where results go, and what they depend on."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Where benchmarks write what `docs/benchmarks.md` quotes.
RESULTS = Path(__file__).with_name("results")

_PACKAGES = ("tuner", "keras", "tensorflow", "jax", "keras-tuner", "optuna", "ray", "sqlalchemy", "numpy")


def describe_machine() -> dict[str, Any]:
    """Return the conditions of a measurement that ends now."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_at_the_end": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **dict(_installed()),
    }


def _installed() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        # One backend is enough, and Ray is nobody's need but the benchmark's.
        with suppress(PackageNotFoundError):
            yield name, version(name)
