"""The progress of studies: counts of their slots, rates, and what finished last."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_time, slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.expected_time import MeasuredTime, expected_epochs
from tuner.studies.finals_plan import FinalsPlan, plan_finals
from tuner.studies.lifecycle import Study, StudyNotFoundError, find_present, list_names
from tuner.studies.records.parts import Part, part_of
from tuner.studies.slots.outcomes import (
    ConfirmOutcome,
    Costs,
    EnsembleOutcome,
    Failure,
    Result,
    RetrainOutcome,
    Scores,
    SearchOutcome,
    score_of,
)
from tuner.studies.slots.stored_outcomes import read_job, read_outcome
from tuner.studies.spans import covered_s
from tuner.studies.states import StudyState
from tuner.studies.stored_points import read_front

#: Where the check has measured nothing: an epoch is an epoch.
_EPOCHS_ALONE = MeasuredTime(start=0.0, trial=0.0, epoch=1.0, retraining=0.0, retraining_epoch=1.0)
#: The rate is taken over this many of the last finished trials.
_RATE_TRIALS = 20
#: Columns of a study that its progress has unchanged.
_COLUMNS = ("state", "stop_reason", "budget", "priority", "weight", "max_workers", "search_ended", "finals_ended")


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """The progress of one study."""

    name: str
    state: StudyState
    budget: int
    complete: int
    pruned: int
    failed: int
    running: int
    waiting: int
    best_score: float | None
    #: Finished jobs of the finals, and their number when the study is done.
    finals_done: int
    finals_planned: int
    #: From the last finished trials; None before the second one.
    trials_per_hour: float | None
    #: Until the search is over; None while unknown.
    time_left_s: float | None
    #: Until the finals are over, once they have begun; None while unknown.
    finals_time_left_s: float | None
    #: Until search and finals are over; None while unknown.
    total_time_left_s: float | None
    stop_reason: str | None
    #: Its share of the workers, see `SharingSection`.
    priority: int
    weight: float
    max_workers: int | None
    #: Until `search.timeout` or `finals.timeout` ends what it does now; None without, and before its first claim.
    limit_left_s: float | None
    #: The limit that ended the search, `timeout` or `patience`, and the finals, `timeout`; None for their budget.
    search_ended: str | None
    finals_ended: str | None
    #: Number of different points on the Pareto front; None in a study of one objective.
    front: int | None = None

    @property
    def finished(self) -> int:
        return self.complete + self.pruned + self.failed


def read_all_progress(storage: Storage, names: Sequence[str] = ()) -> list[tuple[Study, StudyProgress]]:
    """Return the progress of the studies of these names, or of all studies; missing ones are left out."""
    found = []
    for study in find_present(storage, names):
        with suppress(StudyNotFoundError):
            found.append((study, read_progress(storage, study)))
    return found


@retried
def count_failures(storage: Storage) -> dict[str, dict[str, int]]:
    """Count failed trials and finals by study's name and kind of failure."""
    kind = slots.c.outcome[("failure", "kind")].as_string()
    query = (
        sa.select(studies.c.name, kind.label("kind"), sa.func.count().label("n"))
        .select_from(slots.join(studies))
        .where(slots.c.result == "failed")
        .group_by(studies.c.name, kind)
        .order_by(studies.c.name, sa.func.count().desc(), kind)
    )
    failures: dict[str, dict[str, int]] = {}
    with storage.reader.connect() as connection:
        for row in connection.execute(query):
            failures.setdefault(row.name, {})[row.kind or "unknown"] = row.n
    return failures


@retried
def read_last_failures(storage: Storage, study: Study, *, n_slots: int) -> list[Failure | None]:
    """Return the failures of the slots that finished last, the newest first; None for what succeeded."""
    last = (
        sa.select(slots.c.stage, slots.c.outcome)
        .where(slots.c.study_id == study.id, slots.c.finished_at.is_not(None))
        .order_by(slots.c.finished_at.desc())
        .limit(n_slots)
    )
    with storage.reader.connect() as connection:
        return [read_outcome(row.stage, row.outcome).failure for row in connection.execute(last)]


@dataclass(frozen=True, kw_only=True)
class FinishedSlot:
    """A summary of a slot that has an outcome."""

    id: int
    part: Part
    result: Result
    epochs: int
    score: float | None
    test_accuracy: float | None
    failure: Failure | None
    #: Of a trial: what its model needs, what the other objectives are, and why it ended before its first epoch if its
    #: model was beyond a limit.
    costs: Costs = field(default_factory=dict)
    others: Scores = field(default_factory=dict)
    beyond: str | None = None


@retried
def list_finished(storage: Storage, study: Study) -> list[int]:
    """Return the ids of the slots that have an outcome, in the order in which they finished."""
    query = sa.select(slots.c.id).where(slots.c.study_id == study.id, slots.c.finished_at.is_not(None))
    with storage.reader.connect() as connection:
        return list(connection.scalars(query.order_by(slots.c.finished_at)))


@retried
def read_finished(storage: Storage, slot_ids: Collection[int]) -> list[FinishedSlot]:
    """Return those of these slots that have an outcome, in the order in which they finished."""
    columns = ("id", "stage", "epoch", "trial_number", "job", "outcome")
    query = (
        sa.select(*(slots.c[name] for name in columns), studies.c.definition)
        .select_from(slots.join(studies))
        .where(slots.c.id.in_(slot_ids), slots.c.finished_at.is_not(None))
        .order_by(slots.c.finished_at)
    )
    with storage.reader.connect() as connection:
        return [_finished_slot(row) for row in connection.execute(query)]


def _finished_slot(row: Any) -> FinishedSlot:
    part = part_of(row.stage, read_job(row.stage, row.job), row.trial_number, row.definition)
    outcome = read_outcome(row.stage, row.outcome)
    test_accuracy = None
    if isinstance(outcome, RetrainOutcome | EnsembleOutcome):
        test_accuracy = outcome.test_accuracy
    if isinstance(outcome, RetrainOutcome) and outcome.augmented is False:
        # A fit of a person's own may have taken none of what was asked for.
        part = replace(part, augmented=False)
    return FinishedSlot(
        id=row.id,
        part=part,
        result=outcome.state,
        epochs=row.epoch,
        score=score_of(outcome),
        test_accuracy=test_accuracy,
        failure=outcome.failure,
        costs=outcome.costs if isinstance(outcome, SearchOutcome) else {},
        others=outcome.others if isinstance(outcome, SearchOutcome | ConfirmOutcome) else {},
        beyond=" ".join(outcome.notes)
        if isinstance(outcome, SearchOutcome) and outcome.ended == "constraint"
        else None,
    )


@retried
def read_progress(storage: Storage, study: Study) -> StudyProgress:
    """Count the study's slots, in a few statements.

    Raises:
        StudyNotFoundError: It was deleted.
    """
    with storage.reader.connect() as connection:
        row = connection.execute(
            sa.select(
                database_time().label("now"), studies.c.deadline_at, *(studies.c[name] for name in _COLUMNS)
            ).where(studies.c.uid == study.uid)
        ).one_or_none()
        if row is None:
            raise StudyNotFoundError(study.name, list_names(storage))
        now, state = row.now, row.state
        counts = connection.execute(_counts(study)).all()
        first_start, finished_at = _read_pace(connection, study)
        jobs = connection.execute(_jobs(study)).all() if any(row.stage != "search" for row in counts) else ()
        front = _count_front(connection, study)
    trials = [row for row in counts if row.stage == "search"]
    left = _sum(trials, state="leased") + _sum(trials, state="waiting")
    rate = _trials_per_hour(finished_at, first_start, now if left else None)
    complete, pruned = _sum(trials, result="complete"), _sum(trials, result="pruned")
    plan = plan_finals(study.definition, n_candidates=complete + pruned)
    limit_left_s = None if row.deadline_at is None else max(0.0, row.deadline_at - now)
    measured = MeasuredTime.read(study.provenance) or _EPOCHS_ALONE
    time_left = _search_time_left(left, rate, limit_left_s if state == "searching" else None)
    finals_time_left = (
        _sooner(_finals_time_left(jobs, plan, measured, now), limit_left_s) if state == "finals" else None
    )
    return StudyProgress(
        name=study.name,
        complete=complete,
        pruned=pruned,
        failed=_sum(trials, result="failed"),
        running=_sum(trials, state="leased"),
        waiting=_sum(trials, state="waiting"),
        best_score=_best_score(study, trials),
        front=front,
        finals_done=sum(job.state == "done" for job in jobs),
        finals_planned=max(len(jobs), plan.n_jobs)
        if jobs and state == "finals" and not row.finals_ended
        else len(jobs),
        trials_per_hour=rate,
        time_left_s=time_left,
        finals_time_left_s=finals_time_left,
        total_time_left_s=_total_time_left(study, measured, time_left, rate)
        if state == "searching"
        else finals_time_left,
        limit_left_s=limit_left_s,
        **{name: getattr(row, name) for name in _COLUMNS},
    )


def _read_pace(connection: sa.Connection, study: Study) -> tuple[float | None, list[float]]:
    """Return when the first trial began, and when the last ones ended, the latest first."""
    search = sa.and_(slots.c.study_id == study.id, slots.c.stage == "search")
    ended = sa.select(slots.c.finished_at).where(search, slots.c.finished_at.is_not(None))
    last = connection.scalars(ended.order_by(slots.c.finished_at.desc()).limit(_RATE_TRIALS))
    return connection.scalar(sa.select(sa.func.min(slots.c.started_at)).where(search)), [*last.all()]


def _search_time_left(n_left: int, trials_per_hour: float | None, limit_left_s: float | None) -> float | None:
    """Return the seconds until the budget is used up or the search's time is over."""
    if not n_left:
        return 0.0
    return _sooner(n_left / trials_per_hour * 3600 if trials_per_hour else None, limit_left_s)


def _sooner(*lefts_s: float | None) -> float | None:
    """Return the shortest of those times that are known; None where none is."""
    return min((left_s for left_s in lefts_s if left_s is not None), default=None)


def _count_front(connection: sa.Connection, study: Study) -> int | None:
    definition = study.definition
    if not definition.others:
        return None
    return len(read_front(connection, study.id, definition.measures, has_folds=bool(definition.data.folds)))


def _best_score(study: Study, trials: Sequence[Any]) -> float | None:
    """Return the best score of the search; with folds that of complete trials, as others have a mean of fewer folds."""
    scored = [row for row in trials if row.best is not None]
    if study.definition.data.folds:
        scored = [row for row in scored if row.result == "complete"] or scored
    return study.definition.objective.best_of(row.best for row in scored)


def _total_time_left(
    study: Study, measured: MeasuredTime, search_left_s: float | None, trials_per_hour: float | None
) -> float | None:
    """Return the seconds until search and finals are over, at the speed of the search so far, or by their limits."""
    if search_left_s is None or not trials_per_hour:
        return None
    definition = study.definition
    trial = measured.trial + expected_epochs(definition) / definition.search.trials * measured.epoch
    finals = measured.of_finals(plan_finals(definition, n_candidates=definition.search.trials))
    finals_left_s = _sooner(finals / (trial * trials_per_hour / 3600), definition.finals.timeout)
    return search_left_s + (finals_left_s or 0.0)


def _finals_time_left(jobs: Sequence[Any], plan: FinalsPlan, measured: MeasuredTime, now: float) -> float | None:
    """Return the seconds until the jobs are done, those not yet planned included, by the work done lately."""
    whole = {"confirm": measured.of_confirmation(plan), "retrain": measured.of_retraining(plan)}
    of_epoch = {"confirm": measured.epoch, "retrain": measured.retraining_epoch}
    left = sum(
        max(0.0, whole.get(job.stage, 0.0) - job.epoch * of_epoch.get(job.stage, 0.0))
        for job in jobs
        if job.state != "done"
    )
    if all(job.stage == "confirm" for job in jobs):
        left += plan.retrainings * measured.of_retraining(plan)
    begun = [job for job in jobs if job.started_at is not None and job.stage in whole][-_RATE_TRIALS:]
    # What comes before the first epoch is over with it.
    before = {stage: seconds - of_epoch[stage] * _epochs_of(stage, plan) for stage, seconds in whole.items()}
    worked = sum(job.epoch * of_epoch[job.stage] + before[job.stage] for job in begun if job.epoch)
    if not worked:
        return None
    worked_s = covered_s([(job.started_at, now if job.finished_at is None else job.finished_at) for job in begun])
    seconds: float = left * worked_s / worked
    return seconds


def _epochs_of(stage: str, plan: FinalsPlan) -> int:
    return plan.confirmation_epochs if stage == "confirm" else plan.retraining_epochs


def _counts(study: Study) -> sa.Select[Any]:
    best = sa.func.max if study.definition.objective.direction == "maximize" else sa.func.min
    return (
        sa.select(
            slots.c.stage,
            slots.c.state,
            slots.c.result,
            sa.func.count().label("n"),
            best(slots.c.score).label("best"),
        )
        .where(slots.c.study_id == study.id)
        .group_by(slots.c.stage, slots.c.state, slots.c.result)
    )


def _jobs(study: Study) -> sa.Select[Any]:
    return (
        sa.select(slots.c.stage, slots.c.state, slots.c.epoch, slots.c.started_at, slots.c.finished_at)
        .where(slots.c.study_id == study.id, slots.c.stage != "search")
        .order_by(slots.c.id)
    )


def _sum(rows: Sequence[Any], **wanted: str) -> int:
    return sum(row.n for row in rows if all(getattr(row, key) == value for key, value in wanted.items()))


def _trials_per_hour(finished_at: Sequence[float], first_start: float | None, now: float | None) -> float | None:
    """Return the rate over the last finished trials, newest first; `now` is None when no trial is left."""
    if not finished_at or first_start is None:
        return None
    since = first_start if len(finished_at) < _RATE_TRIALS else finished_at[-1]
    return 3600 * len(finished_at) / max((now or finished_at[0]) - since, 1e-3)
