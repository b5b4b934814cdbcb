"""Give each study an identity and a folder of its own, and a place for what its pixels mean.

An outcome's state and score get columns, so that counting reads no JSON, and its curve one, so that it is read alone.

Search slots take the position that is their trial's number, from which seeds follow since this revision. Of revision
0001 a trial has the seed of its number, which was another than its slot's position where several workers began.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_studies = sa.table("tuner_studies", sa.column("id"), sa.column("name"), sa.column("optuna_study_id"))
_identities = sa.table("tuner_studies", sa.column("id"), sa.column("uid"), sa.column("folder"))
_slots = sa.table(
    "tuner_slots",
    sa.column("id"),
    sa.column("study_id"),
    sa.column("stage"),
    sa.column("position"),
    sa.column("trial_id"),
    sa.column("trial_number"),
)
_outcomes = sa.table(
    "tuner_slots",
    sa.column("id"),
    sa.column("outcome", sa.JSON),
    sa.column("result"),
    sa.column("score"),
    sa.column("curve", sa.JSON(none_as_null=True)),
)
#: Slots whose outcomes are in memory at a time.
_ROWS_AT_A_TIME = 500
_trials = sa.table("trials", sa.column("trial_id"), sa.column("number"), sa.column("study_id"))
#: In which a trial names the position of its slot.
_attributes = sa.table("trial_user_attributes", sa.column("trial_id"), sa.column("key"), sa.column("value_json"))


def upgrade() -> None:
    """Add the columns; studies of revision 0001 get an identity, and keep their files where they are."""
    op.add_column("tuner_studies", sa.Column("uid", sa.Text))
    op.add_column("tuner_studies", sa.Column("folder", sa.Text))
    op.add_column("tuner_studies", sa.Column("pixels", sa.JSON))
    op.add_column("tuner_workers", sa.Column("in_touch_since", sa.Float))
    op.add_column("tuner_workers", sa.Column("problem", sa.Text))
    op.create_table("tuner_deleted_folders", sa.Column("folder", sa.Text, primary_key=True))
    op.create_index("ix_tuner_studies_uid", "tuner_studies", ["uid"], unique=True)
    op.add_column("tuner_slots", sa.Column("result", sa.Text))
    op.add_column("tuner_slots", sa.Column("score", sa.Float))
    op.add_column("tuner_slots", sa.Column("curve", sa.JSON))
    connection = op.get_bind()
    for study in connection.execute(sa.select(_studies)).all():
        connection.execute(
            sa.update(_identities).where(_identities.c.id == study.id).values(uid=uuid.uuid4().hex, folder=study.name)
        )
        _renumber(connection, study.id, study.optuna_study_id)
    for slot_id, outcome in _each_outcome(connection):
        curve = outcome.pop("curve", None)
        values = {"outcome": outcome, "result": outcome["state"], "score": outcome.get("score"), "curve": curve}
        connection.execute(sa.update(_outcomes).where(_outcomes.c.id == slot_id).values(values))


def downgrade() -> None:
    """Drop the columns and what they hold, but for curves, which go back into their outcomes."""
    connection = op.get_bind()
    for slot_id, outcome in _each_outcome(connection):
        curve = connection.scalar(sa.select(_outcomes.c.curve).where(_outcomes.c.id == slot_id))
        whole = outcome | ({} if curve is None else {"curve": curve})
        connection.execute(sa.update(_outcomes).where(_outcomes.c.id == slot_id).values(outcome=whole))
    op.drop_column("tuner_slots", "curve")
    op.drop_column("tuner_slots", "score")
    op.drop_column("tuner_slots", "result")
    op.drop_index("ix_tuner_studies_uid", "tuner_studies")
    op.drop_table("tuner_deleted_folders")
    op.drop_column("tuner_workers", "problem")
    op.drop_column("tuner_workers", "in_touch_since")
    op.drop_column("tuner_studies", "pixels")
    op.drop_column("tuner_studies", "folder")
    op.drop_column("tuner_studies", "uid")


def _each_outcome(connection: sa.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the id and the outcome of each slot that has one; both may be changed meanwhile."""
    last = -1
    while True:
        following = sa.select(_outcomes.c.id, _outcomes.c.outcome).where(
            _outcomes.c.id > last, sa.cast(_outcomes.c.outcome, sa.Text).is_not(None)
        )
        rows = connection.execute(following.order_by(_outcomes.c.id).limit(_ROWS_AT_A_TIME)).all()
        if not rows:
            return
        for row in rows:
            last = row.id
            # JSON's null is what an older driver stored for none.
            if row.outcome is not None:
                yield row.id, row.outcome


def _renumber(connection: sa.Connection, study_id: int, optuna_study_id: int) -> None:
    """Make each search slot's position its trial's number; slots without a trial share the positions that are left."""
    naming = (
        sa.select(_trials.c.trial_id, _trials.c.number, _attributes.c.value_json)
        .join(_attributes, _attributes.c.trial_id == _trials.c.trial_id)
        .where(_trials.c.study_id == optuna_study_id, _attributes.c.key == "slot")
    )
    trials = connection.execute(naming).all()
    slots = connection.execute(
        sa.select(_slots).where(_slots.c.study_id == study_id, _slots.c.stage == "search").order_by(_slots.c.position)
    ).all()
    # A worker that died early left a trial that names its slot, and of which the slot does not know.
    unbound = {json.loads(trial.value_json): trial.number for trial in trials}
    begun = {slot.position: slot.trial_number for slot in slots if slot.trial_number is not None}
    begun |= {
        slot.position: unbound[slot.position]
        for slot in slots
        if slot.position not in begun and unbound.get(slot.position, -1) not in {-1, *begun.values()}
    }
    positions = _assign({slot.position: begun.get(slot.position) for slot in slots})
    # In two steps, as no two slots of a study may have the same position in between.
    for slot in slots:
        _move(connection, slot.id, -1 - positions[slot.position])
    for slot in slots:
        _move(connection, slot.id, positions[slot.position])
    for trial in trials:
        connection.execute(
            sa.update(_attributes)
            .where(_attributes.c.trial_id == trial.trial_id, _attributes.c.key == "slot")
            .values(value_json=json.dumps(positions.get(json.loads(trial.value_json), -1)))
        )


def _assign(numbers: Mapping[int, int | None]) -> dict[int, int]:
    """Return the new position of each old one: its trial's number, or the lowest that no trial has."""
    taken = {number for number in numbers.values() if number is not None}
    free = iter(position for position in range(len(numbers) + len(taken)) if position not in taken)
    return {old: next(free) if number is None else number for old, number in numbers.items()}


def _move(connection: sa.Connection, slot_id: int, position: int) -> None:
    connection.execute(sa.update(_slots).where(_slots.c.id == slot_id).values(position=position))
