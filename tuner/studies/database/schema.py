"""The tables beside Optuna's own.

Times are seconds since 1970 by the database's clock, as floats: no time zone of a client or a session can shift them.
"""

from typing import Any

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: The newest migration; a test holds it against `migrations/versions`.
SCHEMA_REVISION = "0004"

metadata = MetaData()

studies = Table(
    "tuner_studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    #: The study's identity, a fresh UUID: a later study may get the name and ids of a deleted one.
    Column("uid", Text),
    #: Folder of its files in the artifact store; the plain name in studies of revision 0001.
    Column("folder", Text),
    #: The study in Optuna that holds the trials.
    Column("optuna_study_id", Integer, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("class_names", JSON, nullable=False),
    Column("provenance", JSON, nullable=False),
    #: What the dataset's pixels mean, decided once; NULL in studies of revision 0001.
    Column("pixels", JSON(none_as_null=True)),
    #: `searching`, `finals`, `done` or `stopped`.
    Column("state", Text, nullable=False),
    #: The state that a stopped study returns to when it is resumed.
    Column("resume_state", Text),
    Column("stop_reason", Text),
    Column("budget", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    #: Its share of the workers, see `tuner.studies.slots.turns`; no `max_workers`: as many as there are.
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("max_workers", Integer),
    #: The time that the search, later the finals, may still take, see `tuner.studies.slots.limits`: in seconds before
    #: a slot is claimed and while the study is stopped, as the time of its end while it runs. Both are NULL without a
    #: limit.
    Column("time_left_s", Float),
    Column("deadline_at", Float),
    #: When the search began, or was extended after its end; trials before it count for no patience.
    Column("search_since", Float),
    #: The limit that ended the search, `timeout` or `patience`, and the finals, `timeout`; NULL for their budget.
    Column("search_ended", Text),
    Column("finals_ended", Text),
    Index("ix_tuner_studies_uid", "uid", unique=True),
)

slots = Table(
    "tuner_slots",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("tuner_studies.id", ondelete="CASCADE"), nullable=False),
    #: `search`, `confirm`, `retrain` or `ensemble`.
    Column("stage", Text, nullable=False),
    #: Within its stage. For a search slot it is the number of its trial, from which the trial's random numbers follow.
    Column("position", Integer, nullable=False),
    #: `waiting` → `leased` → `ended` (outcome stored, trial not yet closed in Optuna) → `done`.
    Column("state", Text, nullable=False),
    #: What to do; for the search, the values that a trial takes instead of drawing them.
    Column("job", JSON, nullable=False),
    Column("owner", Text),
    #: Fencing: grows with each claim; a write with an older token is refused.
    Column("token", Integer, nullable=False),
    Column("expires_at", Float),
    #: Claims since the last finished epoch, without those that released the slot in an orderly way.
    Column("attempts", Integer, nullable=False),
    #: Every worker that claimed it, in order.
    Column("workers", JSON, nullable=False),
    Column("trial_id", Integer),
    Column("trial_number", Integer),
    #: The number of epochs whose results were reported; with folds, those of all folds together.
    Column("epoch", Integer, nullable=False),
    #: The outcome without its curve, see `tuner.studies.slots.stored_outcomes`; NULL until the slot has ended, as is
    #: what follows.
    Column("outcome", JSON),
    Column("started_at", Float),
    Column("finished_at", Float),
    #: `complete`, `pruned` or `failed`.
    Column("result", Text),
    #: Of a trial or a confirmation: its best score, see `StudyDefinition.objective`.
    Column("score", Float),
    #: Its epochs: nine tenths of what a study stores. It is the last column, which databases skip when it is not read.
    Column("curve", JSON(none_as_null=True)),
    UniqueConstraint("study_id", "stage", "position"),
    Index("ix_tuner_slots_claim", "state", "study_id", "id"),
    Index("ix_tuner_slots_expiry", "state", "expires_at"),
)

workers = Table(
    "tuner_workers",
    metadata,
    #: A fresh UUID for each process: later ones may have the same host and process id.
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    #: `waiting`, `training` or `ended`.
    Column("state", Text, nullable=False),
    Column("slot_id", ForeignKey("tuner_slots.id", ondelete="SET NULL")),
    #: The fold that it trains, from 1; NULL where there are none.
    Column("fold", Integer),
    Column("started_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    #: When the time began in which the database answered all of its calls, up to `last_seen_at`.
    Column("in_touch_since", Float),
    #: Why it cannot work for some of its studies; NULL when it can.
    Column("problem", Text),
)

#: Folders of deleted studies: files in them are garbage; files in other unknown folders are not.
deleted_folders = Table("tuner_deleted_folders", metadata, Column("folder", Text, primary_key=True))


class database_time(FunctionElement[float]):  # noqa: N801 - named as the SQL function it stands for
    """Seconds since 1970 by the database's clock."""

    type = Float()
    inherit_cache = True


@compiles(database_time, "postgresql")
def _postgresql_time(_element: Any, _compiler: Any, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(database_time, "sqlite")
def _sqlite_time(_element: Any, _compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class database_start(FunctionElement[float]):  # noqa: N801 - named as the SQL function it stands for
    """When the server started, in seconds since 1970; 0 for a database without a server."""

    type = Float()
    inherit_cache = True


@compiles(database_start, "postgresql")
def _postgresql_start(_element: Any, _compiler: Any, **_: Any) -> str:
    return "extract(epoch from pg_postmaster_start_time())::double precision"


@compiles(database_start, "sqlite")
def _sqlite_start(_element: Any, _compiler: Any, **_: Any) -> str:
    return "0.0"
