"""Who calls: a name, and roles for owners. The guard of each way in finds out, services ask with ``caller_of``.

Rule 1: what is granted for every owner holds for owners that come later too; nothing else does.
Rule 2: a thing of an owner for whom somebody has no role at all is not there for him. Verbs are refused by their name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import grpc

from strongroom.engine.auditing import CALLER
from strongroom.errors import Forbidden
from strongroom.settings.roles import EVERY_OWNER, Grant, Role

__all__ = ["Caller", "caller_of", "calling", "socket_caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls. ``way`` says in words how he came."""

    name: str
    grants: tuple[Grant, ...] = ()
    way: str = ""

    def owners(self, role: Role) -> frozenset[str] | None:
        """The owners for whom he has ``role``; nothing for every one."""
        found: set[str] = set()
        for grant in self.grants:
            if role in grant.roles:
                if grant.owners is None:
                    return None
                found |= grant.owners
        return frozenset(found)

    def may(self, role: Role, owner: str) -> bool:
        """Whether he has ``role`` for ``owner``; ``EVERY_OWNER`` and none at all ask for it for every owner."""
        owners = self.owners(role)
        return owners is None or (owner != EVERY_OWNER and owner in owners)

    def may_somewhere(self, role: Role) -> bool:
        """Whether he has ``role`` for anybody."""
        owners = self.owners(role)
        return owners is None or bool(owners)

    def sees(self, owner: str) -> bool:
        """Whether what ``owner`` has is there for him: whether he has any role for that owner."""
        return any(self.may(role, owner) for role in Role)

    def require(self, role: Role, owner: str) -> None:
        """Raises ``Forbidden`` when he has not ``role`` for ``owner``."""
        if not self.may(role, owner):
            raise self.lacks(role, owner)

    def lacks(self, role: Role, owner: str = "") -> Forbidden:
        """The refusal: which role for whom, and how to get it."""
        whom = {"": "", EVERY_OWNER: " for every owner"}.get(owner, f" for owner {owner[:80]}")
        has = ", ".join(each for each in Role if self.may_somewhere(each)) or "no role"
        return Forbidden(
            "SR-AUTH-001",
            f"{self.name} has not the role {role}{whom}",
            why=f"{self.way or 'the way that the call came'} gives {has}",
            fix="call through admin.sock, or with a token or certificate to which callers_file grants it",
            role=str(role),
            owner=owner,
            caller=self.name,
        )


def socket_caller(name: str, roles: frozenset[Role], way: str) -> Caller:
    """Whoever may open a socket: nobody knows who, and what the file permissions give they give for every owner."""
    return Caller(name, (Grant(roles),), way)


_NOBODY: Final = Caller("nobody", way="a call that nobody looked at")
_CURRENT: Final[ContextVar[Caller]] = ContextVar("strongroom_calling", default=_NOBODY)


def caller_of(context: grpc.ServicerContext) -> Caller:
    """Who makes the call that is being answered. Outside of a guard it is somebody who may do nothing."""
    del context  # A call is answered in one thread, from its first message to its last.
    return _CURRENT.get()


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """The block answers a call of ``caller``."""
    _CURRENT.set(caller)
    CALLER.set(caller.name)
    try:
        yield
    finally:
        # Not by token: a stream that its client left may be closed by another thread.
        _CURRENT.set(_NOBODY)
        CALLER.set("")
