"""What must hold after a round, whatever happened in it: I1 to I9, from the journals and the database."""

import itertools
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from chaos.journal import HARNESS, Entry
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import find_study
from tuner.studies.records.reading import read_slots

#: Exit statuses of a worker that nobody killed: done, start me again, drained.
_DOCUMENTED = {0, 75, 130, 143}
#: Seconds that processes need to note what they do, on a busy machine.
_SLACK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the checks look at, of one study."""

    #: Without those of other studies' slots.
    entries: Sequence[Entry]
    #: The study's rows of `tuner_slots`.
    slots: Sequence[Any]
    #: Optuna's trials by number.
    trials: Mapping[int, FrozenTrial]
    n_trials: int
    budget: int
    epochs: int
    lease_s: float
    #: What is left in the artifact store.
    files: Sequence[Path]
    #: Trial number → validation accuracy of each epoch, had nothing happened.
    expected: Mapping[int, Sequence[float]]
    #: By which an accuracy may differ from it.
    tolerance: float
    #: Epochs of a confirmation and of a retraining.
    final_epochs: Mapping[str, int]

    @property
    def of_search(self) -> Sequence[Any]:
        return [row for row in self.slots if row.stage == "search"]

    def of(self, *events: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.event in events]


def gather_evidence(
    storage: Storage,
    name: str,
    entries: Sequence[Entry],
    *,
    artifacts: Path,
    lease_s: float,
    expected: Mapping[int, Sequence[float]],
    tolerance: float = 0.0,
) -> Evidence:
    """Read what the round left in the database and the store."""
    study = find_study(storage, name)
    trials = storage.optuna.get_all_trials(study.optuna_study_id)
    rows = read_slots(storage, study.id)
    ids = {row.id for row in rows}
    return Evidence(
        entries=[entry for entry in entries if entry.fields.get("slot", min(ids)) in ids],
        slots=rows,
        trials={trial.number: trial for trial in trials},
        n_trials=len(trials),
        budget=study.budget,
        epochs=study.definition.search.epochs,
        lease_s=lease_s,
        files=[path for path in artifacts.rglob("*") if path.is_file()],
        expected=expected,
        tolerance=tolerance,
        final_epochs={
            "confirm": study.definition.finals.confirm_epochs or study.definition.search.epochs,
            "retrain": study.definition.finals.epochs,
        },
    )


def find_violations(evidence: Evidence) -> list[str]:
    """Return what does not hold, each line beginning with the name of its invariant."""
    return [f"{name}: {problem}" for name, check in INVARIANTS.items() for problem in check(evidence)]


def _acknowledged_ends_are_stored(evidence: Evidence) -> Iterator[str]:
    rows = {row.id: row for row in evidence.slots}
    for entry in evidence.of("ended"):
        row = rows[entry["slot"]]
        if row.state != "done" or row.token != entry["token"]:
            yield f"slot {row.id} ended under token {entry['token']}, stored: {row.state} under {row.token}"
            continue
        score = getattr(row.outcome, "score", None)
        if (row.outcome.state, score) != (entry["state"], entry["value"]):
            yield f"slot {row.id} ended with {entry['value']}, stored: {score}"
        trial = evidence.trials[row.trial_number] if row.trial_number is not None else None
        if trial is not None and entry["state"] == "complete" and (trial.values or [None])[0] != entry["value"]:
            yield f"slot {row.id} ended with {entry['value']}, Optuna has {trial.values}"


def _costs_are_measured_once(evidence: Evidence) -> Iterator[str]:
    for row in evidence.of_search:
        trial = evidence.trials[row.trial_number] if row.trial_number is not None else None
        stored = row.outcome.costs if trial is not None and row.outcome else {}
        if trial is not None and any(trial.user_attrs.get(name) != value for name, value in stored.items()):
            yield f"slot {row.id} ended with {dict(stored)}, and its trial has {trial.user_attrs}"


def _each_slot_ends_once(evidence: Evidence) -> Iterator[str]:
    ends = Counter(slot for slot, _ in {(entry["slot"], entry["token"]) for entry in evidence.of("ended")})
    yield from (f"slot {slot} ended {n} times" for slot, n in ends.items() if n > 1)
    yield from (f"slot {row.id} is {row.state}" for row in evidence.slots if row.state != "done")


def _nothing_runs_without_a_lease(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.of("overdue"):
        yield f"slot {entry['slot']}, token {entry['token']}: nobody freed it {entry['late_s']:.1f} s after its expiry"
    for number, trial in evidence.trials.items():
        if not trial.state.is_finished():
            yield f"trial {number} is {trial.state.name} at the end"


def _no_trial_has_two_live_workers(evidence: Evidence) -> Iterator[str]:
    claims: dict[int, list[Entry]] = defaultdict(list)
    for entry in evidence.of("claimed"):
        claims[entry["slot"]].append(entry)
    for slot, of_slot in claims.items():
        for earlier, later in itertools.pairwise(of_slot):
            trained = [
                entry.at
                for entry in evidence.of("trained")
                if (entry["slot"], entry["token"]) == (slot, earlier["token"]) and entry.at > later.at
            ]
            # One epoch may have been under way: with a program to compile it takes longer than a lease.
            both_s = _awake_s(evidence, earlier.who, later.at, max(trained)) if len(trained) > 1 else 0.0
            if both_s > evidence.lease_s + _SLACK_S:
                yield f"slot {slot}: tokens {earlier['token']} and {later['token']} both trained for {both_s:.1f} s"


def _awake_s(evidence: Evidence, worker: str, start: float, end: float) -> float:
    """Return for how long the worker was not stopped between two times."""
    awake_s, since = 0.0, start
    for entry in evidence.of("stop", "continue"):
        if entry["worker"] != worker or entry.at > end:
            continue
        if entry.event == "stop":
            awake_s += max(0.0, entry.at - since)
            since = end
        else:
            since = max(start, entry.at)
    return awake_s + max(0.0, end - since)


def _the_budget_is_met(evidence: Evidence) -> Iterator[str]:
    if evidence.n_trials != evidence.budget:
        yield f"{evidence.n_trials} trials in Optuna for a budget of {evidence.budget}"
    if sorted(evidence.trials) != list(range(evidence.n_trials)):
        yield f"trial numbers {sorted(evidence.trials)}"
    numbers = Counter(row.trial_number for row in evidence.of_search)
    yield from (f"{n} slots have trial {number}" for number, n in numbers.items() if n > 1)
    finished = sum(trial.state.is_finished() for trial in evidence.trials.values())
    if finished != evidence.budget:
        yield f"{finished} finished trials for a budget of {evidence.budget}"


def _curves_are_undisturbed(evidence: Evidence) -> Iterator[str]:
    for row in evidence.of_search:
        outcome, number = row.outcome, row.trial_number
        if outcome is None or outcome.state != "complete":
            yield f"trial {number} has the outcome {outcome}"
            continue
        curve = [epoch.val_accuracy for epoch in outcome.curve]
        if not _are_equal(curve, evidence.expected[number], evidence.tolerance):
            yield f"trial {number} has the curve {curve}, undisturbed {evidence.expected[number]}"
        reported = evidence.trials[number].intermediate_values
        if [reported.get(epoch) for epoch in range(1, evidence.epochs + 1)] != curve:
            yield f"trial {number} reported {reported}, its curve is {curve}"
        if evidence.trials[number].state != TrialState.COMPLETE:
            yield f"trial {number} is {evidence.trials[number].state.name} in Optuna"
    yield from _finals_that_are_not_whole(evidence)
    yield from _resumptions_from_too_early(evidence)
    yield from _epochs_trained_too_often(evidence)


def _are_equal(curve: Sequence[float | None], expected: Sequence[float], tolerance: float) -> bool:
    return len(curve) == len(expected) and all(
        one is not None and abs(one - other) <= tolerance for one, other in zip(curve, expected, strict=True)
    )


def _finals_that_are_not_whole(evidence: Evidence) -> Iterator[str]:
    for row in evidence.slots:
        if row.stage not in evidence.final_epochs:
            continue
        epochs = [epoch.epoch for epoch in row.outcome.curve] if row.outcome else []
        if epochs != list(range(1, evidence.final_epochs[row.stage] + 1)) or row.outcome.state != "complete":
            yield f"slot {row.id} ({row.stage}) has the epochs {epochs} and the outcome {row.outcome}"
    jobs = Counter(repr(row.job) for row in evidence.slots if row.stage != "search")
    yield from (f"{n} slots have the job {job}" for job, n in jobs.items() if n > 1)


def _resumptions_from_too_early(evidence: Evidence) -> Iterator[str]:
    durable: dict[int, int] = defaultdict(int)
    at_claim: dict[tuple[int, int], int] = {}
    for entry in _of_the_newest_tokens(evidence, "stored", "claimed", "resumed"):
        slot = entry["slot"]
        if entry.event == "stored":
            durable[slot] = max(durable[slot], entry["epoch"])
        elif entry.event == "claimed":
            at_claim[slot, entry["token"]] = durable[slot]
        elif entry["epoch"] < at_claim[slot, entry["token"]]:
            yield (
                f"slot {slot}, token {entry['token']}: went on after epoch {entry['epoch']}, "
                f"stored was {at_claim[slot, entry['token']]}"
            )


def _epochs_trained_too_often(evidence: Evidence) -> Iterator[str]:
    trained: dict[int, list[int]] = defaultdict(list)
    for entry in _of_the_newest_tokens(evidence, "trained", "claimed"):
        if entry.event == "trained":
            trained[entry["slot"]].append(entry["epoch"])
    claims = Counter(entry["slot"] for entry in evidence.of("claimed"))
    for slot, epochs in trained.items():
        again = len(epochs) - len(set(epochs))
        if again > claims[slot] - 1:
            yield f"slot {slot}: {again} epochs trained again after {claims[slot] - 1} interruptions"


def _of_the_newest_tokens(evidence: Evidence, *events: str) -> Iterator[Entry]:
    """Yield the entries without those of a worker that another one has replaced: what it does counts for nothing."""
    newest: dict[int, int] = defaultdict(int)
    for entry in evidence.of(*events):
        if entry.event == "claimed":
            newest[entry["slot"]] = entry["token"]
        if entry["token"] == newest[entry["slot"]]:
            yield entry


def _no_file_is_left(evidence: Evidence) -> Iterator[str]:
    kept = {path for row in evidence.slots for path in _kept_by(row)}
    has_finals = len(evidence.of_search) < len(evidence.slots)
    for path in evidence.files:
        # The dashboard shows reports of finals.
        is_shown = has_finals and "dashboard" in path.parts
        if not is_shown and not any(str(path).endswith(name) for name in kept):
            yield str(path)


def _kept_by(row: Any) -> Iterator[str]:
    """Yield the paths of the files that a slot of the finals has stored."""
    for name in ("bundle", "predictions", "validation_predictions", "pictures"):
        if (path := getattr(row.outcome, name, None)) is not None:
            yield str(path)


def _workers_end_as_documented(evidence: Evidence) -> Iterator[str]:
    killed = {entry["worker"] for entry in evidence.of("kill")} | {entry.who for entry in evidence.of("doomed")}
    for entry in evidence.of("exit"):
        if entry["status"] not in _DOCUMENTED and not (
            entry["status"] == -signal.SIGKILL and entry["worker"] in killed
        ):
            yield f"worker {entry['worker']} ended with status {entry['status']}"
    drained = {entry["worker"] for entry in evidence.of("terminate")}
    for entry in evidence.of("exit"):
        if entry["status"] == 143 and entry["worker"] not in drained:
            yield f"worker {entry['worker']} was drained by nobody"
    yield from (entry["problem"] for entry in evidence.of("stuck") if entry.who == HARNESS)


def _no_study_has_more_workers_than_it_may(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.of("crowded"):
        yield f"study {entry['study']} had {entry['leased']} workers, at most {entry['most']} are allowed"


#: Name → check, which yields what does not hold.
INVARIANTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "I1 every acknowledged end is stored": _acknowledged_ends_are_stored,
    "I2 each slot ends once": _each_slot_ends_once,
    "I3 nothing runs without a lease": _nothing_runs_without_a_lease,
    "I4 no trial has two live workers": _no_trial_has_two_live_workers,
    "I5 the budget is met": _the_budget_is_met,
    "I6 curves are undisturbed": _curves_are_undisturbed,
    "I7 no file is left": _no_file_is_left,
    "I8 workers end as documented": _workers_end_as_documented,
    "I9 no study has more workers than it may": _no_study_has_more_workers_than_it_may,
    "I10 costs are measured once": _costs_are_measured_once,
}
