"""Leases of vanished workers: when it is certain that nobody renews them, their slots wait again."""

import sqlalchemy as sa

from tuner.studies.database.contact import ask_contact
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import database_start, database_time, slots, workers
from tuner.studies.database.storage import Storage
from tuner.studies.slots.leases import DEFAULT_LEASE_S, release_leased


@retried
def reap_expired_leases(storage: Storage, *, lease_s: float = DEFAULT_LEASE_S) -> int:
    """Make the slots of vanished workers wait again; return their number.

    It looks at the state, not at events: any worker may call it at any time. After an outage no lease is reaped for
    `lease_s` seconds, so that workers that went on training can renew theirs: first the database must have been up for
    that long, and a worker must have been in contact with it for that long, see `_in_touch_for`.

    No lease ends later than `lease_s` seconds from now, also where the clock was set back. All workers of a database
    use the same `lease_s`.
    """
    contact = ask_contact(storage)
    _shorten_leases(storage, lease_s)
    own_s = contact.lasted_s
    if own_s < lease_s and (own_s < lease_s / 6 or _in_touch_for(storage, own_s, gap_s=lease_s / 2) < lease_s):
        return 0
    # A start time in the future is from before the server's clock was set back.
    is_settled = sa.or_(database_start() + lease_s < database_time(), database_start() > database_time())
    # Leases that ended during an outage could not be renewed.
    expired = sa.and_(slots.c.expires_at < database_time(), is_settled, sa.not_(contact.is_broken))
    with storage.engine.begin() as connection:
        return connection.execute(release_leased(expired)).rowcount


def _in_touch_for(storage: Storage, own_s: float, *, gap_s: float) -> float:
    """Return for how long, in seconds, this process and workers before it have been in contact with the database.

    A fresh process alone cannot know whether others were cut off until now. Contacts that follow each other within
    `gap_s` are one: a worker that holds a lease and was cut off for less has it still, and has had time to renew it.
    """
    contacts = (
        sa.select(workers.c.in_touch_since, workers.c.last_seen_at)
        .where(workers.c.in_touch_since.is_not(None))
        .order_by(workers.c.last_seen_at.desc())
    )
    with storage.reader.connect() as connection:
        now: float = connection.execute(sa.select(database_time())).scalar_one()
        rows = connection.execute(contacts).all()
    since = now - own_s
    for row in rows:
        if row.last_seen_at < since - gap_s:
            break
        since = min(since, row.in_touch_since)
    return now - since


def _shorten_leases(storage: Storage, lease_s: float) -> None:
    """Where the database's clock was set back, let leases that would expire too late expire in `lease_s` seconds."""
    # For leases that are renewed after this statement began: Postgres reads its clock for each row.
    margin_s = 1.0
    too_long = sa.and_(slots.c.state == "leased", slots.c.expires_at > database_time() + lease_s + margin_s)
    with storage.reader.connect() as connection:
        found = connection.scalar(sa.select(slots.c.id).where(too_long).limit(1))
    if found is not None:
        with storage.engine.begin() as connection:
            connection.execute(sa.update(slots).where(too_long).values(expires_at=database_time() + lease_s))
