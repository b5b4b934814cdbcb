"""Further leases for a worker that holds one: slots whose work can be trained with its own as one program.

These are repeats of a confirmation or retraining, and trials of a search that draw the rest of their values (`cohort`).
Each has a lease and a token of its own: a worker that loses one of them drops that slot alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from tuner.studies.database.schema import database_time, slots, workers
from tuner.studies.database.storage import Storage
from tuner.studies.fleet import WORKER_LOST_AFTER_S
from tuner.studies.slots.claims import lease_row
from tuner.studies.slots.leases import DEFAULT_LEASE_S, Lease, release_leased
from tuner.studies.slots.outcomes import ConfirmJob, Job, RetrainJob, SearchJob
from tuner.studies.slots.stored_outcomes import read_job

#: Waiting slots among which companions are looked for.
_MOST_LOOKED_AT = 256


def claim_companions(
    storage: Storage, lease: Lease, *, most: int | None = None, lease_s: float = DEFAULT_LEASE_S
) -> list[Lease]:
    """Lease waiting slots of the lease's study and stage whose jobs are alike, see `is_alike`.

    Other workers that live may look for work too: it takes its share of those slots and no more. Slots on which a
    worker has died before are left to be trained alone.

    Args:
        storage: The database.
        lease: What the worker holds.
        most: No more than this; None: its share.
        lease_s: Seconds from now until the leases expire.
    """
    if lease.attempts > 1:
        return []
    attempts = 0

    def claim() -> list[Lease]:
        nonlocal attempts
        attempts += 1
        with storage.engine.begin() as connection:
            if attempts > 1:
                # The answer to the last attempt's COMMIT was lost: the worker knows of none of those.
                others = sa.and_(slots.c.owner == lease.owner, slots.c.id != lease.slot_id)
                connection.execute(release_leased(others, attempts=slots.c.attempts - 1))
            return [
                lease_row(
                    connection,
                    row,
                    study_name=lease.study_name,
                    study_uid=lease.study_uid,
                    owner=lease.owner,
                    lease_s=lease_s,
                )
                for row in _lock_companions(connection, lease, most)
            ]

    return storage.database.retry(claim)


def _lock_companions(connection: sa.Connection, lease: Lease, most: int | None) -> Sequence[sa.Row[tuple[object, ...]]]:
    waiting = sa.and_(
        slots.c.study_id == lease.study_id,
        slots.c.stage == lease.stage,
        slots.c.state == "waiting",
        slots.c.attempts == 0,
        # A trial that was begun has values of its own.
        slots.c.trial_id.is_(None),
    )
    looked_at = sa.select(slots.c.id, slots.c.job).where(waiting).order_by(slots.c.id).limit(_MOST_LOOKED_AT)
    alike = [row.id for row in connection.execute(looked_at) if is_alike(read_job(lease.stage, row.job), lease.job)]
    n_workers = connection.scalar(
        sa.select(sa.func.count())
        .select_from(workers)
        .where(
            workers.c.state.in_(["waiting", "training"]),
            workers.c.last_seen_at > database_time() - WORKER_LOST_AFTER_S,
        )
    )
    # Of all that are alike, its own one included, as many as each worker gets, rounded up.
    share = -(-(len(alike) + 1) // max(1, n_workers or 0)) - 1
    share = share if most is None else min(share, most)
    wanted = sa.select(slots).where(slots.c.id.in_(alike[:share]), waiting).order_by(slots.c.id)
    return connection.execute(wanted.with_for_update(skip_locked=True)).all() if share else []


def is_alike(job: Job, other: Job) -> bool:
    """Say whether a job can be put together with another one.

    Of the finals: they train the same configuration in the same way but for their seeds. Of the search: the job is a
    trial that draws all of its values.
    """
    if isinstance(job, SearchJob) and isinstance(other, SearchJob):
        return other.repeat is None and replace(job, extension=None) == SearchJob()
    if not isinstance(job, ConfirmJob | RetrainJob) or type(job) is not type(other):
        return False
    return replace(other, repeat=job.repeat, seed=job.seed) == job
