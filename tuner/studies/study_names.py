"""The names of studies, read as fast as a shell needs them to complete a word: without Optuna, and without waiting."""

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tuner.studies.database.schema import studies
from tuner.studies.database.url import parse_url, sqlite_file

#: Seconds that a server may take to answer.
_PATIENCE_S = 1


def read_names(url: str) -> list[str]:
    """Return the names of the studies in a database, which is not prepared, not waited for and not written to.

    Raises:
        TunerError: The URL is none that a study can have.
        sqlalchemy.exc.SQLAlchemyError: The database does not answer, or has no studies.
    """
    target = parse_url(url)
    is_file = target.get_backend_name() == "sqlite"
    if is_file and not sqlite_file(target).exists():
        # SQLite would make it.
        return []
    arguments = {"timeout": _PATIENCE_S} if is_file else {"connect_timeout": _PATIENCE_S}
    engine = sa.create_engine(target, poolclass=NullPool, connect_args=arguments)
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(studies.c.name).order_by(studies.c.name)))
