import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

#: What both backends must do alike; `KERAS_BACKEND=jax pytest tests/training/training` runs all of it, for minutes.
ON_BOTH = """
(last_partial_batch and (divergence or True-schedule)) or bit_for_bit or scanned_as_on_a_gpu or random_layers
""".strip()


@pytest.mark.timeout(600)
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the run on JAX")
def test_training_and_resuming_are_the_same_on_jax() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", ON_BOTH, Path(__file__).parent],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-5000:]
