import gc
import importlib
import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from small_models import build_mlp

from tuner.backends import BACKENDS
from tuner.training.devices import list_devices
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import find_refusal
from tuner.training.programs.interface import Backend
from tuner.training.session import PROGRAMS, FitCappedError, refuse_fit_caps, release_memory, seed_everything
from tuner.training.train import train


def test_equal_seeds_build_equal_models() -> None:
    def weights(seed: int) -> Any:
        seed_everything(seed)
        return build_mlp().get_weights()

    first, second, other = weights(1), weights(1), weights(2)

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("name", "set_limit"),
    [
        ("KERAS_MAX_EPOCHS", keras.config.set_max_epochs),
        ("KERAS_MAX_STEPS_PER_EPOCH", keras.config.set_max_steps_per_epoch),
    ],
)
def test_an_environment_that_shortens_training_is_refused(name: str, set_limit: Callable[[int | None], None]) -> None:
    refuse_fit_caps()

    # As Keras does with the variable when it is imported.
    set_limit(1)
    try:
        with pytest.raises(FitCappedError, match=f"type `unset {name}`"):
            refuse_fit_caps()
    finally:
        set_limit(None)


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

    for _ in range(2):
        train_one()
    before, n_graphs = psutil.Process().memory_info().rss, count_graphs()
    logging.getLogger("tensorflow").addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for _ in range(6):
            train_one()
    after = psutil.Process().memory_info().rss
    logging.getLogger("tensorflow").removeHandler(caplog.handler)

    assert after < 1.05 * before
    assert count_graphs() == n_graphs
    assert "retracing" not in caplog.text


def test_the_cpu_is_always_among_the_devices() -> None:
    assert list_devices()[0] == "cpu"


@pytest.mark.parametrize("name", [backend.name for backend in BACKENDS])
def test_each_backend_has_a_module_with_all_that_the_protocol_asks_for(name: str) -> None:
    pytest.importorskip(name)
    wanted = {member for member in (*vars(Backend), *Backend.__annotations__) if not member.startswith("_")}

    assert wanted <= set(vars(importlib.import_module(f"tuner.training.programs.{name}")))


def test_on_a_backend_without_a_module_keras_own_loop_trains_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")

    assert find_refusal(build_mlp()) == "there is no whole-epoch program for torch"
    assert list_devices() == ("cpu",)
