"""Which jobs a study needs next: confirmation, retraining, the ensemble.

Planning looks at what is there and adds what is missing, so that it may be repeated by any worker at any time, and
goes on by itself after a study was extended or asked for more finals.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.jobs.ensemble import choose_members
from tuner.studies.definition import StudyDefinition
from tuner.studies.lifecycle import Study
from tuner.studies.outages import retried
from tuner.studies.reading import confirmed_scores, read_slots
from tuner.studies.schema import slots, studies
from tuner.studies.seeds import final_seed
from tuner.studies.slots import Stage, create_slots
from tuner.studies.storage import Storage

Job = Mapping[str, Any]


class NoFinalsError(TunerError):
    """There is nothing to make finals of."""


def refuse_impossible_finals(storage: Storage, study: Study, *, top: int | None) -> None:
    """Refuse to ask for finals that could never be made.

    Raises:
        NoFinalsError: No trial has a score, or none are wanted.
    """
    scored = sa.select(slots.c.id).where(
        slots.c.study_id == study.id, slots.c.stage == "search", slots.c.outcome["score"].as_float().is_not(None)
    )
    with storage.reader.connect() as connection:
        has_score = connection.scalar(scored.limit(1)) is not None
    if not has_score:
        raise NoFinalsError(
            f"Study {study.name!r} can have no finals: none of its trials has a validation accuracy. "
            f"`tuner study show {study.name}` says why."
        )
    if not (top or study.definition.finals.top):
        raise NoFinalsError(
            f"Study {study.name!r} asks for no finals (finals.top is 0). Say how many to make, as in `--top 3`."
        )


def lacks_finals(storage: Storage, study: Study) -> bool:
    """Say whether finals that the study asks for are still to be made."""
    return plan_next_jobs(study.definition, read_slots(storage, study.id)) is not None


@retried
def advance_study(storage: Storage, study: Study) -> bool:
    """Create the next stage's slots once the present stage is over, or mark the study done.

    Nothing happens while slots wait or are worked on, or when another worker did it before.

    Returns:
        Whether slots were created.
    """
    unfinished = sa.select(slots.c.id).where(slots.c.study_id == study.id, slots.c.state != "done").limit(1)
    with storage.reader.connect() as connection:
        if connection.scalar(unfinished) is not None:
            return False
    with storage.engine.begin() as connection:
        row = connection.execute(sa.select(studies).where(studies.c.id == study.id).with_for_update()).one_or_none()
        if row is None or row.state not in {"searching", "finals"}:
            return False
        rows = connection.execute(sa.select(slots).where(slots.c.study_id == study.id).order_by(slots.c.id)).all()
        if any(slot.state != "done" for slot in rows):
            return False
        planned = plan_next_jobs(StudyDefinition.from_json(json.dumps(row.definition)), rows)
        if planned:
            stage, jobs = planned
            create_slots(connection, study.id, stage, jobs)
        connection.execute(
            sa.update(studies).where(studies.c.id == study.id).values(state="finals" if planned else "done")
        )
    return planned is not None


def plan_next_jobs(definition: StudyDefinition, rows: Sequence[Any]) -> tuple[Stage, list[Job]] | None:
    """Return the next stage's missing jobs, or None when the study has all that it asked for.

    Args:
        definition: The study's.
        rows: All slots of the study, each with its outcome.
    """
    if definition.finals.top == 0:
        return None
    plans: list[tuple[Stage, list[Job]]] = [
        ("confirm", _confirmations(definition, rows)),
        ("retrain", _retrainings(definition, rows)),
    ]
    for stage, wanted in plans:
        existing = {_key(row.job) for row in rows if row.stage == stage}
        missing = [job for job in wanted if _key(job) not in existing]
        if missing:
            return stage, missing
    tested = [row for row in rows if row.stage == "retrain" and row.job["augmented"] and _tested(row)]
    members = [tested[position].id for position in choose_members([_known_accuracy(row) for row in tested])]
    if members and not any(row.stage == "ensemble" and row.job["slots"] == members for row in rows):
        n_left_out = len(tested) - len(members)
        return "ensemble", [{"slots": members} | ({"left_out": n_left_out} if n_left_out else {})]
    return None


def _confirmations(definition: StudyDefinition, rows: Sequence[Any]) -> list[Job]:
    finals = definition.finals
    return [
        {
            "trial": row.trial_number,
            "hyperparameters": row.outcome["hyperparameters"],
            "repeat": repeat,
            "seed": final_seed(definition.seed, "confirm", row.trial_number, repeat),
        }
        for row in _best_trials(rows)[: finals.candidates]
        for repeat in range(finals.confirm_repeats)
    ]


def _retrainings(definition: StudyDefinition, rows: Sequence[Any]) -> list[Job]:
    finals = definition.finals
    trials = {row.trial_number: row for row in _best_trials(rows)}
    ranked = confirmed_scores(rows) or {number: row.outcome["score"] for number, row in trials.items()}
    best = list(ranked)[: finals.top]
    jobs = [
        _retraining(definition, trials[number], repeat, rank=rank, score=ranked[number], augmented=True)
        for rank, number in enumerate(best, start=1)
        for repeat in range(finals.repeats)
    ]
    if finals.compare_augmentation and best and _is_augmented(definition, rows, best[0]):
        jobs += [
            _retraining(definition, trials[best[0]], repeat, rank=1, score=ranked[best[0]], augmented=False)
            for repeat in range(finals.repeats)
        ]
    return jobs


def _is_augmented(definition: StudyDefinition, rows: Sequence[Any], trial: int) -> bool:
    """Say whether retraining this trial augments its images; a `fit` of a person's own may take no augmentation.

    Of a builder of a person's own it is known once it was retrained.
    """
    if ":" not in definition.space:
        return True
    complete = [
        row.outcome
        for row in rows
        if row.stage == "retrain" and row.job["trial"] == trial and row.outcome and row.outcome["state"] == "complete"
    ]
    return bool(complete) and all(outcome.get("augmented", True) for outcome in complete)


def _retraining(definition: StudyDefinition, row: Any, repeat: int, *, rank: int, score: float, augmented: bool) -> Job:
    return {
        "rank": rank,
        "trial": row.trial_number,
        "hyperparameters": row.outcome["hyperparameters"],
        "repeat": repeat,
        # The same seed with and without augmentation: the comparison then differs in nothing else.
        "seed": final_seed(definition.seed, "retrain", row.trial_number, repeat),
        "augmented": augmented,
        "val_accuracy_mean": score,
    }


def _best_trials(rows: Sequence[Any]) -> list[Any]:
    """Return the search's slots that have a score: complete ones before pruned ones, the best first."""
    scored = [row for row in rows if row.stage == "search" and row.outcome and row.outcome["score"] is not None]
    return sorted(scored, key=lambda row: (row.outcome["state"] != "complete", -row.outcome["score"], row.trial_number))


def _key(job: Job) -> tuple[Any, ...]:
    return (job["trial"], job["repeat"], job.get("augmented"))


def _known_accuracy(row: Any) -> float:
    """Return what is known of a retrained model without the test set."""
    held_out = row.outcome.get("val_accuracy")
    accuracy: float = row.job["val_accuracy_mean"] if held_out is None else held_out
    return accuracy


def _tested(row: Any) -> bool:
    return bool(row.outcome) and row.outcome.get("test_accuracy") is not None
