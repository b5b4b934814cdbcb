"""A fleet of any size on one Postgres, simulated event by event with what one worker costs.

`bench/fleet.py --simulate` calls it. Workers claim, train (that is: wait), store each epoch and send heartbeats; each
call opens a connection, computes, and waits for a core of the server, first come first served. What calls cost was
measured (`fleet_costs.py`); how many calls wait for each other, how many connections are open and how late a lease is
renewed follows. The simulation first repeats what was measured with real processes.
"""

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

#: What a process of the simulation waits for: a time, a core of its own machine or of the server, or a connection.
Step = tuple[str, float]

#: Seconds between two heartbeats are a third of a lease.
_HEARTBEATS_A_LEASE = 3
#: Seconds of an epoch of the workers whose connections are counted, and between two counts.
EPOCH_S, LOOK_S = 1.0, 0.2


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU milliseconds of the worker's process and of the server's processes."""

    worker_ms: float
    server_ms: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(worker_ms=self.worker_ms - other.worker_ms, server_ms=self.server_ms - other.server_ms)

    def __mul__(self, n: float) -> "Cost":
        return Cost(worker_ms=self.worker_ms * n, server_ms=self.server_ms * n)

    @property
    def both_ms(self) -> float:
        return self.worker_ms + self.server_ms

    def __truediv__(self, n: float) -> "Cost":
        return Cost(worker_ms=self.worker_ms / n, server_ms=self.server_ms / n)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A fleet and its work."""

    workers: int
    epochs: int
    epoch_s: float
    #: Cores of the server; where `is_one_machine`, those of the workers too.
    cores: int
    is_one_machine: bool = False
    lease_s: float = 30.0
    #: Seconds of a round trip to the server.
    wire_s: float = 0.0005
    #: Connections that PgBouncer keeps to the server; None without it.
    pooled: int | None = None
    #: All trials; None for no end.
    trials: int | None = None
    duration_s: float = float("inf")
    #: Seconds within which the workers begin, or when each of them does.
    begin_within_s: float = 1.0
    begin_at_s: Sequence[float] = ()
    #: When connections are counted for the first time; each `LOOK_S` from then on.
    watched_from_s: float = 0.0
    #: When the server goes away, and for how long.
    outage: tuple[float, float] | None = None
    #: Calls of an epoch where training takes no time and workers keep their connections, as `bench/storage.py` has it.
    hurried_calls: float = 0.0
    #: Whether each trial reads those that others have ended since the last one, as samplers that learn do.
    reads_others: bool = False


@dataclass(kw_only=True)
class Cores:
    """Serves one piece of work on each core at a time, in the order of arrival."""

    free_at: list[float]
    busy_s: float = 0.0
    away: tuple[float, float] | None = None

    def serve(self, now: float, seconds: float) -> float:
        """Return when work of so many seconds that arrives now will be done."""
        begun = max(now, heapq.heappop(self.free_at))
        if self.away and self.away[0] <= begun < sum(self.away):
            begun = sum(self.away)
        heapq.heappush(self.free_at, begun + seconds)
        self.busy_s += seconds
        return begun + seconds


@dataclass(kw_only=True)
class Seen:
    """What happened."""

    trials: int = 0
    epochs: int = 0
    #: Connections that are open, and what each look has counted.
    open: int = 0
    counts: list[int] = field(default_factory=list)
    #: Seconds of a sample of epochs' calls, and of all times between two renewals of a lease the longest.
    calls_s: list[float] = field(default_factory=list)
    longest_renewal_s: float = 0.0
    #: How long after an outage the last lease was renewed.
    renewed_after_s: float = 0.0
    #: Of each worker: its first claim; how many trials it has ended, and when the last of them.
    begun: dict[int, float] = field(default_factory=dict)
    ended: dict[int, tuple[int, float]] = field(default_factory=dict)


class Simulation:
    """Runs a plan."""

    def __init__(self, plan: Plan, costs: Mapping[str, Cost], *, seed: int = 0) -> None:
        self.plan, self.costs, self.seen = plan, costs, Seen()
        self.now = 0.0
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._server = Cores(free_at=[0.0] * plan.cores, away=plan.outage)
        self._heap: list[tuple[float, int, Iterator[Step]]] = []
        self._order = count()
        self._left = float("inf") if plan.trials is None else plan.trials
        self._free = float("inf") if plan.pooled is None else plan.pooled
        self._waiting: list[tuple[int, Iterator[Step]]] = []

    def run(self) -> dict[str, float]:
        """Simulate until the trials or the time are over."""
        for worker in range(self.plan.workers):
            begin = self._hurry() if self.plan.hurried_calls else self._work(worker)
            at = self.plan.begin_at_s[worker] if self.plan.begin_at_s else self._random.random()
            self._push(at if self.plan.begin_at_s else at * self.plan.begin_within_s, begin)
        self._push(self.plan.watched_from_s, self._look())
        while self._heap and self._heap[0][0] <= self.plan.duration_s:
            self.now, _, process = heapq.heappop(self._heap)
            self._advance(process)
        return self._summary()

    def _push(self, at: float, process: Iterator[Step]) -> None:
        heapq.heappush(self._heap, (at, next(self._order), process))

    def _advance(self, process: Iterator[Step]) -> None:
        step = next(process, None)
        if step is None:
            return
        kind, value = step
        if kind == "time" or (kind == "own" and not self.plan.is_one_machine):
            self._push(self.now + value, process)
        elif kind in {"own", "server"}:
            self._push(self._server.serve(self.now, value), process)
        elif kind == "take" and self._free < 1:
            heapq.heappush(self._waiting, (next(self._order), process))
        else:
            self._free += 1 if kind == "give" else -1
            if kind == "give" and self._waiting:
                self._free -= 1
                self._push(self.now, heapq.heappop(self._waiting)[1])
            self._push(self.now, process)

    def _look(self) -> Iterator[Step]:
        """Count connections for as long as a worker works."""
        while self._left > 0 or self.seen.open:
            self.seen.counts.append(self.seen.open)
            yield "time", LOOK_S

    def _work(self, worker: int) -> Iterator[Step]:
        """Be a worker: trial after trial."""
        plan, seen, costs = self.plan, self.seen, self.costs
        renewed = [self.now]
        is_training = [True]
        # Its thread begins with it.
        self._push(self.now, self._beat(renewed, is_training))
        read = seen.trials
        while self._left > 0:
            self._left -= 1
            seen.begun.setdefault(worker, self.now)
            others, read = seen.trials - read, seen.trials
            if plan.reads_others and others:
                yield from self._call(costs["other_trial"], times=others)
            yield from self._call(costs["trial"])
            renewed[0] = self.now
            for _ in range(plan.epochs):
                yield "time", plan.epoch_s
                started = self.now
                yield from self._call(costs["epoch"])
                self._note_renewal(renewed)
                seen.epochs += 1
                if seen.epochs % 17 == 0:
                    seen.calls_s.append(self.now - started)
            seen.trials += 1
            seen.ended[worker] = (seen.ended.get(worker, (0, 0.0))[0] + 1, self.now)
        is_training[0] = False

    def _hurry(self) -> Iterator[Step]:
        """Be a client of `bench/storage.py`, which trains nothing."""
        plan, seen, costs = self.plan, self.seen, self.costs
        read = seen.trials
        while self._left > 0:
            self._left -= 1
            others, read = seen.trials - read, seen.trials
            n_calls = plan.epochs * plan.hurried_calls
            for cost, times in ((costs["trial"], 1.0), (costs["other_trial"], others), (costs["epoch"], n_calls)):
                yield "own", times * cost.worker_ms / 1e3
                yield "server", times * cost.server_ms / 1e3
            seen.trials += 1

    def _beat(self, renewed: list[float], is_training: list[bool]) -> Iterator[Step]:
        """Be the thread of a worker that sends heartbeats and renews the lease."""
        while is_training[0]:
            yield from self._call(self.costs["heartbeat"])
            self._note_renewal(renewed)
            yield "time", self.plan.lease_s / _HEARTBEATS_A_LEASE

    def _note_renewal(self, renewed: list[float]) -> None:
        self.seen.longest_renewal_s = max(self.seen.longest_renewal_s, self.now - renewed[0])
        if self.plan.outage and renewed[0] < self.plan.outage[0] < self.now:
            self.seen.renewed_after_s = max(self.seen.renewed_after_s, self.now - sum(self.plan.outage))
        renewed[0] = self.now

    def _call(self, cost: Cost, *, times: int = 1) -> Iterator[Step]:
        """Make a call, so many times, on a connection of its own."""
        own_s, server_s = times * cost.worker_ms / 1e3, times * cost.server_ms / 1e3
        connection = self.costs["connection"]
        yield "take", 1
        self.seen.open += 1
        if self.plan.pooled is None:
            own_s, server_s = own_s + connection.worker_ms / 1e3, server_s + connection.server_ms / 1e3
        yield "own", own_s + 4 * self.plan.wire_s
        yield "server", server_s
        if self.plan.pooled is None:
            yield "time", self.costs["held_s"]
        self.seen.open -= 1
        yield "give", 1

    def _summary(self) -> dict[str, float]:
        seconds = self.plan.duration_s if self._heap else self.now
        calls = np.asarray(self.seen.calls_s or [0.0])
        shares = [
            n * self.plan.epochs * self.plan.epoch_s / (at - self.seen.begun[worker])
            for worker, (n, at) in self.seen.ended.items()
        ]
        return {
            "seconds": seconds,
            "trials": self.seen.trials,
            "trials_per_s": self.seen.trials / seconds,
            "server_busy": self._server.busy_s / (seconds * self.plan.cores),
            "call_p50_s": float(np.percentile(calls, 50)),
            "call_p99_s": float(np.percentile(calls, 99)),
            "call_most_s": float(calls.max()),
            "connections_mean": float(np.mean(self.seen.counts or [0])),
            "connections_most": max(self.seen.counts, default=0),
            "longest_renewal_s": self.seen.longest_renewal_s,
            "renewed_after_s": self.seen.renewed_after_s,
            "of_ideal": float(np.mean(shares)) if shares else 0.0,
        }


def read_costs(points: Mapping[str, Any]) -> dict[str, Any]:
    """Return the costs that were measured, as the clients say that they are on the clock.

    A call takes longer than its CPU seconds by one factor, which the trials a second of one client tell. What other
    workers' trials add to a trial follows from those of the most clients, and for how long a connection is open beside
    its calls from the mean number of connections of many workers.
    """
    costs: dict[str, Any] = {
        name: Cost(**value) if isinstance(value, dict) else value for name, value in points["costs"].items()
    }
    one, *_, most = points["clients"]
    calls = points["epochs"] * one["statements_per_epoch"] / costs["statements_of_epoch"]
    alone_s = 1 / one["trials_per_s"]
    scale = alone_s * 1e3 / (costs["trial"].both_ms + calls * costs["epoch"].both_ms)
    others_s = (1 / most["trials_per_s"] - alone_s) / (most["clients"] - 1)
    scaled = {name: value * scale if isinstance(value, Cost) else value for name, value in costs.items()}
    fleet = points["connections"]
    # An epoch of a second, and a heartbeat every ten, on connections of their own.
    open_s = fleet["connections_mean"] / (fleet["workers"] * 1.1)
    return scaled | {
        "other_trial": scaled["trial"] * (others_s * 1e3 / scaled["trial"].both_ms),
        "held_s": max(0.0, open_s - (scaled["epoch"].both_ms + scaled["connection"].both_ms) / 1e3),
    }


#: By how much a repeated figure may differ: rates and connections by a share, the share of the ideal by a difference.
_RATES, _CONNECTIONS, _OF_IDEAL = 0.2, 0.5, 0.03


def simulate(points: Mapping[str, Any], *, quick: bool = False) -> dict[str, Any]:
    """Repeat what was measured, then simulate larger fleets; print a line for each.

    Args:
        points: What `bench/fleet.py` has measured.
        quick: Simulate short times, and let repeated figures differ.

    Raises:
        SystemExit: A repeated figure differs from the measured one by more than the margin.
    """
    costs = read_costs(points)
    repeated = repeat_measured(costs, points)
    if not quick:
        refuse_differences(repeated)
    return {
        "repeated": repeated,
        "fleets": simulate_fleets(costs, seconds=20.0 if quick else 240.0),
        "outages": simulate_outages(costs),
        "million": simulate_million(costs, n_simulated=2_000 if quick else 40_000),
    }


def repeat_measured(costs: Mapping[str, Any], points: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Simulate the fleets that were measured with real processes, and compare.

    Clients that train nothing are taken to share one core: eight had 0.94 of the trials a second of one, because they
    wait for each other's rows.
    """
    here: dict[str, Any] = {"cores": 2, "is_one_machine": True, "wire_s": 0.0}
    measured = points["throughput"]
    found = run(costs, workers=measured["workers"], trials=measured["trials"], epochs=6, epoch_s=1.0, **here)
    rows = [("share of ideal, 32 workers", measured["of_ideal_trials_per_hour"], found["of_ideal"], _OF_IDEAL, False)]
    measured = points["connections"]
    plan = {"workers": measured["workers"], "epochs": 10_000, "epoch_s": EPOCH_S}
    times = {"begin_at_s": measured["begun_s"], "watched_from_s": measured["watched_from_s"]}
    duration_s = measured["watched_from_s"] + LOOK_S * measured["looks"]
    found = run(costs, duration_s=duration_s, **times, **plan, **here)
    rows += [
        (f"connections of {measured['workers']} workers, {name}", measured[key], found[key], _CONNECTIONS, True)
        for name, key in (("mean", "connections_mean"), ("most", "connections_most"))
    ]
    for row in points["clients"]:
        calls = row["statements_per_epoch"] / costs["statements_of_epoch"]
        plan = {
            "workers": row["clients"], "trials": points["trials_of_clients"], "epochs": points["epochs"],
            "epoch_s": 0.0, "hurried_calls": calls,
        }  # fmt: skip
        rate = run(costs, **plan, **(here | {"cores": 1}))["trials_per_s"]
        name = f"trials a second, {row['clients']} clients that train nothing"
        rows.append((name, row["trials_per_s"], rate, _RATES, True))
    return [_compared(*row) for row in rows]


def _compared(what: str, measured: float, simulated: float, margin: float, is_share: bool) -> dict[str, Any]:  # noqa: FBT001 - a column of a table
    difference = simulated / measured - 1 if is_share else simulated - measured
    print(f"{what}: measured {measured:.3g}, simulated {simulated:.3g}, difference {difference:+.1%}", flush=True)
    return {
        "what": what, "measured": measured, "simulated": simulated, "difference": difference, "margin": margin,
    }  # fmt: skip


def refuse_differences(repeated: Sequence[Mapping[str, Any]]) -> None:
    """End where a repeated figure differs from the measured one by more than its margin."""
    wrong = [row for row in repeated if abs(row["difference"]) > row["margin"]]
    if wrong:
        told = [f"{row['what']}: by {row['difference']:+.1%}, more than {row['margin']:.0%}" for row in wrong]
        raise SystemExit(f"The simulation differs from what was measured. {'; '.join(told)}.")


def simulate_fleets(costs: Mapping[str, Any], *, seconds: float) -> list[dict[str, Any]]:
    """Simulate fleets beside a server of four cores, directly and by PgBouncer with 20 connections."""
    fleets = [
        {"workers": workers, "epoch_s": epoch_s, "lease_s": lease_s, "pooled": pooled}
        for workers, epoch_s, lease_s in (
            (100, 1.0, 30.0), (1_000, 1.0, 30.0), (1_000, 10.0, 30.0), (1_000, 60.0, 30.0), (1_000, 60.0, 120.0),
            (4_000, 60.0, 120.0),
        )
        for pooled in (None, 20)
    ]  # fmt: skip
    return [
        fleet
        | run(
            large(costs, fleet["workers"]), epochs=9, cores=4, begin_within_s=60.0, duration_s=60.0 + seconds, **fleet
        )
        for fleet in fleets
    ]


def simulate_outages(costs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Simulate the return of a database that was away for a minute: how long until every lease is renewed again."""
    rows = []
    for lease_s, pooled in ((30.0, None), (30.0, 20), (120.0, 20)):
        plan = {"workers": 1_000, "epoch_s": 10.0, "lease_s": lease_s, "pooled": pooled, "outage": (100.0, 60.0)}
        rows.append(plan | run(large(costs, 1_000), epochs=9, cores=4, begin_within_s=60.0, duration_s=300.0, **plan))
    return rows


def simulate_million(costs: Mapping[str, Any], *, n_simulated: int) -> list[dict[str, Any]]:
    """Simulate trials of 1,000 workers, from which a million follow, and the load of a sampler that learns."""
    n_trials = 1_000_000
    plan = {"workers": 1_000, "epochs": 4, "epoch_s": 10.0, "cores": 4, "pooled": 20, "begin_within_s": 60.0}
    whole = run(large(costs, 1_000), trials=n_simulated, **plan)
    whole["seconds_of_million"] = whole["seconds"] * n_trials / n_simulated
    whole["bytes_of_million"] = n_trials * costs["bytes_of_trial"]
    one_study = run(large(costs, 1_000), duration_s=300.0, reads_others=True, **plan)
    return [{"what": "no sampler that learns"} | whole, {"what": "one study, a sampler that learns"} | one_study]


def large(costs: Mapping[str, Any], workers: int) -> dict[str, Any]:
    """Return the costs in a database with so many leased slots, by those of none and of a thousand."""
    return dict(costs) | {
        "heartbeat": _between(costs["heartbeat"], costs["heartbeat_of_1000"], workers / 1_000),
        "trial": _between(costs["trial"], costs["trial"] - (costs["claim"] - costs["claim_of_1000"]), workers / 1_000),
    }


def _between(none: Cost, thousand: Cost, share: float) -> Cost:
    return Cost(
        worker_ms=none.worker_ms + share * (thousand.worker_ms - none.worker_ms),
        server_ms=none.server_ms + share * (thousand.server_ms - none.server_ms),
    )


def run(costs: Mapping[str, Any], **plan: Any) -> dict[str, float]:
    """Simulate a plan and print what came of it."""
    found = Simulation(Plan(**plan), costs).run()
    asked = ", ".join(f"{name}={value}" for name, value in plan.items() if name != "begin_at_s")
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
    print(f"{asked}: {numbers}", flush=True)
    return found
