"""Databases on Postgres that are emptied between tests instead of made anew: a tenth of what a new one costs."""

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from support.postgres import PostgresServer

#: A database that has grown by more is not worth the emptying, as its tables keep the room of their rows.
_LARGEST_GROWTH_BYTES = 2 * 2**20
_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
#: All that a test may change but rows: tables, columns, constraints, functions, triggers, rights and settings.
_DEFINITIONS = """
SELECT md5(string_agg(one, '|' ORDER BY one)) FROM (
    SELECT concat_ws(' ', relname, relkind, relowner, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', relname, attname, attnum, atttypid, attnotnull, attacl, pg_get_expr(adbin, adrelid))
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
    UNION ALL SELECT concat_ws(' ', conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT defaclacl::text FROM pg_default_acl
    UNION ALL SELECT concat_ws(' ', datacl, setconfig) FROM pg_database
        LEFT JOIN pg_db_role_setting ON setdatabase = pg_database.oid WHERE datname = current_database()
) AS found (one)
"""


class RecycledDatabases:
    """Databases with tuner's tables and nothing in them, each of one test at a time.

    Args:
        server: Where they are.
        template: A database with these tables, to which nobody is connected.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[str] = []
        with self._connect(template) as cursor:
            self._size = _one(cursor, "SELECT pg_database_size(current_database())")
            self._lasting = [name for name in _all(cursor, _TABLES) if _all(cursor, f"SELECT 1 FROM {name} LIMIT 1")]
            self._state = self._read_state(cursor)
        cursor.connection.close()

    def take(self) -> str:
        """Return the name of one."""
        return self._free.pop() if self._free else self._server.create_database(template=self._template)

    def give_back(self, name: str) -> None:
        """Empty it for the next test, or remove it where more than its rows has changed."""
        with self._connect(name) as cursor:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            cursor.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}")
            is_as_before = (
                not _one(cursor, f"SELECT count(*) {others}")
                and _one(cursor, "SELECT pg_database_size(current_database())") < self._size + _LARGEST_GROWTH_BYTES
                and self._read_state(cursor) == self._state
            )
            if is_as_before:
                self._empty(cursor)
        cursor.connection.close()
        if is_as_before:
            self._free.append(name)
        else:
            self._server.drop_database(name)

    def _empty(self, cursor: Cursor) -> None:
        # In any order, without a look at who refers to whom.
        cursor.execute("SET session_replication_role = replica")
        for table in _all(cursor, _TABLES):
            if table not in self._lasting:
                cursor.execute(f"DELETE FROM {table}")
        cursor.execute("SELECT setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences")

    def _read_state(self, cursor: Cursor) -> list[object]:
        """Return what must be the same before and after a test: definitions, and rows of tables that have some."""
        rows = [_one(cursor, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t")
                for name in self._lasting]  # fmt: skip
        return [_one(cursor, _DEFINITIONS), *rows]

    def _connect(self, database: str) -> Cursor:
        connection = psycopg2.connect(host="127.0.0.1", port=self._server.port, user="postgres", dbname=database)
        connection.autocommit = True
        return connection.cursor()


def _all(cursor: Cursor, query: str) -> list[object]:
    cursor.execute(query)
    return [row[0] for row in cursor.fetchall()]


def _one(cursor: Cursor, query: str) -> object:
    (value,) = _all(cursor, query)
    return value
