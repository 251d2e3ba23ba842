"""What a database error means to strongroom.

The text of a driver may quote values, so only its first line is passed on, and parameters never are.
"""

from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from strongroom.errors import StorageFault, Unavailable

__all__ = ["is_busy", "is_full", "is_refused", "translated"]

WHY_CHARACTERS_MAX: Final = 200

_BUSY: Final = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED"})
_FULL: Final = frozenset({"SQLITE_FULL"})
_DISK_FULL: Final = "53100"
"""The state that PostgreSQL names so."""


def translated(error: BaseException) -> BaseException:
    """The strongroom error for a database ``error``; any other exception as it is."""
    if not isinstance(error, SQLAlchemyError):
        return error
    fault = _fault(error)
    fault.__cause__ = error
    return fault


def _fault(error: SQLAlchemyError) -> StorageFault | Unavailable:
    why = _why(error)
    if isinstance(error, PoolTimeoutError):
        return Unavailable("SR-STORE-003", "too many readers of the database", why=why, fix="try again")
    if isinstance(error, DBAPIError):
        name = getattr(error.orig, "sqlite_errorname", None)
        if is_full(error.orig):
            return StorageFault(
                "SR-STORE-005", "the disk is full", why=why, fix="free some space; no restart is needed"
            )
        server = name is None and isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
        if error.connection_invalidated or server:
            return Unavailable(
                "SR-STORE-002",
                "the database cannot be reached",
                why=why,
                fix="check that the server runs, and that database_url names its address, a database of it and a user"
                " that it lets in; a host that is up connects again by itself",
            )
        if is_busy(error.orig):
            return Unavailable(
                "SR-STORE-004", "the database is locked", why=why, fix="find the other program that has it open"
            )
    return StorageFault("SR-STORE-001", "the database refused", why=why, fix="see the log of the daemon and the disk")


def is_busy(error: BaseException | None) -> bool:
    """Whether ``error`` of a driver says that another program has the database locked."""
    name = getattr(error, "sqlite_errorname", None)
    return isinstance(name, str) and name.split("_SNAPSHOT")[0] in _BUSY


def is_full(error: BaseException | None) -> bool:
    """Whether ``error`` of a driver says that there is no room on the disk."""
    return getattr(error, "sqlite_errorname", None) in _FULL or getattr(error, "sqlstate", None) == _DISK_FULL


def is_refused(error: BaseException | None) -> bool:
    """Whether ``error`` of a driver may come of a disk, or a quota, without room: SQLite tells no more of it."""
    return is_full(error) or getattr(error, "sqlite_errorname", None) == "SQLITE_IOERR_WRITE"


def _why(error: SQLAlchemyError) -> str:
    source = getattr(error, "orig", None) or error
    lines = str(source).strip().splitlines()
    return f"{type(source).__name__}: {lines[0][:WHY_CHARACTERS_MAX]}" if lines else type(source).__name__
