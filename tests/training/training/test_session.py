import gc
import logging
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from small_models import build_mlp

from tuner.training.devices import list_devices
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import PROGRAMS, FitCappedError, refuse_fit_caps, release_memory, seed_everything
from tuner.training.train import train


def test_equal_seeds_build_equal_models() -> None:
    def weights(seed: int) -> Any:
        seed_everything(seed)
        return build_mlp().get_weights()

    first, second, other = weights(1), weights(1), weights(2)

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("name", ["KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"])
def test_an_environment_that_shortens_training_is_refused(name: str) -> None:
    refuse_fit_caps({"KERAS_BACKEND": "jax"})

    with pytest.raises(FitCappedError, match=f"type `unset {name}`"):
        refuse_fit_caps({name: "1"})


def count_graphs() -> int:
    """Return how many traced TensorFlow functions live; none on JAX."""
    return sum(type(found).__name__ == "FuncGraph" for found in gc.get_objects())


def test_many_runs_in_one_process_leak_no_memory_and_warn_of_no_retracing(
    digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    def train_one() -> None:
        seed_everything(0)
        train(build_mlp(), digits, TrainingPlan(epochs=1, batch_size=32, seed=0), on_epoch=lambda _: None)
        # As if each had a shape of its own: equal ones share what is compiled.
        PROGRAMS.clear()
        release_memory()

    for _ in range(4):
        train_one()
    before, n_graphs = psutil.Process().memory_info().rss, count_graphs()
    logging.getLogger("tensorflow").addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for _ in range(20):
            train_one()
    after = psutil.Process().memory_info().rss
    logging.getLogger("tensorflow").removeHandler(caplog.handler)

    assert after < 1.05 * before
    assert count_graphs() == n_graphs
    assert "retracing" not in caplog.text


def test_the_cpu_is_always_among_the_devices() -> None:
    assert list_devices()[0] == "cpu"


def test_the_backend_is_one_that_has_whole_epoch_programs() -> None:
    assert keras.backend.backend() in ("tensorflow", "jax")
