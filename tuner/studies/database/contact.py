"""How long this process has been in contact with the database, for statements that others rely on.

The length is known when a statement is sent, and the database computes with it when the statement arrives. One that is
held up on its way, as in an outage, would count the outage as contact. It therefore carries the database's time at
which it was sent, and counts as the end of an outage where it arrives late.
"""

import time
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.studies.database.outages import SLOW_S
from tuner.studies.database.schema import database_time
from tuner.studies.database.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Contact:
    """This process' contact with the database, as of a moment."""

    #: That moment on the database's clock.
    asked_at: float
    #: Seconds for which every call had been answered; 0 after an outage.
    lasted_s: float

    @property
    def is_broken(self) -> sa.ColumnElement[bool]:
        """Whether a statement that has this in it arrives later than calls do without an outage."""
        return database_time() > self.asked_at + SLOW_S

    @property
    def began_at(self) -> sa.ColumnElement[float]:
        """The time since which the contact lasts, on the database's clock, when a statement with this in it arrives."""
        return sa.case((self.is_broken, database_time()), else_=self.asked_at - self.lasted_s)


def ask_contact(storage: Storage) -> Contact:
    """Ask the database for its time, before a statement for which the contact counts."""
    started = time.monotonic()
    with storage.reader.connect() as connection:
        asked_at: float = connection.execute(sa.select(database_time())).scalar_one()
    was_held_up = time.monotonic() - started > SLOW_S
    return Contact(asked_at=asked_at, lasted_s=0.0 if was_held_up else storage.database.uninterrupted_s)
