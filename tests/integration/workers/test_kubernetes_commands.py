"""The commands of a worker's pod, with the exit statuses on which its Job's rules rest."""

import os
import subprocess
import sys
from pathlib import Path

from support.kubernetes import find, read_base


def test_the_commands_of_a_worker_s_pod_run(tmp_path: Path) -> None:
    pod = find(read_base(), "Job", "workers")["spec"]["template"]["spec"]
    (fetch,), (worker,) = pod["initContainers"], pod["containers"]
    fetched = _run(fetch["args"], tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    # What the Job's rule for status 1 is for.
    unknown = _run(worker["args"], tmp_path)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "No study named 'mnist-cnn'" in unknown.stderr


def _run(args: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    values = {"$(STUDY)": "mnist-cnn", "$(DATASET)": "digits"}
    return subprocess.run(
        [sys.executable, "-m", "tuner", *(values.get(word, word) for word in args)],
        env={**os.environ, "TUNER_HOME": str(home), "TUNER_STORAGE": f"sqlite:///{home}/tuner.db"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
