"""A database role that may SELECT and nothing else, as a dashboard should have."""

from collections.abc import Iterator
from contextlib import contextmanager

from support.postgres import PostgresServer


@contextmanager
def looking_role(server: PostgresServer, url: str) -> Iterator[str]:
    """Make the role and give the database's URL for it; the role ends with the block."""
    database = url.rpartition("/")[2]
    role = f"looker_{database}"
    for statement in (
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ):
        server.execute(statement, database=database)
    yield url.replace("postgres@", f"{role}@")
    for statement in (f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
        server.execute(statement, database=database)
