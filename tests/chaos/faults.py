"""Which faults a round has, drawn from its seed, and how each is brought about."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from chaos.fleet import Worker
from chaos.journal import Journal
from chaos.proxy import FaultyProxy
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.slots.leases import release_leased

#: Point → when a worker that is to die there dies.
POINTS = {
    "after-claim": "the claim is committed, nothing else has happened",
    "mid-draw": "the first hyperparameter is stored, the others are not",
    "mid-checkpoint": "a part of the temporary file is written",
    "after-checkpoint": "the checkpoint was begun, the epoch is not reported",
    "mid-report": "the epoch's result is committed, the worker does not know",
    "before-end": "training is over, its outcome is not stored",
    "before-tell": "the outcome is stored, Optuna does not know",
    "before-tidying": "Optuna knows, the checkpoint is still there",
    "while-reaping": "expired leases are updated, the transaction is open",
}
#: Points of workers that hold several leases.
POINTS_OF_SEVERAL = {"after-claiming-several": "further slots are claimed, nothing else has happened"}


class Server(Protocol):
    """The Postgres that the round may restart."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault; it hits as soon as so large a share of the budget has ended."""

    kind: str
    due: float
    #: The point, for a worker that kills itself.
    point: str = ""
    #: For how long something is stopped, held back or away.
    duration_s: float = 0.0


def plan_faults(
    random: np.random.Generator, *, kills: int, restarts: int, lease_s: float, holds_several: bool = False
) -> list[Fault]:
    """Draw the faults of a round in their order.

    Of the kill -9 half hit at a named point, half at any time; a few more than asked for, as a study may end before its
    last ones. Each restart comes with a cut, a stall and two swallowed COMMITs. Workers that hold several leases lose
    single ones too.
    """
    known = [*POINTS, *(POINTS_OF_SEVERAL if holds_several else ())]
    points = [known[index % len(known)] for index in range(kills // 2 + 2)]
    kinds: list[tuple[str, str, float]] = [("point", point, 0.0) for point in points]
    kinds += [("kill", "", 0.0)] * (kills - kills // 2 + 2)
    kinds += [("terminate", "", 0.0)] * (kills // 8)
    kinds += [("rob", "", 0.0)] * (kills // 4 if holds_several else 0)
    kinds += [("stop", "", float(random.uniform(0.2, 3.0)) * lease_s) for _ in range(kills // 8)]
    for index in range(restarts):
        kinds.append(("restart" if index % 2 else "crash", "", float(random.uniform(0.1, 2.0))))
        kinds += [("cut", "", 0.0), ("stall", "", float(random.uniform(0.2, 2.0))), ("swallow", "", 0.0)]
        kinds.append(("swallow", "", 0.0))
    order = random.permutation(len(kinds))
    dues = np.sort(random.uniform(0.02, 0.93, len(kinds)))
    return [
        Fault(kind=kind, point=point, duration_s=duration_s, due=float(due))
        for due, (kind, point, duration_s) in zip(dues, (kinds[index] for index in order), strict=True)
    ]


class FaultBringer:
    """Brings faults about, one after the other, and notes each in the harness' journal."""

    def __init__(
        self,
        journal: Journal,
        random: np.random.Generator,
        *,
        storage: Storage,
        server: Server | None,
        proxy: FaultyProxy | None,
    ) -> None:
        self._journal, self._random = journal, random
        self._storage, self._server, self._proxy = storage, server, proxy
        #: What to undo, and when.
        self._later: list[tuple[float, Callable[[], None]]] = []

    def bring(self, fault: Fault, workers: Sequence[Worker]) -> bool:
        """Bring the fault about; return False when nothing can be hit at the moment."""
        if fault.kind in {"point", "kill", "terminate", "stop"}:
            return self._hit_worker(fault, [worker for worker in workers if _may_be_hit(worker)])
        if self._later and fault.kind in {"restart", "crash", "stall"}:
            return False
        return self._rob(workers) if fault.kind == "rob" else self._hit_database(fault)

    def undo_due(self) -> None:
        """End stops, stalls and downtimes whose time has come."""
        due = [undo for at, undo in self._later if at <= time.monotonic()]
        self._later = [(at, undo) for at, undo in self._later if at > time.monotonic()]
        for undo in due:
            undo()

    def undo_all(self) -> None:
        """End them all now."""
        self._later = [(0.0, undo) for _, undo in self._later]
        self.undo_due()

    def _hit_worker(self, fault: Fault, candidates: Sequence[Worker]) -> bool:
        if fault.kind == "point":
            candidates = [worker for worker in candidates if not worker.doom_file.exists()]
        if not candidates:
            return False
        victim = candidates[int(self._random.integers(len(candidates)))]
        if fault.kind == "point":
            victim.die_at(fault.point)
            return True
        self._journal.note(fault.kind, worker=victim.id, duration_s=fault.duration_s)
        if fault.kind == "stop":
            victim.send(signal.SIGSTOP)
            victim.is_stopped = True
            self._later.append((time.monotonic() + fault.duration_s, lambda: self._continue(victim)))
        else:
            victim.is_ending = True
            victim.send(signal.SIGKILL if fault.kind == "kill" else signal.SIGTERM)
        return True

    def _continue(self, worker: Worker) -> None:
        self._journal.note("continue", worker=worker.id)
        worker.is_stopped = False
        worker.send(signal.SIGCONT)

    def _rob(self, workers: Sequence[Worker]) -> bool:
        """Take one of its leases away from a worker that has several, as if it had not been renewed in time."""
        for worker in workers:
            held = held_by(self._storage, worker.id)
            if len(held) > 1:
                slot = held[int(self._random.integers(len(held)))]
                lost = release_leased(sa.and_(slots.c.id == slot, slots.c.owner == worker.id))
                with suppress(OperationalError), self._storage.engine.begin() as connection:
                    connection.execute(lost)
                    self._journal.note("rob", worker=worker.id, slot=slot, held=len(held))
                    return True
        return False

    def _hit_database(self, fault: Fault) -> bool:
        self._journal.note(fault.kind, duration_s=fault.duration_s)
        if fault.kind in {"restart", "crash"}:
            self._take_down(immediately=fault.kind == "restart")
            self._later.append((time.monotonic() + fault.duration_s, self._bring_up))
        elif self._proxy is not None:
            if fault.kind == "cut":
                self._proxy.cut()
            elif fault.kind == "swallow":
                self._proxy.swallow_commits()
            else:
                self._proxy.hold()
                self._later.append((time.monotonic() + fault.duration_s, self._release))
        return True

    def _take_down(self, *, immediately: bool) -> None:
        if self._server is None or self._server.pid is None:
            return
        if immediately:
            # `pg_ctl stop -m immediate`: no shutdown checkpoint, recovery at the next start.
            os.kill(self._server.pid, signal.SIGQUIT)
            self._server.stop()
        else:
            self._server.kill()

    def _bring_up(self) -> None:
        if self._server is not None:
            self._server.start()
            self._journal.note("up")

    def _release(self) -> None:
        if self._proxy is not None:
            self._proxy.release()
            self._journal.note("flowing")


def held_by(storage: Storage, worker: str) -> list[int]:
    """Return the slots that are leased to a worker; none while the database is away."""
    query = sa.select(slots.c.id).where(slots.c.owner == worker, slots.c.state == "leased").order_by(slots.c.id)
    try:
        with storage.reader.connect() as connection:
            return list(connection.scalars(query))
    except OperationalError:
        return []


def _may_be_hit(worker: Worker) -> bool:
    """Say whether the worker has work, and its death is not the last one that fails a trial by design."""
    if worker.status is not None or worker.is_stopped or worker.is_ending:
        return False
    claims = [index for index, entry in enumerate(worker.entries) if entry.event == "claimed"]
    if not claims:
        return False
    of_slot = worker.entries[claims[-1] :]
    return not of_slot[0]["is_last_attempt"] or any(entry.event in {"reported", "ended"} for entry in of_slot)
