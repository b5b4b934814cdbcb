"""A role of Postgres that reads every study and changes nothing, for dashboards that others can reach."""

from typing import Any

from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Identifier, Literal

from tuner.errors import TunerError
from tuner.studies.database.outages import retried
from tuner.studies.database.storage import Storage

#: Any constant does; this one is `reader` in ASCII. Two processes that alter one role at once fail.
_ROLE_LOCK_KEY = 0x726561646572

_RIGHTS = (
    SQL("ALTER ROLE {role} SET default_transaction_read_only = on"),
    SQL("GRANT USAGE ON SCHEMA {schema} TO {role}"),
    SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    # Tables of later versions too.
    SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}"),
)


class NoRolesError(TunerError):
    """The database is one without roles."""


@retried
def create_reader(storage: Storage, *, role: str, password: str) -> None:
    """Create the role, or give it this password; may be repeated, and by several processes at once.

    The server is sent the password's SCRAM verifier, so that the password is in none of its logs.

    Raises:
        NoRolesError: The database is SQLite.
    """
    if storage.engine.dialect.name != "postgresql":
        raise NoRolesError("SQLite has no roles: anyone who reads its file can write it. Use Postgres with --storage.")
    with storage.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ROLE_LOCK_KEY])
            cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [role])
            verb = SQL("ALTER" if cursor.fetchone()[0] else "CREATE")
            verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
            cursor.execute(
                SQL("{verb} ROLE {role} LOGIN PASSWORD {verifier}").format(
                    verb=verb, role=Identifier(role), verifier=Literal(verifier)
                )
            )
            cursor.execute("SELECT current_schema()")
            schema = cursor.fetchone()[0]
            for right in _RIGHTS:
                cursor.execute(right.format(role=Identifier(role), schema=Identifier(schema)))
