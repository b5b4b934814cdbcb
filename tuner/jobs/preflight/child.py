"""The process that tries the stages: it reads a request as one line of JSON and writes one line of JSON per event.

`process` starts it as `python -m tuner.jobs.preflight.child`. Its standard output is for its parent only; what the
user's code prints goes to standard error. It ends when its parent ends.
"""

import faulthandler
import gc
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tuner.jobs.preflight.report import StageReport
from tuner.jobs.preflight.sample import PartSizes
from tuner.jobs.preflight.trying import try_stage
from tuner.plain_values import JSONObject
from tuner.training.backend import load_backend

if TYPE_CHECKING:
    from tuner.jobs.preflight.rehearsal import Rehearsal
    from tuner.studies.expected_time import MeasuredTime

#: Of the process while it measures: beside two workers on two cores it has a quarter of a core.
_NICENESS = 5
#: The stage that measures how long an epoch takes.
TIME = "time"


def main() -> None:
    """Read the request, try each stage, and report when it begins and how it ended."""
    requests, events = _take_standard_streams()
    # Shows where the user's code crashed, or where it was when its time was over.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    load_backend()
    _disable_graph_optimizer()
    # A process that lives for seconds needs no garbage collection.
    gc.disable()
    # This takes a second; the parent reads the images meanwhile.
    import_module("tuner.jobs.preflight.stages")
    # Between two models all is looked at, but for what is there now.
    gc.freeze()
    line = requests.readline()
    if line:
        request = json.loads(line)
        watch = [requests, request["folder"]]
        threading.Thread(target=_end_with_parent, args=watch, name="parent-watch", daemon=True).start()
        for event in _try_stages(request):
            # The user's hyperparameters may have NumPy values.
            events.write(json.dumps(event, default=lambda value: value.item()) + "\n")
            events.flush()
    # Not by returning: the user's code may have left threads or exit handlers that never end.
    sys.stderr.flush()
    os._exit(0)


def _try_stages(request: JSONObject) -> Iterator[JSONObject]:
    import optuna

    from tuner.jobs.preflight.rehearsal import Rehearsal
    from tuner.jobs.preflight.sample import read_sample
    from tuner.jobs.preflight.stages import STAGES, explain, run_stage
    from tuner.jobs.study.scoring import objective_hash
    from tuner.studies.definitions.definition import StudyDefinition
    from tuner.studies.slots.stored_outcomes import to_json

    # What this process has taken to start is what a worker takes.
    start_s = time.process_time()
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
    found = {
        "first_jobs": [to_json(job) for job in rehearsal.first_jobs],
        "space_sha256": rehearsal.space.source_sha256,
        "objective": objective_hash(definition),
        "measured_time": None,
    }
    measured: list[MeasuredTime | None] = []
    if request["sizes"] is not None:
        # Whatever happens from here on, the study can be stored.
        yield {"found": found, "is_last": False}
        # Workers may have begun; only what is left of the processor goes into this.
        os.nice(_NICENESS)
        yield {"begun": TIME}
        yield {"ended": asdict(_try_measuring(rehearsal, PartSizes(**request["sizes"]), start_s, measured))}
    times = [str(one) for one in measured if one is not None]
    yield {"found": {**found, "measured_time": next(iter(times), None)}, "is_last": True}


def _try_measuring(
    rehearsal: "Rehearsal", sizes: PartSizes, start_s: float, measured: "list[MeasuredTime | None]"
) -> StageReport:
    """Measure the time into `measured`; what fails here costs the estimate, and no study."""
    from tuner.jobs.preflight.stages import explain
    from tuner.jobs.preflight.timing import measure_time

    def measure() -> None:
        measured.append(measure_time(rehearsal, sizes, start_s=start_s))

    report = try_stage(TIME, measure, explain=explain)
    return StageReport(stage=TIME, duration_s=report.duration_s, warnings=((report.problem,) if report.problem else ()))


def _disable_graph_optimizer() -> None:
    """Disable TensorFlow's graph optimizer: it takes a quarter of a CNN's check, and a few steps gain nothing by it."""
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _take_standard_streams() -> tuple[IO[str], IO[str]]:
    """Return standard input and output for this module; other code reads nothing and writes to standard error."""
    requests, events = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, events


def _end_with_parent(requests: IO[str], folder: str) -> None:
    # The parent writes only one line: after it comes the end of the stream.
    requests.read()
    # If the parent was killed, it did not remove the folder.
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
