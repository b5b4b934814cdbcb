import pytest

from tuner.training.gpus import list_gpus


@pytest.fixture(scope="session", autouse=True)
def _gpu() -> None:
    """Skip where there is nothing to test on."""
    if not list_gpus():
        pytest.skip("no NVIDIA GPU is here")
