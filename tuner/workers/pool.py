"""A pool: the workers of this machine, their shares of it, and what people see of them; imports no Keras."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tuner.settings import Settings
from tuner.studies.lifecycle import Study, find_studies
from tuner.studies.storage import Storage, open_storage
from tuner.workers.display import Display
from tuner.workers.processes import WorkerProcesses
from tuner.workers.shares import divide_machine


def run_pool(
    settings: Settings,
    studies: Sequence[str],
    *,
    n_workers: int | None = None,
    per_gpu: int = 1,
    device: str = "auto",
    until_done: bool = False,
) -> int:
    """Run workers for these studies, or for all, and show what they do; return the exit status.

    Raises:
        TunerError: A study is unknown or the machine has no such share.
    """
    with open_storage(settings.storage) as storage:
        found = find_studies(storage, studies)
        shares = divide_machine(n_workers, per_gpu=per_gpu, device=device, dense=_are_dense(found))
        processes = WorkerProcesses(
            command=_command(studies, until_done=until_done),
            shares=shares,
            # In the environment, not in the command: a command line shows passwords to everybody on the machine.
            environment={
                "TUNER_STORAGE": settings.storage,
                "TUNER_DATA": str(settings.data_dir),
                "TUNER_ARTIFACTS": settings.artifacts,
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
            log_dir=Path(".tuner/logs"),
        )
        with Display(storage, studies) as display:
            status = processes.run(display.update)
        _print_end(storage, studies, processes, status)
    return status


def _are_dense(studies: Sequence[Study]) -> bool:
    return bool(studies) and all(study.definition.space == "mlp" for study in studies)


def _command(studies: Sequence[str], *, until_done: bool) -> list[str]:
    return [sys.executable, "-m", "tuner", "worker", *studies, *(["--until-done"] if until_done else [])]


def _print_end(storage: Storage, names: Sequence[str], processes: WorkerProcesses, status: int) -> None:
    if status in {130, 143}:
        again = f"tuner workers {' '.join(names)}".strip()
        sys.stderr.write(f"Stopped. Nothing is lost: go on with `{again} --until-done`.\n")
    elif status:
        sys.stderr.write(f"{processes.last_words()}\nA worker failed; its log is in {processes.log_dir}.\n")
    for study in find_studies(storage, names):
        if study.state == "stopped" and study.stop_reason:
            sys.stderr.write(f"Study {study.name} stopped: {study.stop_reason}. See `tuner study show {study.name}`.\n")
