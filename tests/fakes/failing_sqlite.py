"""A SQLite connection whose disk can be told to fail."""

import sqlite3


class FailingConnection(sqlite3.Connection):
    """Raises ``failure`` (a SQLite error name) from every commit while it is set on the class."""

    failure: str = ""

    def commit(self) -> None:
        if type(self).failure:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = type(self).failure
            raise error
        super().commit()
