"""The process that tries the stages: a request as one line of JSON in, a line of JSON for each event out.

`python -m tuner.jobs.preflight.child`, started by `process`. Its standard output is its parent's; what a person's
code prints goes to standard error. It ends with its parent.
"""

import faulthandler
import gc
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tuner.training.backend import load_backend


def main() -> None:
    """Read the request, try each stage, and tell of each when it begins and how it has ended."""
    requests, events = _take_standard_streams()
    # Tells where a person's code crashed, and where it stood when its time was over.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    load_backend()
    _leave_graphs_as_they_are()
    # A process of some seconds needs no garbage collection.
    gc.disable()
    # This takes a second, in which the parent reads the images.
    import_module("tuner.jobs.preflight.stages")
    line = requests.readline()
    if line:
        request = json.loads(line)
        watch = [requests, request["folder"]]
        threading.Thread(target=_end_with_parent, args=watch, name="parent-watch", daemon=True).start()
        for event in _try_stages(request):
            # Values of a person's hyperparameters may be NumPy's.
            events.write(json.dumps(event, default=lambda value: value.item()) + "\n")
            events.flush()
    # Not by returning: a person's code may have left threads, or functions for the exit, that never end.
    sys.stderr.flush()
    os._exit(0)


def _try_stages(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import optuna

    from tuner.jobs.preflight.rehearsal import Rehearsal
    from tuner.jobs.preflight.sample import read_sample
    from tuner.jobs.preflight.stages import STAGES, explain, run_stage
    from tuner.jobs.preflight.trying import try_stage
    from tuner.studies.definition import StudyDefinition

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(request["folder"])
    definition = StudyDefinition.from_json(request["definition"])
    rehearsal = Rehearsal(
        definition, read_sample(folder, request["sample"]), folder, earlier_trials=request["earlier_trials"]
    )
    for stage in STAGES:
        if stage.of_finals and not definition.finals.top:
            continue
        yield {"begun": stage.name}
        report = try_stage(stage.name, lambda stage=stage: run_stage(stage, rehearsal), explain=explain)  # type: ignore[misc]
        yield {"ended": asdict(report)}
        if report.problem is not None:
            return
    yield {"found": {"first_trials": rehearsal.first_trials, "space_sha256": rehearsal.space.source_sha256}}


def _leave_graphs_as_they_are() -> None:
    """Switch off TensorFlow's graph optimizer, a quarter of a CNN's check, by which a few steps gain nothing."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _take_standard_streams() -> tuple[IO[str], IO[str]]:
    """Return standard input and output for this module alone; others read nothing and write to standard error."""
    requests, events = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, events


def _end_with_parent(requests: IO[str], folder: str) -> None:
    # The parent writes one line alone: what comes next is the end of the stream.
    requests.read()
    # A parent that was killed has not removed it.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
