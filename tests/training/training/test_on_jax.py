import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest


@pytest.mark.timeout(900)
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the run on JAX")
def test_everything_here_holds_on_jax_too() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", Path(__file__).parent],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-5000:]
