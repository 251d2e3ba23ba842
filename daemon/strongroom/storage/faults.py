"""What a database error means to strongroom.

The text of a driver may quote values, so only its first line is passed on, and parameters never are.
"""

from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from strongroom.errors import StorageFault, Unavailable

__all__ = ["translated"]

WHY_CHARACTERS_MAX: Final = 200

_BUSY: Final = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED"})
_FULL: Final = frozenset({"SQLITE_FULL"})


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
        server = name is None and isinstance(error, OperationalError) and hasattr(error.orig, "sqlstate")
        if error.connection_invalidated or server:
            return Unavailable(
                "SR-STORE-002",
                "the database cannot be reached",
                why=why,
                fix="check that the server runs; strongroom connects again by itself",
            )
        if name is not None and name.split("_SNAPSHOT")[0] in _BUSY:
            return Unavailable(
                "SR-STORE-004", "the database is locked", why=why, fix="find the other program that has it open"
            )
        if name in _FULL:
            return StorageFault(
                "SR-STORE-005", "the disk is full", why=why, fix="free some space; no restart is needed"
            )
    return StorageFault("SR-STORE-001", "the database refused", why=why, fix="see the log of the daemon and the disk")


def _why(error: SQLAlchemyError) -> str:
    source = getattr(error, "orig", None) or error
    lines = str(source).strip().splitlines()
    return f"{type(source).__name__}: {lines[0][:WHY_CHARACTERS_MAX]}" if lines else type(source).__name__
