"""Which configurations of a study are best: the one rule by which candidates are chosen and finals are ranked.

Candidates are chosen by the search's scores, see `best_trials`. What counts from then on is the mean score over a
configuration's confirmations, which were trained with new seeds, see `mean_scores`. Ranks follow from it alone, are
computed whenever they are asked for and are stored nowhere but in bundles: when a study was extended and a better trial
came, the earlier finals move down.

With several objectives a trial is better than another one if it dominates it, see `fronts`: the Pareto front comes
first, then the front of what is left, and so on; within one front the better score comes first. The best trial is the
one of best score on the front, which has the best score of all. Candidates and finals are taken from the front so that
they are spread over it, the best trial among them.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.objectives import Measure, Objective
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.fronts import Point, order_by_fronts, peel_fronts, point_of
from tuner.studies.lifecycle import Study
from tuner.studies.slots.outcomes import Scores, mean_by_name, values_beside
from tuner.studies.slots.slot import ConfirmSlot, RetrainSlot, SearchSlot, Slot, read_slot

_WITHOUT_CURVE = tuple(column for column in slots.c if column is not slots.c.curve)


def best_first(column: sa.ColumnElement[Any], measure: Measure) -> sa.ColumnElement[Any]:
    """Return the order in which a query has the best values first."""
    return column.desc() if measure.direction == "maximize" else column.asc()


def best_trials(of_study: Iterable[Slot], objective: Objective, others: Sequence[Measure] = ()) -> list[SearchSlot]:
    """Return the search's slots that have a score: complete ones before pruned ones, the best first.

    Of the repeats of one configuration, in a study of one factor at a time, the best represents it.

    With others beside the objective the first few are spread over the front; a trial that was ended by its time counts
    by what it had reached.
    """
    if others:
        return _spread_trials(of_study, objective, others)
    scored = [
        (slot.outcome.state != "complete", -objective.utility(slot.outcome.score), slot.trial_number or 0, slot)
        for slot in of_study
        if isinstance(slot, SearchSlot) and slot.outcome and slot.outcome.score is not None
    ]
    best: dict[Any, SearchSlot] = {}
    for *_, slot in sorted(scored, key=lambda one: one[:3]):
        is_repeated = slot.job.repeat is not None
        best.setdefault(repr(sorted(slot.job.varied.items())) if is_repeated else slot.id, slot)
    return list(best.values())


def _spread_trials(of_study: Iterable[Slot], objective: Objective, others: Sequence[Measure]) -> list[SearchSlot]:
    scored = [
        (slot, slot.outcome, slot.outcome.score)
        for slot in of_study
        if isinstance(slot, SearchSlot) and slot.outcome and slot.outcome.score is not None
    ]
    # Means over different numbers of folds do not compare.
    most = max((len(outcome.folds) for _, outcome, _ in scored), default=0)
    scored = [one for one in scored if len(one[1].folds) == most]
    by_number = {slot.trial_number or 0: slot for slot, _, _ in scored}
    scores = {slot.trial_number or 0: score for slot, _, score in scored}
    beside = {slot.trial_number or 0: values_beside(outcome) for slot, outcome, _ in scored}
    return [by_number[number] for number in choose_spread(scores, beside, objective, others)]


def choose_spread(
    scores: Mapping[int, float], beside: Mapping[int, Scores], objective: Objective, others: Sequence[Measure]
) -> list[int]:
    """Return the trials that can be compared, front by front, each in an order whose beginnings are spread over it."""
    points = _points(scores, beside, objective, others)
    trials = list(points)
    return [trials[place] for place in order_by_fronts((objective, *others), list(points.values()))]


def _points(
    scores: Mapping[int, float], beside: Mapping[int, Scores], objective: Objective, others: Sequence[Measure]
) -> dict[int, Point]:
    """Return the points of those trials that have all values, by their numbers, in ascending order."""
    points = {
        trial: point_of((objective, *others), [scores[trial], *(beside[trial].get(other.name) for other in others)])
        for trial in sorted(scores)
    }
    return {trial: point for trial, point in points.items() if point is not None}


def confirmed_scores(
    of_study: Iterable[Slot], objective: Objective, others: Sequence[Measure] = ()
) -> dict[int, float]:
    """Return the mean score over confirmation repeats, by trial number, in the order in which finals are chosen.

    Configurations of which no repeat succeeded are left out. The best come first, of equals the earlier trial; with
    others beside the objective, the first few are spread over the front.
    """
    of_study = list(of_study)
    scores: dict[int, list[float]] = {}
    for slot in of_study:
        if isinstance(slot, ConfirmSlot) and slot.outcome and slot.outcome.score is not None:
            scores.setdefault(slot.job.trial, []).append(slot.outcome.score)
    means = {trial: statistics.fmean(values) for trial, values in scores.items()}
    if others:
        return {trial: means[trial] for trial in choose_spread(means, confirmed_beside(of_study), objective, others)}
    return dict(sorted(means.items(), key=lambda item: (-objective.utility(item[1]), item[0])))


def confirmed_beside(of_finals: Iterable[Slot]) -> dict[int, dict[str, float]]:
    """Return what stands beside the score of each configuration of the finals, by trial number.

    That are its trial's costs, and of each objective the mean over the confirmations or, before there is one, the
    trial's value.
    """
    of_trial: dict[int, dict[str, float]] = {}
    confirmed: dict[int, list[Scores]] = {}
    for slot in of_finals:
        if isinstance(slot, ConfirmSlot | RetrainSlot):
            of_trial.setdefault(slot.job.trial, values_beside(slot.job))
        if isinstance(slot, ConfirmSlot) and slot.outcome and slot.outcome.score is not None:
            confirmed.setdefault(slot.job.trial, []).append(slot.outcome.others)
    return {trial: values | mean_by_name(confirmed.get(trial, ())) for trial, values in of_trial.items()}


def mean_scores(of_study: Sequence[Slot], objective: Objective, others: Sequence[Measure] = ()) -> dict[int, float]:
    """Return the score that finals are ranked by, for each configuration that is retrained, the best first.

    It is the mean over the configuration's confirmations. One whose confirmations all failed comes after those that
    have a mean, with the score for which it was chosen. With others beside the objective, the front of the means comes
    first.
    """
    confirmed = confirmed_scores(of_study, objective, others)
    jobs = {slot.job.trial: slot.job for slot in of_study if isinstance(slot, RetrainSlot)}
    scores = {trial: confirmed.get(trial, job.val_accuracy_mean) for trial, job in jobs.items()}
    layers = _layers(scores, confirmed_beside(of_study), objective, others) if others else {}

    def rank(trial: int) -> tuple[Any, ...]:
        return trial not in confirmed, layers.get(trial, 0), -objective.utility(scores[trial]), trial

    return {trial: scores[trial] for trial in sorted(scores, key=rank)}


def _layers(
    scores: Mapping[int, float], beside: Mapping[int, Scores], objective: Objective, others: Sequence[Measure]
) -> dict[int, int]:
    """Return by trial on which front it is, from 0."""
    points = _points(scores, beside, objective, others)
    trials = list(points)
    return {trials[place]: number for number, layer in enumerate(peel_fronts(list(points.values()))) for place in layer}


def rank_finals(of_study: Sequence[Slot], objective: Objective, others: Sequence[Measure] = ()) -> dict[int, int]:
    """Return the rank of each configuration that is retrained with augmentation, from 1, by its trial's number."""
    augmented = {slot.job.trial for slot in of_study if isinstance(slot, RetrainSlot) and slot.job.augmented}
    ranked = [trial for trial in mean_scores(of_study, objective, others) if trial in augmented]
    return {trial: rank for rank, trial in enumerate(ranked, start=1)}


@retried
def read_rank(storage: Storage, study: Study, *, trial: int) -> int:
    """Return the rank that the configuration of a retraining has now, as `rank_finals` does.

    A bundle's provenance keeps the number as it was when the bundle was written. It does not change afterwards, though
    the final's rank does when the study is extended and a better trial comes: the study's record has the present one.
    A configuration that is retrained for comparison alone was the best when that was planned, and has rank 1.
    """
    of_finals = sa.select(*_WITHOUT_CURVE).where(slots.c.study_id == study.id, slots.c.stage != "search")
    with storage.reader.connect() as connection:
        found = [read_slot(row) for row in connection.execute(of_finals)]
    return rank_finals(found, study.definition.objective, study.definition.others).get(trial, 1)


def read_ranked_slots(
    connection: sa.Connection, study_id: int, *, n_trials: int | None, objective: Objective
) -> list[Slot]:
    """Return what ranking needs, in the order in which it was made: the finals' slots, and the search's best.

    Args:
        connection: To the database.
        study_id: The study's.
        n_trials: Number of search slots that are read, in the order of `best_trials`; None for all with a score.
        objective: The study's.

    Returns:
        Slots with no curves, which would be nearly all that is read.
    """
    of_study = sa.select(*_WITHOUT_CURVE).where(slots.c.study_id == study_id)
    best = (
        of_study.where(slots.c.stage == "search", slots.c.result != "failed", slots.c.score.is_not(None))
        .order_by(slots.c.result != "complete", best_first(slots.c.score, objective), slots.c.trial_number)
        .limit(n_trials)
    )
    rows = [
        *connection.execute(best).all(),
        *connection.execute(of_study.where(slots.c.stage != "search")).all(),
    ]
    return [read_slot(row) for row in sorted(rows, key=lambda row: int(row.id))]
