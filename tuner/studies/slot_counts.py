"""How many slots of each study are in which state, and how many epochs they have trained, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots, studies
from tuner.studies.database.storage import Storage
from tuner.studies.slots.outcomes import Result, SlotState, Stage


@dataclass(frozen=True, kw_only=True)
class SlotCount:
    """The slots of one study that are alike."""

    study: str
    stage: Stage
    state: SlotState
    #: None until they have ended.
    result: Result | None
    n_slots: int
    #: Of all of them.
    n_epochs: int


@retried
def count_slots(storage: Storage) -> Sequence[SlotCount]:
    """Count the slots of all studies; it reads every slot once."""
    alike = (studies.c.name, slots.c.stage, slots.c.state, slots.c.result)
    query = (
        sa.select(*alike, sa.func.count().label("n_slots"), sa.func.sum(slots.c.epoch).label("n_epochs"))
        .select_from(slots.join(studies))
        .group_by(*alike)
        .order_by(*alike)
    )
    with storage.reader.connect() as connection:
        return [
            SlotCount(
                study=row.name,
                stage=row.stage,
                state=row.state,
                result=row.result,
                n_slots=row.n_slots,
                n_epochs=int(row.n_epochs),
            )
            for row in connection.execute(query)
        ]
