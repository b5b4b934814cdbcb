"""GPUs as NVML tells of them. NVML is faked, at its Python binding: no machine of ours has a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from tuner.training.gpus import list_gpus, read_memory
from tuner.workers.shares import NoSuchShareError, divide_machine


@dataclass
class FakeGpu:
    uuid: str
    name: str = "NVIDIA H100"
    #: None: too old for MIG; else its devices, None for a place without one.
    mig: list["FakeGpu | None"] | None = None
    lost: bool = False
    used_bytes: int = 1
    total_bytes: int = 80


@dataclass
class FakeDriver:
    gpus: list[FakeGpu] = field(default_factory=list)
    opened: int = 0

    def init(self) -> None:
        self.opened += 1

    def shutdown(self) -> None:
        self.opened -= 1

    def handle(self, index: int) -> FakeGpu:
        if self.gpus[index].lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.gpus[index]

    def by_uuid(self, uuid: str) -> FakeGpu:
        everything = [gpu for whole in self.gpus for gpu in [whole, *filter(None, whole.mig or [])]]
        found = [gpu for gpu in everything if gpu.uuid == uuid and not gpu.lost]
        if not found:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return found[0]

    @staticmethod
    def mig_mode(gpu: FakeGpu) -> list[int]:
        if gpu.mig is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(bool(gpu.mig)), 0]

    @staticmethod
    def mig_device(gpu: FakeGpu, index: int) -> FakeGpu:
        device = (gpu.mig or [])[index]
        if device is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return device

    @property
    def functions(self) -> Mapping[str, Any]:
        return {
            "nvmlInit": self.init,
            "nvmlShutdown": self.shutdown,
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": self.handle,
            "nvmlDeviceGetHandleByUUID": self.by_uuid,
            "nvmlDeviceGetMigMode": self.mig_mode,
            "nvmlDeviceGetMaxMigDeviceCount": lambda gpu: len(gpu.mig or []),
            "nvmlDeviceGetMigDeviceHandleByIndex": self.mig_device,
            "nvmlDeviceGetUUID": lambda gpu: gpu.uuid,
            "nvmlDeviceGetName": lambda gpu: gpu.name,
            "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=gpu.used_bytes, total=gpu.total_bytes),
        }


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    driver = FakeDriver()
    for name, function in driver.functions.items():
        monkeypatch.setattr(pynvml, name, function)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return driver


def uuids(environment: Mapping[str, str] | None = None) -> list[str]:
    return [gpu.uuid for gpu in list_gpus(environment or {})]


def test_without_a_driver_there_is_no_gpu() -> None:
    assert uuids() == []
    assert read_memory("GPU-a") is None


def test_each_gpu_is_a_device(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a"), FakeGpu("GPU-b", mig=[])]

    assert uuids() == ["GPU-a", "GPU-b"]
    assert driver.opened == 0


def test_the_devices_of_a_divided_gpu_stand_in_its_place(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a", mig=[FakeGpu("MIG-1"), None, FakeGpu("MIG-2")]), FakeGpu("GPU-b")]

    assert uuids() == ["MIG-1", "MIG-2", "GPU-b"]


def test_a_lost_gpu_leaves_the_others(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a", lost=True), FakeGpu("GPU-b")]

    assert uuids() == ["GPU-b"]
    assert driver.opened == 0


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ("", []),
        ("-1", []),
        ("1", ["GPU-b"]),
        ("2,0", ["GPU-c", "GPU-a"]),
        ("0,7,1", ["GPU-a"]),
        ("GPU-c", ["GPU-c"]),
    ],
)
def test_cuda_visible_devices_chooses(driver: FakeDriver, visible: str, seen: list[str]) -> None:
    driver.gpus = [FakeGpu("GPU-a"), FakeGpu("GPU-b"), FakeGpu("GPU-c")]

    assert uuids({"CUDA_VISIBLE_DEVICES": visible}) == seen


def test_memory_is_that_of_the_device(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a", mig=[FakeGpu("MIG-1", used_bytes=3, total_bytes=10)])]

    memory = read_memory("MIG-1")

    assert memory is not None
    assert (memory.used_bytes, memory.total_bytes) == (3, 10)
    assert read_memory("GPU-gone") is None


def test_workers_are_spread_over_all_devices_and_each_sees_its_own_alone(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a"), FakeGpu("GPU-b", mig=[FakeGpu("MIG-1")])]

    shares = divide_machine(None, per_gpu=2)

    assert [share.device for share in shares] == ["gpu:0", "gpu:1", "gpu:0", "gpu:1"]
    assert [share.environment["CUDA_VISIBLE_DEVICES"] for share in shares] == ["GPU-a", "MIG-1", "GPU-a", "MIG-1"]


def test_a_device_that_is_not_there_is_refused_with_those_that_are(driver: FakeDriver) -> None:
    driver.gpus = [FakeGpu("GPU-a")]

    with pytest.raises(NoSuchShareError, match=r"cpu, auto, gpu:0\."):
        divide_machine(1, device="gpu:1")
