"""`deploy/slurm/workers.sbatch` with stand-ins for Slurm's commands and for the worker."""

import os
import subprocess
from pathlib import Path

import pytest

JOB = Path(__file__).parents[3] / "deploy" / "slurm" / "workers.sbatch"


def test_bash_reads_it() -> None:
    subprocess.run(["bash", "-n", JOB], check=True)


@pytest.mark.parametrize(
    ("ended", "exit_status", "requeued"),
    [(0, 0, False), (1, 1, False), (2, 2, False), (137, 137, False), (75, 0, True), (143, 0, True)],
)
def test_a_task_is_requeued_by_its_worker_s_status(
    tmp_path: Path, ended: int, exit_status: int, *, requeued: bool
) -> None:
    calls = tmp_path / "calls"
    _stand_in(tmp_path, "srun", f'echo "srun $* in $TUNER_HOME" >>{calls}; exec "$@"')
    _stand_in(tmp_path, "scontrol", f'echo "scontrol $*" >>{calls}')
    _stand_in(tmp_path, "tuner", f"exit {ended}")
    slurm = {"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "11", "SLURM_ARRAY_TASK_ID": "3", "SLURM_TMPDIR": "/scratch"}
    ran = subprocess.run(
        ["bash", JOB, "mnist-cnn", "mnist-mlp"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **slurm},
        check=False,
    )
    assert ran.returncode == exit_status
    begun = "srun tuner worker --until-done mnist-cnn mnist-mlp in /scratch/tuner-11-3"
    assert calls.read_text().splitlines() == [begun, *(["scontrol requeue 12"] if requeued else [])]


def _stand_in(folder: Path, name: str, body: str) -> None:
    command = folder / name
    command.write_text(f"#!/bin/sh\n{body}\n")
    command.chmod(0o755)
