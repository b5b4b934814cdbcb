"""What a `fit` of a person's own would need of the memory, asked before a study is stored."""

import re
from typing import Any

import keras
import pytest

from tuner.jobs.preflight import memory_check
from tuner.jobs.preflight.memory_check import describe_short_memory
from tuner.spaces.space import Space
from tuner.training import keras_loop

N_BYTES = 64 * 4


class OwnFit(keras.Sequential):
    """Has a fit that takes its validation data apart."""

    def fit(self, *arguments: Any, **options: Any) -> Any:
        images, _labels = options["validation_data"]
        return super().fit(images, *arguments, **options)


def build(_hp: Any, _images: Any) -> keras.Model:
    raise NotImplementedError


def fit(*_arguments: Any, **_options: Any) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("own", "model", "n_free", "told"),
    [
        (fit, keras.Sequential, 1000 * N_BYTES, None),
        (fit, keras.Sequential, 1000 * N_BYTES - 1, r"all images as one array of floats, .* each trial would fail"),
        (None, OwnFit, 200 * N_BYTES, None),
        (None, OwnFit, 200 * N_BYTES - 1, r"PyDataset of batches, no pair of arrays"),
        (None, keras.Sequential, 0, None),
    ],
)
def test_what_the_memory_is_too_short_for_is_told_beforehand(
    monkeypatch: pytest.MonkeyPatch, own: Any, model: type[keras.Model], n_free: int, told: str | None
) -> None:
    for module in (memory_check, keras_loop):
        monkeypatch.setattr(module, "free_memory_bytes", lambda: n_free)
    space = Space(name="own", description="", build=build, fit=own, help={})

    found = describe_short_memory(space, model(), n_train=900, n_validation=100, shape=(8, 8, 1))

    assert found is None if told is None else re.search(told, found or "")
