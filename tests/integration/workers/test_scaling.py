"""`--per-gpu auto` on a real database and real processes; the GPU's driver is faked, and workers sleep."""

import itertools
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tuner.studies.database.schema import slots, studies
from tuner.studies.database.storage import open_storage
from tuner.studies.fleet import register_worker, update_worker
from tuner.training.gpus import GpuMemory
from tuner.workers import autoscaling
from tuner.workers import processes as processes_of_pool
from tuner.workers.autoscaling import GpuScaler
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import DeviceShare


def test_each_gpu_gets_workers_for_as_long_as_the_epochs_in_the_database_come_faster(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = [
        DeviceShare(device=f"gpu:{index}", environment={"CUDA_VISIBLE_DEVICES": f"GPU-{index}"}) for index in (0, 1)
    ]
    monkeypatch.setattr(processes_of_pool, "_TICK_S", 0.1)
    monkeypatch.setattr(autoscaling, "WINDOW_S", 0.5)
    monkeypatch.setattr(autoscaling, "_INTERVAL_S", 0.05)
    monkeypatch.setattr(autoscaling, "read_memory", lambda _: GpuMemory(used_bytes=1, total_bytes=100))
    monkeypatch.setattr(autoscaling.os, "sched_getaffinity", lambda _: set(range(64)))
    processes = WorkerProcesses(
        command=[sys.executable, "-c", "import time; time.sleep(60)"],
        shares=shares,
        environment={},
        log_dir=tmp_path / "logs",
        on_death=lambda _worker, _status: False,
    )
    counts: list[int] = []
    with open_storage(sqlite_url) as storage:
        scaler = GpuScaler(storage, shares)
        known: dict[str, int] = {}
        ticks = itertools.count(1)

        def train() -> None:
            """Finish 100 epochs a tick for each of up to four workers; more of them get in each other's way."""
            ids = processes.worker_ids
            with storage.engine.begin() as connection:
                for worker_id in ids:
                    if worker_id not in known:
                        known[worker_id] = len(known) + 1
                        connection.execute(sa.insert(slots).values(
                            id=known[worker_id], study_id=1, stage="search", position=len(known), state="leased",
                            job={}, token=1, attempts=1, workers=[worker_id], epoch=0))  # fmt: skip
                    each = 100 if len(ids) <= 4 else 50
                    connection.execute(
                        sa.update(slots).where(slots.c.id == known[worker_id]).values(epoch=slots.c.epoch + each)
                    )

        def tick() -> None:
            train()
            for worker_id in set(processes.worker_ids) - set(registered):
                registered.append(worker_id)
                register_worker(storage, worker_id=worker_id, host="here", device="gpu", pid=1)
                update_worker(storage, worker_id, state="training", slot_id=known[worker_id])
            scaler.look(processes)
            counts.append(len(processes.worker_ids))
            if counts[-3:] == [4, 4, 4] and 6 in counts:
                processes.retire(4)
            assert next(ticks) < 100

        registered: list[str] = []
        with storage.engine.begin() as connection:
            connection.execute(sa.insert(studies).values(
                id=1, name="s", optuna_study_id=1, definition={}, class_names=[], provenance={}, state="searching",
                budget=1, created_at=0.0))  # fmt: skip

        processes.run(tick)

    assert [count for count, _ in itertools.groupby(counts)] == [2, 4, 6, 4, 0]
