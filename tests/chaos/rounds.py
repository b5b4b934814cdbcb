"""One round: studies, workers, faults until they are done, and the verdict."""

import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from chaos.checker import Evidence, find_violations, gather_evidence
from chaos.faults import Fault, FaultBringer, Server, held_by, plan_faults
from chaos.fleet import Fleet, Surroundings, Worker
from chaos.journal import HARNESS, Entry, Journal, count_events, read_journals
from chaos.proxy import FaultyProxy
from chaos.studies import (
    drawn_curves,
    insert_chaos_study,
    replayed_curves,
    small_net,
    trained_at_once,
    undisturbed_curves,
)
from chaos.watch import Watch
from tuner.studies.database.errors import DatabaseAwayError
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study
from tuner.studies.slots.leases import release_owned

_TICK_S = 0.03
#: Share of killed workers that are known to be dead at once, as to a pool on their machine; other leases expire.
_KNOWN_DEAD = 0.5
_SEVERAL = ('search.objectives=["accuracy", "latency_ms"]', 'search.constraints=["latency_ms <= 60000"]')


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """What a round is asked to be; equal settings draw equal faults."""

    seed: int
    n_workers: int = 4
    trials: int = 60
    epochs: int = 6
    kills: int = 40
    #: Of Postgres; 0 leaves the network alone too.
    restarts: int = 5
    lease_s: float = 3.0
    epoch_s: float = 1 / 6
    real_keras: bool = False
    sqlite: bool = False
    #: Studies of different sizes, priorities, weights and limits that share the trials and the workers.
    studies: int = 1
    #: Whether the latency is an objective too, which no other worker may measure again.
    objectives: bool = False
    #: Trials that a worker leases and trains together, and with real Keras repeats of the finals too.
    at_once: int = 1
    #: Seconds in which the study must be done, whatever happens to it.
    limit_s: float = 300.0

    def sizes(self) -> Mapping[str, int]:
        """Return the number of trials of each study by its name; they sum to `trials`."""
        shares = np.arange(1, self.studies + 1) / (self.studies * (self.studies + 1) / 2)
        ends = np.rint(np.cumsum(shares) * self.trials).astype(int)
        names = ["chaos", *(f"chaos-{number}" for number in range(2, self.studies + 1))]
        return dict(zip(names, np.diff(ends, prepend=0).tolist(), strict=True))

    def command(self) -> str:
        """Return what runs this round again."""
        flags = [
            f"--{name.replace('_', '-')} {getattr(self, name)}"
            for name in ("seed", "trials", "epochs", "kills", "restarts", "lease_s", "epoch_s", "studies", "at_once")
        ]
        switches = [
            f"--{name.replace('_', '-')}" for name in ("real_keras", "sqlite", "objectives") if getattr(self, name)
        ]
        return " ".join(["PYTHONPATH=tests python -m chaos", *flags, f"--workers {self.n_workers}", *switches])


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a round."""

    violations: Sequence[str]
    duration_s: float
    #: Fault → how often it happened; `kill -9` counts all of them, at named points and at any time.
    faults: Mapping[str, int]
    #: Epochs that were trained more than once, of all.
    epochs_again: int
    epochs_trained: int
    #: How many leases a worker held when it was killed → how often.
    killed_holding: Mapping[int, int]
    #: How many slots one program trained → how often.
    together: Mapping[int, int]


def run_round(
    settings: RoundSettings,
    fleet: Fleet,
    *,
    url: str,
    folder: Path,
    server: Server | None = None,
    proxy: FaultyProxy | None = None,
    expected: Mapping[int, Sequence[float]] | None = None,
) -> Verdict:
    """Run the round and check it.

    Args:
        settings: What it is asked to be.
        fleet: Forks the workers.
        url: The database, without the study, reached directly; workers reach it by way of the proxy if there is one.
        folder: Takes artifacts, journals and logs.
        server: What restarts restart.
        proxy: What faults of the network pass through.
        expected: The undisturbed curves; None computes those of synthetic training.
    """
    started = time.monotonic()
    with open_storage(url, patience_s=30) as storage:
        studies = [
            insert_chaos_study(
                storage, name=name, trials=trials, epochs=settings.epochs, seed=settings.seed + number,
                overrides=[
                    *(small_net() if settings.real_keras else ()),
                    *(_SEVERAL if settings.objectives else ()),
                    *trained_at_once(settings.at_once, real_keras=settings.real_keras),
                    *_share(number, settings),
                ],
            )
            for number, (name, trials) in enumerate(settings.sizes().items())
        ]  # fmt: skip
        surroundings = Surroundings(
            storage=proxy.url(url) if proxy else url, folder=folder, studies=list(settings.sizes()),
            lease_s=settings.lease_s, epoch_s=settings.epoch_s, real_keras=settings.real_keras, seed=settings.seed,
        )  # fmt: skip
        # Who brings the database back must not wait for it.
        storage.database.patience_s = 0.0
        _Round(settings, fleet, storage, surroundings, server=server, proxy=proxy).run()
        storage.database.patience_s = 30.0
        entries = read_journals(surroundings.journal)
        evidence = [
            gather_evidence(
                storage, study.name, entries, artifacts=surroundings.artifacts, lease_s=settings.lease_s,
                expected=_undisturbed(storage, study, settings, folder) if expected is None else expected,
                # Several real nets at once are what each is alone but for rounding, and so nearly all answers.
                tolerance=0.01 if settings.at_once > 1 and settings.real_keras else 0.0,
            )
            for study in studies
        ]  # fmt: skip
    return _verdict(entries, evidence, time.monotonic() - started)


def _undisturbed(storage: Storage, study: Study, settings: RoundSettings, folder: Path) -> dict[int, list[float]]:
    if settings.at_once == 1:
        return undisturbed_curves(study.definition)
    return replayed_curves(storage, study.name, folder) if settings.real_keras else drawn_curves(storage, study)


def _share(number: int, settings: RoundSettings) -> list[str]:
    """Return how one of several studies shares the workers; a single one has the defaults."""
    if settings.studies == 1:
        return []
    limit = ["sharing.max_workers=1"] if number % 3 == 0 else []
    return [f"sharing.priority={number % 2}", f"sharing.weight={1 + number % 3}", *limit]


@dataclass(kw_only=True)
class _Seat:
    """A place for one worker at a time."""

    worker: Worker | None = None
    start_at: float = 0.0
    is_done: bool = False


@dataclass
class _Round:
    settings: RoundSettings
    fleet: Fleet
    storage: Storage
    surroundings: Surroundings
    server: Server | None
    proxy: FaultyProxy | None
    _last_disturbance: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        settings = self.settings
        self._journal = Journal(self.surroundings.journal, HARNESS)
        self._random = np.random.default_rng(settings.seed)
        faults = plan_faults(
            self._random, kills=settings.kills, restarts=settings.restarts, lease_s=settings.lease_s,
            holds_several=settings.at_once > 1,
        )  # fmt: skip
        bringer = FaultBringer(self._journal, self._random, storage=self.storage, server=self.server, proxy=self.proxy)
        # By the engine that reads: on SQLite a stopped worker may hold the lock that writers wait for.
        watch = Watch(self.storage.reader, self._journal, lease_s=settings.lease_s)
        seats = [_Seat() for _ in range(settings.n_workers)]
        deadline = time.monotonic() + settings.limit_s
        while not all(seat.is_done for seat in seats):
            self.fleet.listen(_TICK_S)
            for seat in seats:
                self._look_after(seat, seats, faults)
            bringer.undo_due()
            watch.look(calm_s=time.monotonic() - max(self._last_disturbance, self._oldest_start(seats)))
            self._bring_due(faults, bringer, seats, watch.n_ended / settings.trials)
            if time.monotonic() > deadline:
                self._journal.note("stuck", problem=f"the study was not done after {settings.limit_s:.0f} s")
                break
        bringer.undo_all()

    @property
    def _locking(self) -> set[str]:
        """The faults that may leave SQLite locked: for all others it is away then."""
        return {"stop"} if self.settings.sqlite else set()

    def _oldest_start(self, seats: Sequence[_Seat]) -> float:
        """Return since when there has been a worker that can reap: it must have been in contact for a lease itself."""
        workers = [seat.worker for seat in seats if seat.worker is not None and not seat.worker.is_stopped]
        registered = [entry.at for worker in workers for entry in worker.entries if entry.event == "registered"]
        return min(registered, default=time.monotonic())

    def _look_after(self, seat: _Seat, seats: Sequence[_Seat], faults: list[Fault]) -> None:
        worker = seat.worker
        if worker is not None and worker.status is not None:
            self._journal.note("exit", worker=worker.id, status=worker.status)
            self._mourn(worker, faults, is_locked=bool(self._locking) and any(_is_stopped(seat) for seat in seats))
            seat.is_done = worker.status == 0
            seat.worker, seat.start_at = None, time.monotonic() + float(self._random.uniform(0.0, 0.5))
        if seat.worker is None and not seat.is_done and time.monotonic() >= seat.start_at:
            seat.worker = self.fleet.start(self.surroundings)

    def _mourn(self, worker: Worker, faults: list[Fault], *, is_locked: bool) -> None:
        point = worker.doom_file.read_text() if worker.doom_file.exists() else ""
        if point and not count_events(worker.entries, "doomed"):
            # It died of something else, or is done: another one takes its place.
            faults.insert(0, Fault(kind="point", point=point, due=0.0))
        if worker.status == -signal.SIGKILL and not is_locked:
            self._journal.note("killed", worker=worker.id, held=len(held_by(self.storage, worker.id)))
        if worker.status == -signal.SIGKILL and self._random.random() < _KNOWN_DEAD and not is_locked:
            try:
                release_owned(self.storage, worker.id)
            except DatabaseAwayError:
                return

    def _bring_due(self, faults: list[Fault], bringer: FaultBringer, seats: Sequence[_Seat], progress: float) -> None:
        workers = [seat.worker for seat in seats if seat.worker is not None]
        for fault in [fault for fault in faults if fault.due <= progress]:
            if bringer.bring(fault, workers):
                faults.remove(fault)
                if fault.kind in {"restart", "crash", "cut", "stall", "swallow"} | self._locking:
                    self._last_disturbance = time.monotonic() + fault.duration_s
                return


def _is_stopped(seat: _Seat) -> bool:
    return seat.worker is not None and seat.worker.is_stopped


def _verdict(entries: Sequence[Entry], evidence: Sequence[Evidence], duration_s: float) -> Verdict:
    trained = [(entry["slot"], entry["epoch"]) for entry in entries if entry.event == "trained"]
    names = {"terminate": "SIGTERM", "stop": "SIGSTOP", "kill": "kill -9", "doomed": "kill -9"}
    kinds = {"kill", "doomed", "terminate", "stop", "restart", "crash", "cut", "stall", "swallow", "rob"}
    happened = [entry for entry in entries if entry.event in kinds]
    faults = Counter(names.get(entry.event, entry.event) for entry in happened)
    faults.update(f"at {entry['point']}" for entry in happened if entry.event == "doomed")
    return Verdict(
        # What is not of one study alone is found in each.
        violations=list(dict.fromkeys(found for one in evidence for found in find_violations(one))),
        duration_s=duration_s,
        faults=dict(faults),
        epochs_again=len(trained) - len(set(trained)),
        epochs_trained=len(trained),
        killed_holding=dict(Counter(entry["held"] for entry in entries if entry.event == "killed")),
        together=dict(Counter(len(entry["slots"]) for entry in entries if entry.event == "together")),
    )
