"""The database as the harness sees it, past the proxy: how far it is, leases that nobody mends, and `max_workers`."""

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from chaos.journal import Journal
from tuner.studies.database.schema import database_start, database_time, slots, studies

#: Seconds after a lease's expiry in which somebody must have freed the slot, while nothing disturbs the database.
REAPING_S = 5.0


class Watch:
    """Looks again and again; an outage makes it see what it saw last."""

    def __init__(self, engine: sa.Engine, journal: Journal, *, lease_s: float) -> None:
        self._engine, self._journal, self._lease_s = engine, journal, lease_s
        self._overdue: set[tuple[int, int]] = set()
        self.n_ended = 0

    def look(self, *, calm_s: float) -> None:
        """Count ended slots, and note leases that are overdue and studies that have too many.

        Args:
            calm_s: For how long no fault has hit the database or the network.
        """
        # Nobody reaps for as long as a lease lives after an outage, so that live workers can renew theirs.
        allowed_s = self._lease_s + REAPING_S
        overdue = sa.select(slots.c.id, slots.c.token, (database_time() - slots.c.expires_at).label("late_s")).where(
            slots.c.state == "leased",
            slots.c.expires_at < database_time() - REAPING_S,
            database_start() < database_time() - allowed_s,
        )
        ended = sa.select(sa.func.count()).where(slots.c.state.in_(["ended", "done"]))
        # A worker may hold several.
        leased = sa.func.count(slots.c.owner.distinct()).label("leased")
        crowded = (
            sa.select(studies.c.name, studies.c.max_workers, leased)
            .join(slots)
            .where(slots.c.state == "leased")
            .group_by(studies.c.id)
            .having(leased > studies.c.max_workers)
        )
        try:
            with self._engine.connect() as connection:
                self.n_ended = connection.scalar(ended) or 0
                for row in connection.execute(crowded):
                    self._journal.note("crowded", study=row.name, leased=row.leased, most=row.max_workers)
                rows = connection.execute(overdue).all() if calm_s > allowed_s else []
        except OperationalError:
            return
        for row in rows:
            if (row.id, row.token) not in self._overdue:
                self._overdue.add((row.id, row.token))
                self._journal.note("overdue", slot=row.id, token=row.token, late_s=row.late_s)
