import importlib.util
from collections.abc import Callable

import pytest

from tuner.training.backend import NoBackendError, preferred_backend

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make these the only packages there are."""

    def only(*packages: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in packages else None)

    return only


@pytest.mark.parametrize(
    ("packages", "on_gpu", "expected"),
    [
        (["tensorflow", "jax"], False, "tensorflow"),
        (["tensorflow", "jax", "jax_cuda12_plugin"], False, "tensorflow"),
        (["tensorflow", "jax", "jax_cuda12_plugin"], True, "jax"),
        (["tensorflow", "jax", "jax_cuda13_plugin"], True, "jax"),
        (["tensorflow", "jax"], True, "tensorflow"),
        (["jax"], False, "jax"),
    ],
)
def test_jax_is_for_gpus_that_it_can_use_and_tensorflow_for_all_else(
    packages: list[str], expected: str, *, on_gpu: bool, install: Install
) -> None:
    install(*packages)

    assert preferred_backend(on_gpu=on_gpu) == expected


def test_without_a_backend_one_is_named(install: Install) -> None:
    install("numpy")

    with pytest.raises(NoBackendError, match=r"pip install 'tuner\[tensorflow\]'"):
        preferred_backend(on_gpu=False)
