import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from test_augmentation import PICTURES_OF_TENSORFLOW, pictures_of_everything

_EPOCH = "test_whole_epochs.py::test_a_whole_epoch_is_what_keras_fit_does_with_the_last_partial_batch_included"
#: What both backends must do alike, by pytest's ids: one that is gone is an error, where `-k` would run the others.
#: `KERAS_BACKEND=jax pytest tests/training/training` runs all of it, for minutes.
ON_BOTH = (
    "test_checkpoint.py::test_a_run_that_was_killed_in_another_process_is_resumed_to_bit_for_bit_the_undisturbed_one",
    f"{_EPOCH}[False-divergence]",
    f"{_EPOCH}[True-schedule]",
    "test_whole_epochs.py::test_random_layers_of_the_model_draw_anew_in_each_step_and_not_in_validation",
    "test_initial_weights.py::test_layers_taken_are_frozen_for_their_epochs_and_learn_afterwards",
    "test_rules.py::test_smoothing_decay_average_and_class_weights_are_those_of_keras[False]",
    "test_whole_epochs.py::test_an_epoch_scanned_as_on_a_gpu_is_the_one_of_single_steps",
    "test_augmentation.py::test_both_backends_show_the_same_pictures",
    "test_streaming.py::test_a_streamed_epoch_is_the_resident_one_bit_for_bit[augmented cnn]",
    "test_scoring.py::test_a_whole_epoch_program_scores_what_the_model_answers[0.8]",
    "test_scoring.py::test_keras_loop_and_a_fit_of_ones_own_score_as_the_program_does[None-as_keras_loop]",
    "test_layer_outputs.py::test_saliency_is_the_gradient_of_the_score_before_the_softmax",
    "test_rate_range.py::test_each_rate_is_set_before_its_step_and_no_loss_is_a_mean_of_earlier_ones",
)
#: The nets here train for some steps only, and compiling them is most of the time; see `docs/experiments.md`.
COMPILED_FASTER = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
#: What JAX alone does.
ON_JAX = ("test_population.py", "../jobs/test_trained_at_once.py")


@pytest.mark.timeout(600)
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the run on JAX")
def test_training_and_resuming_are_the_same_on_jax(tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", pictures_of_everything())
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout=0", *ON_BOTH, *ON_JAX],
        cwd=Path(__file__).parent,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "XLA_FLAGS": COMPILED_FASTER,
            # Equal programs are compiled once: those of the process that is killed and of its successor, and of tests.
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            PICTURES_OF_TENSORFLOW: str(tmp_path / "pictures.npy"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, (run.stdout + run.stderr)[-5000:]
    assert "skipped" not in run.stdout
