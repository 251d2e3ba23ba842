"""Roles, and grants of them: what a caller may do, and for which owners."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["EVERYTHING", "EVERY_OWNER", "USERS", "Grant", "Role"]

EVERY_OWNER: Final = "*"


class Role(StrEnum):
    """What a caller may do, always for an owner or for all of them."""

    READ = "read"
    RUN = "run"
    REGISTER = "register"
    DECRYPT = "decrypt"
    ADMIN = "admin"


USERS: Final = frozenset({Role.READ, Role.RUN, Role.REGISTER})
"""What the ordinary socket gives."""
EVERYTHING: Final = frozenset(Role)
"""What the administrators' socket gives."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Roles for owners; no ``owners`` means every one, also one that comes later."""

    roles: frozenset[Role]
    owners: frozenset[str] | None = None
