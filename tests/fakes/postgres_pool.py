"""Databases that tests use one after the other: a copy of a template costs hundreds of files, a cleaned one hardly any.

A database is lent again only when it is as it was: nobody is connected any more, its tables have the schema that they
came with, and every row that a test left is gone. One that a test altered stays as it is, and is never lent again.
"""

import time

import psycopg

from tests.fakes.postgres import PostgresServer

LEAVING_S = 0.5

HERE = "(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"

CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

SHAPE = f"""
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT concat('column ', attrelid, ' ', attnum, ' ', xmin) AS line FROM pg_attribute WHERE attrelid IN {HERE}
    UNION ALL SELECT concat('constraint ', oid, ' ', xmin) FROM pg_constraint WHERE conrelid IN {HERE}
    UNION ALL SELECT concat('trigger ', oid, ' ', xmin) FROM pg_trigger WHERE tgrelid IN {HERE}
    UNION ALL SELECT concat('rule ', oid, ' ', xmin) FROM pg_rewrite WHERE ev_class IN {HERE}
    UNION ALL SELECT concat('function ', oid, ' ', xmin) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat('namespace ', oid) FROM pg_namespace
    UNION ALL SELECT concat('setting ', setdatabase, ' ', setconfig) FROM pg_db_role_setting
)
"""
"""One value for everything but rows. A row of the catalogue that is written anew has another ``xmin``."""

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
"""The names of all tables."""


class DatabasePool:
    """Copies of one template of one server."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[str] = []
        self._shape = ""
        self._rows: dict[str, str | None] = {}

    def take(self) -> str:
        """The name of a database that is as the template is."""
        if self._free:
            return self._free.pop()
        name = self._server.create_database_named(template=self._template)
        if not self._shape:
            with self._server.connect(name) as connection:
                self._shape = value(connection, SHAPE)
                for (table,) in connection.execute(TABLES).fetchall():
                    self._rows[table] = value(connection, rows_of(table))
        return name

    def give_back(self, name: str) -> bool:
        """Empty the database of what a test wrote; whether it will be lent again."""
        with self._server.connect(name) as connection:
            if not gone(connection) or value(connection, SHAPE) != self._shape:
                return False
            changed = [table for (table,) in connection.execute(self._changed().encode()).fetchall()]
            if changed:
                connection.execute(f"TRUNCATE {', '.join(changed)} RESTART IDENTITY CASCADE".encode())
            for table in changed:
                if rows := self._rows[table]:
                    statement = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"
                    connection.execute(statement.encode(), [rows])
        self._free.append(name)
        return True

    def _changed(self) -> str:
        """The statement that names the tables that do not hold what they held: most held nothing."""
        tables = []
        for table, rows in self._rows.items():
            differs = f"EXISTS (SELECT FROM {table})"
            if rows is not None:
                literal = rows.replace("'", "''")
                differs = f"({rows_of(table)}) IS DISTINCT FROM '{literal}'"
            tables.append(f"SELECT '{table}' WHERE {differs}")
        return " UNION ALL ".join(tables)


def gone(connection: psycopg.Connection) -> bool:
    """Whether nobody else is connected; the server learns of an end a moment after it."""
    until_s = time.monotonic() + LEAVING_S
    while value(connection, CONNECTED):
        if time.monotonic() >= until_s:
            return False
        connection.rollback()  # within a transaction its list of connections stays as it was
        time.sleep(0.01)
    return True


def rows_of(table: str) -> str:
    """The statement that reads a whole table as one JSON text, or nothing from an empty one."""
    return f"SELECT json_agg(held)::text FROM {table} held"


def value(connection: psycopg.Connection, statement: str):
    """The only value that a statement answers."""
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]
