"""Waiting for what processes do, with a limit."""

import time
from collections.abc import Callable, Sequence

from chaos.fleet import Fleet, Worker


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 30.0, fleet: Fleet | None = None) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s")
        if fleet is not None:
            fleet.listen(0.05)
        else:
            time.sleep(0.05)


def wait_for_epochs(fleet: Fleet, workers: Sequence[Worker], n_epochs: int) -> None:
    """Wait until each worker has reported so many epochs."""
    wait_until(lambda: all(len(events(worker, "reported")) >= n_epochs for worker in workers), fleet=fleet)


def events(worker: Worker, name: str) -> list[dict[str, object]]:
    return [{"at": entry.at, **entry.fields} for entry in worker.entries if entry.event == name]
