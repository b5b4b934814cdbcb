"""A process that has imported everything and forks a worker for each order it reads: seconds less than a fresh start.

Orders come as JSON lines on stdin, births and deaths go to stdout. It ends with its stdin, and its workers with it.
"""

import json
import logging
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

# What publishes to it imports it late, in each worker.
import optuna_dashboard  # noqa: F401

import tuner.jobs.fitting.at_once
import tuner.jobs.search.trial
import tuner.jobs.table
import tuner.training.checkpoint
import tuner.training.populations.train
import tuner.training.whole_epochs
import tuner.workers.process
from chaos import synthetic
from chaos.journal import Journal
from chaos.points import Doom, wrap_product
from tuner.errors import RestartNeededError, TunerError
from tuner.logs import configure_logging
from tuner.settings import Settings
from tuner.spaces.space import Space
from tuner.training.backend import import_backend, import_environment, load_backend
from tuner.training.populations.cache import PopulationCache
from tuner.training.programs.cache import ProgramCache
from tuner.training.run import TrainingRun
from tuner.workers.process import run_worker
from tuner.workers.work import Work

_TICK_S = 0.02


def main() -> None:
    """Serve until stdin ends."""
    with tempfile.TemporaryDirectory() as programs:
        os.environ.update(import_environment(os.environ, program_cache=Path(programs)))
        _serve()


def _serve() -> None:
    # It freezes what it imports; else each worker's first collection copies every page of it: 1.9 s a trial, measured.
    import_backend()
    if os.environ["KERAS_BACKEND"] != "jax":
        # JAX starts threads when it looks for devices.
        load_backend()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    names: dict[int, str] = {}
    _say(ready=True)
    while True:
        if select.select([sys.stdin], [], [], _TICK_S)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            order = json.loads(line)
            names[_fork(order)] = order["worker_id"]
        _announce_deaths(names)
    for pid in names:
        os.kill(pid, signal.SIGKILL)


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_worker(order)
    _say(started=order["worker_id"], pid=pid)
    return pid


def _announce_deaths(names: dict[int, str]) -> None:
    while names:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _say(ended=names.pop(pid), status=os.waitstatus_to_exitcode(status))


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _become_worker(order: dict[str, Any]) -> NoReturn:
    status = 70
    try:
        _redirect(Path(order["log"]))
        _enter_surroundings(order)
        configure_logging(worker=order["worker_id"][:8])
        journal = Journal(Path(order["journal"]), order["worker_id"])
        doom = Doom(Path(order["doom"]), journal, seed=order["seed"])
        wrap_product(journal, doom)
        if not order["real_keras"]:
            _train_synthetically(order["epoch_s"])
        settings = Settings(
            storage=order["storage"],
            data_dir=Path(order["data_dir"]),
            artifacts=order["artifacts"],
            home=Path(order["home"]),
            lease_s=order["lease_s"],
        )
        journal.note("started", pid=os.getpid())
        work = Work(studies=order["studies"], until_done=order["until_done"])
        ended = run_worker(settings, work, device="cpu", worker_id=order["worker_id"])
        status = RestartNeededError.exit_status if ended is None else ended
    except TunerError as error:
        logging.getLogger("tuner").error("%s", error)  # noqa: TRY400 - one line, as on the command line
        status = error.exit_status
    except BaseException:
        logging.getLogger("tuner").exception("the worker ended with an exception")
        status = 1
    finally:
        sys.stderr.flush()
        # Not by returning: what the nursery itself does at its exit is not the worker's.
        os._exit(status)


def _redirect(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    # A worker drains when its standard input ends, as it would with its pool: this pipe never does.
    endless, _ = os.pipe()
    for source, number in ((endless, 0), (target, 1), (target, 2)):
        os.dup2(source, number)


def _enter_surroundings(order: dict[str, Any]) -> None:
    """Take on the time zone, the wrong clock and the full disk that the order names."""
    os.environ.update(order["environment"])
    time.tzset()
    sys.path[:0] = order["import_from"]
    tuner.workers.process.PATIENCE_S = order["patience_s"]
    if order["file_limit_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit_bytes"],) * 2)
    offset_s = order["clock_offset_s"]
    if offset_s:
        right_time = time.time
        time.time = lambda: right_time() + offset_s


def _train_synthetically(epoch_s: float) -> None:
    space = Space(name="synthetic", description="", build=synthetic.build, help={})

    # Each in the module that calls it: the rest of the run is the product's.
    @contextmanager
    def open_population(
        _cache: PopulationCache, runs: Sequence[TrainingRun], *_: object
    ) -> Iterator[synthetic.Population]:
        seeds = [run.plan.seed for run in runs]
        yield synthetic.Population([run.model for run in runs], seeds=seeds, epoch_s=epoch_s)

    replacements: list[tuple[ModuleType | type, str, Callable[..., Any]]] = [
        (tuner.jobs.search.trial, "open_study_space", lambda _name, _provenance: space),
        (tuner.jobs.table, "find_reason_against", lambda _definition, _space, n: "one at a time" if n == 1 else None),
        (tuner.jobs.fitting.at_once, "find_reason_to_train_alone", lambda *_: None),
        (tuner.training.populations.train, "find_reason_to_train_alone", lambda *_: None),
        (tuner.training.populations.train, "describe_model", lambda _model: "synthetic"),
        (tuner.training.whole_epochs, "build_metrics", lambda *_: None),
        (PopulationCache, "open", open_population),
        (ProgramCache, "find_refusal", lambda _cache, _model: None),
        (
            ProgramCache,
            "open",
            lambda _cache, model, _data, plan, **_: synthetic.Program(model, seed=plan.seed, epoch_s=epoch_s),
        ),
        (tuner.training.checkpoint, "read_variable", lambda variable: variable.value.copy()),
    ]
    for module, name, replacement in replacements:
        # A name that is gone would leave the product's own in its place.
        getattr(module, name)
        setattr(module, name, replacement)


if __name__ == "__main__":
    main()
