import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

_EPOCH = "test_whole_epochs.py::test_a_whole_epoch_is_what_keras_fit_does_with_the_last_partial_batch_included"
#: What both backends must do alike, by pytest's ids: one that is gone is an error, where `-k` would run the others.
#: `KERAS_BACKEND=jax pytest tests/training/training` runs all of it, for minutes.
ON_BOTH = (
    "test_checkpoint.py::test_a_killed_run_resumed_in_a_new_process_is_bit_for_bit_the_undisturbed_one",
    "test_xla_epochs.py::test_a_run_compiled_by_xla_goes_on_bit_for_bit_after_a_stop",
    f"{_EPOCH}[False-divergence]",
    f"{_EPOCH}[True-divergence]",
    f"{_EPOCH}[True-schedule]",
    "test_whole_epochs.py::test_random_layers_of_the_model_draw_anew_in_each_step_and_not_in_validation",
    "test_initial_weights.py::test_layers_taken_are_frozen_for_their_epochs_and_learn_afterwards",
    "test_rules.py::test_smoothing_decay_average_and_class_weights_are_those_of_keras[False]",
    "test_whole_epochs.py::test_an_epoch_scanned_as_on_a_gpu_is_the_one_of_single_steps",
)
#: What JAX alone does.
ON_JAX = ("test_population.py",)


@pytest.mark.timeout(600)
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the run on JAX")
def test_training_and_resuming_are_the_same_on_jax() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *ON_BOTH, *ON_JAX],
        cwd=Path(__file__).parent,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, (run.stdout + run.stderr)[-5000:]
    assert "skipped" not in run.stdout
