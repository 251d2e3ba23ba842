"""Why a stored row is not a row of its table: values, not exceptions, because a peer can store anything.

RowError              carries the id
├── UnknownVersion    its ``_v`` is the number of no schema
├── ValidationFailed  its schema refuses it, or it is no row at all: carries every place
├── MigrationFailed   the author's ``migrate`` raised, or made what the latest schema refuses: carries the cause
└── UnreadableRow     its key is not here, or it was changed on its way: carries the reason

The rows themselves are plaintext, so no ``repr`` shows them. Source: contracts/workspace-encryption.md 8.
"""

from dataclasses import dataclass, field
from typing import Final

__all__ = [
    "FieldError",
    "MigrationFailed",
    "RowError",
    "UnknownVersion",
    "UnreadableRow",
    "ValidationFailed",
    "shown_id",
]

ID_SHOWN_CHARS_MAX: Final = 80
"""Peers choose ids; a text about one names its beginning."""


def shown_id(row_id: str) -> str:
    """``row_id`` for people: on one line, printable, and cut where it is long."""
    cut = row_id if len(row_id) <= ID_SHOWN_CHARS_MAX else row_id[:ID_SHOWN_CHARS_MAX] + "…"
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in cut)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One place that a schema refuses: its dotted ``path`` (empty for the whole row), and why.

    ``kind`` is a word of pydantic's and holds nothing of the row; ``message`` may, where a validator of the author's
    wrote it.
    """

    path: str
    message: str = field(repr=False)
    kind: str = ""


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that is there and cannot be had. ``id`` is its key, with which it can be replaced or deleted."""

    id: str = field(repr=False)

    @property
    def message(self) -> str:
        """What is wrong, for people; nothing of the row but its id."""
        return f"Row '{shown_id(self.id)}' cannot be read"

    @property
    def reason(self) -> str:
        """One word for programs."""
        return "unreadable"


@dataclass(frozen=True, slots=True)
class UnknownVersion(RowError):
    """Written by a newer program, or by nothing that knows this table. ``version`` is what ``_v`` says, as text."""

    version: str
    row: object = field(repr=False)

    @property
    def message(self) -> str:
        """The contract's text."""
        return f"Row '{shown_id(self.id)}' has unknown _v value: {self.version}"

    @property
    def reason(self) -> str:
        """One word for programs."""
        return "unknown-version"


@dataclass(frozen=True, slots=True)
class ValidationFailed(RowError):
    """The schema of its version refuses it. ``errors`` are the places, ``row`` is what is stored."""

    errors: tuple[FieldError, ...]
    row: object = field(repr=False)

    @property
    def message(self) -> str:
        """Where it is wrong, as far as that tells nothing of the row."""
        places = ", ".join(f"{each.path or 'the row'} ({each.kind})" for each in self.errors[:3])
        return f"Row '{shown_id(self.id)}' failed validation: {places}"

    @property
    def reason(self) -> str:
        """One word for programs."""
        return "validation-failed"


@dataclass(frozen=True, slots=True)
class MigrationFailed(RowError):
    """``migrate`` could not make a row of the latest schema from it. ``cause`` is what it raised."""

    cause: Exception = field(repr=False)
    row: object = field(repr=False)

    @property
    def message(self) -> str:
        """What kind of error it was; its text may hold parts of the row."""
        return f"Row '{shown_id(self.id)}' could not be migrated: {type(self.cause).__name__}"

    @property
    def reason(self) -> str:
        """One word for programs."""
        return "migration-failed"


@dataclass(frozen=True, slots=True)
class UnreadableRow(RowError):
    """Its value cannot be decrypted here. ``key_version`` is the one it says it needs, ``None`` where it says none."""

    why: str
    key_version: int | None

    @property
    def message(self) -> str:
        """The reason that the store gives."""
        return f"Row '{shown_id(self.id)}' is unreadable: {self.why}"
