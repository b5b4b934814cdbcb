import pytest

from tuner.backends import BACKENDS, is_of_device, is_out_of_memory, lost_status


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""


class InternalError(Exception):
    """As TensorFlow names it."""


class UnknownError(Exception):
    """As TensorFlow names it."""


class JaxRuntimeError(RuntimeError):
    """As JAX names it."""


class OwnError(JaxRuntimeError):
    """Derived from one of a backend's."""


@pytest.mark.parametrize(
    ("error", "is_memory", "status"),
    [
        (ResourceExhaustedError("OOM when allocating tensor"), True, None),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"), True, None),
        (OwnError("RESOURCE_EXHAUSTED: Out of memory"), True, None),
        (InternalError("RESOURCE_EXHAUSTED"), True, None),
        (InternalError("failed: CUDA_ERROR_LAUNCH_FAILED: unspecified"), False, "CUDA_ERROR_LAUNCH_FAILED"),
        (UnknownError("GPU is lost"), False, "GPU is lost"),
        (JaxRuntimeError("INVALID_ARGUMENT: shapes differ"), False, None),
    ],
    ids=lambda value: f"{type(value).__name__}: {value}",
)
def test_a_devices_errors_are_told_apart_by_class_and_status(
    error: Exception, status: str | None, *, is_memory: bool
) -> None:
    assert is_of_device(error)
    assert is_out_of_memory(error) == is_memory
    assert lost_status(error) == status


@pytest.mark.parametrize("text", ["RESOURCE_EXHAUSTED", "CUDA_ERROR_LAUNCH_FAILED"])
def test_other_errors_are_never_a_devices_whatever_they_say(text: str) -> None:
    error = ValueError(text)

    assert not is_of_device(error)
    assert not is_out_of_memory(error)
    assert lost_status(error) is None


def test_workers_that_share_a_gpu_take_its_memory_as_they_need_it() -> None:
    variables = {name: value for backend in BACKENDS for name, value in backend.gpu_environment(0.45).items()}

    assert variables == {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450",
    }


def test_workers_on_a_cpu_compute_with_their_own_threads_alone() -> None:
    variables = {name: value for backend in BACKENDS for name, value in backend.cpu_environment(3).items()}

    assert variables == {"TF_NUM_INTRAOP_THREADS": "3", "TF_NUM_INTEROP_THREADS": "1"}
