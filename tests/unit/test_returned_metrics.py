from types import SimpleNamespace

import numpy as np
import pytest

from tuner.training.history import UnequalEpochsError, returned_logs


@pytest.mark.parametrize(
    ("returned", "logs"),
    [
        ({"val_accuracy": 0.5, "loss": np.float32(2)}, [{"val_accuracy": 0.5, "loss": 2.0}]),
        ({"val_accuracy": [0.5, 0.75]}, [{"val_accuracy": 0.5}, {"val_accuracy": 0.75}]),
        ({"val_accuracy": np.array([0.5, 0.75])}, [{"val_accuracy": 0.5}, {"val_accuracy": 0.75}]),
        (SimpleNamespace(history={"loss": (2, 1)}), [{"loss": 2.0}, {"loss": 1.0}]),
        ({"val_accuracy": 0.5, "best": None, "name": "wide", "sizes": [[1], [2, 3]]}, [{"val_accuracy": 0.5}]),
        ({}, []),
        (0.5, []),
        (None, []),
    ],
)
def test_what_a_fit_returns_is_read_epoch_by_epoch(returned: object, logs: list[dict[str, float]]) -> None:
    assert returned_logs(returned) == logs


@pytest.mark.parametrize(
    ("metrics", "received"),
    [
        ({"loss": [3.0, 2.0, 1.0, 0.5], "val_accuracy": [0.5, 0.75]}, r"loss \(4\), val_accuracy \(2\)"),
        ({"loss": [3.0, 2.0], "val_accuracy": []}, r"loss \(2\), val_accuracy \(0\)"),
        ({"loss": [3.0, 2.0], "val_accuracy": 0.5}, r"loss \(2\), val_accuracy \(1\)"),
    ],
)
def test_metrics_of_different_lengths_are_refused_by_name(metrics: dict[str, object], received: str) -> None:
    with pytest.raises(UnequalEpochsError, match=rf"different lengths: {received}\. .*validation_freq"):
        returned_logs(SimpleNamespace(history=metrics))
