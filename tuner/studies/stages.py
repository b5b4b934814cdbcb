"""From one stage of a study to the next: whether all its slots are done, and the transaction that adds the next ones.

Which jobs come next, `tuner.jobs.finals.planning` decides.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import Study
from tuner.studies.ranking import read_ranked_slots
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.slots.limits import NO_CLOCK, begin_clock
from tuner.studies.slots.outcomes import Job, SlotState, Stage
from tuner.studies.slots.slot import Slot, create_slots
from tuner.studies.slots.turns import RUNNING

#: States of slots, by which an index finds them.
_UNFINISHED: Sequence[SlotState] = ("waiting", "leased", "ended")


class Plan(Protocol):
    """Returns the next stage with its jobs, or None when a study has all that it asked for.

    Curves are not read for it. Where the time of the finals `is_over`, nothing more is trained.
    """

    def __call__(
        self, definition: StudyDefinition, of_study: Sequence[Slot], /, *, is_over: bool
    ) -> tuple[Stage, list[Job]] | None: ...


@retried
def has_scored_trial(storage: Storage, study: Study) -> bool:
    """Say whether a trial of the search has a score."""
    scored = sa.select(slots.c.id).where(
        slots.c.study_id == study.id, slots.c.stage == "search", slots.c.score.is_not(None)
    )
    with storage.reader.connect() as connection:
        return connection.scalar(scored.limit(1)) is not None


@retried
def has_next_stage(storage: Storage, study: Study, plan: Plan) -> bool:
    """Say whether jobs are still to be added by this plan."""
    with storage.reader.connect() as connection:
        found = _read_slots(connection, study.id, study.definition)
    return plan(study.definition, found, is_over=False) is not None


@retried
def list_between_stages(storage: Storage) -> list[str]:
    """Return the names of running studies whose slots are all done: their next stage is to begin, or they are done."""
    unfinished = sa.select(slots.c.id).where(slots.c.study_id == studies.c.id, slots.c.state.in_(_UNFINISHED)).limit(1)
    query = sa.select(studies.c.name).where(RUNNING, unfinished.scalar_subquery().is_(None))
    with storage.reader.connect() as connection:
        return list(connection.scalars(query.order_by(studies.c.id)))


@retried
def begin_next_stage(storage: Storage, study: Study, plan: Plan) -> bool:
    """Create the next stage's slots once the present stage is over, or mark the study done.

    Nothing happens while slots wait or are worked on, or when another worker did it before.

    Returns:
        Whether slots were created.
    """
    unfinished = sa.select(slots.c.id).where(slots.c.study_id == study.id, slots.c.state.in_(_UNFINISHED)).limit(1)
    with storage.reader.connect() as connection:
        if connection.scalar(unfinished) is not None:
            return False
    with storage.engine.begin() as connection:
        row = connection.execute(sa.select(studies).where(studies.c.id == study.id).with_for_update()).one_or_none()
        if row is None or row.state not in {"searching", "finals"}:
            return False
        if connection.scalar(unfinished) is not None:
            return False
        definition = StudyDefinition.from_stored(row.definition)
        of_study = _read_slots(connection, study.id, definition)
        planned = plan(definition, of_study, is_over=row.finals_ended is not None)
        values: dict[str, Any] = {"state": "done", **NO_CLOCK}
        if planned:
            stage, jobs = planned
            create_slots(connection, study.id, stage, jobs)
            clock = begin_clock(definition.finals.timeout) if row.state == "searching" else {}
            values = {"state": "finals", **clock}
        connection.execute(sa.update(studies).where(studies.c.id == study.id).values(values))
    return planned is not None


def _read_slots(connection: sa.Connection, study_id: int, definition: StudyDefinition) -> list[Slot]:
    finals = definition.finals
    # The best trials of a comparison may be repeats of one configuration; a front is of all trials.
    is_ordered = definition.search.sampler != ONE_FACTOR and not definition.others
    n_trials = max(finals.candidates, finals.top) if is_ordered else None
    return read_ranked_slots(connection, study_id, n_trials=n_trials, objective=definition.objective)
