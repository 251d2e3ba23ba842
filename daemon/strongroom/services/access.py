"""Who may come in through one way, and whether what he asks is his to ask.

There are three ways in: the socket of users, that of administrators, and TLS. Each has an ``Access`` of its own, since
gRPC does not say which socket a call came through. A token adds to what the way gives; a wrong one is refused also
where the way alone would do, so that nobody believes it worked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from strongroom.errors import Forbidden, KeyMissing, NotFound, StrongroomError, Tampered
from strongroom.services.caller_book import CallerBook, Metadata, token_in, unknown
from strongroom.services.callers import Caller, socket_caller
from strongroom.services.roles import ALL_OWNERS, SOME_OWNER, Need, need_of
from strongroom.settings.callers import CallerEntry
from strongroom.settings.roles import EVERY_OWNER, USERS
from strongroom.telemetry import logs

__all__ = ["Access", "Finder", "Refused", "unheard", "users_socket"]

CERTIFICATES: Final = "certificates"
log = logs.get("services")


@dataclass(frozen=True, slots=True)
class Finder:
    """Whose a thing of one kind is. ``owner_of`` answers nothing, or raises, where it is not there; ``missing`` is what
    is said then, and to those who may not know that it is there."""

    owner_of: Callable[[str], str | None]
    missing: Callable[[str], StrongroomError] | None = None


Refused = Callable[[str, str, Forbidden], None]
"""Told of the method, the caller's name and the refusal."""


def unheard(method: str, caller: str, refusal: Forbidden) -> None:
    """The log alone hears of it."""
    log.warning("a call was refused", extra={"method": method, "caller": caller, "code": refusal.code})


@dataclass(frozen=True, kw_only=True)
class Access:
    """One way in. ``base`` is who comes through it and shows nothing; nobody, where that gives nothing.

    ``has_certificates`` says that those who come may show one instead of a token.
    """

    base: Caller | None
    book: CallerBook = field(default_factory=CallerBook)
    finders: Mapping[str, Finder] = field(default_factory=dict)
    on_refused: Refused = unheard
    has_certificates: bool = False

    def turned_away(self, metadata: Metadata) -> Forbidden | None:
        """Why somebody of whom nothing is known is refused before his message is read, which may be a large one."""
        if self.base is not None:
            return None
        try:
            token = token_in(metadata)
            if token is not None:
                self.book.by_token(token)
            elif not self.has_certificates:
                raise unknown()
        except Forbidden as refusal:
            return refusal
        return None

    def lane(self, metadata: Metadata) -> str:
        """The name of whoever calls, as far as it is known before his message: all who show certificates have one."""
        try:
            token = token_in(metadata)
            if token is not None:
                return self.book.by_token(token).name
        except Forbidden:
            # He is refused by that later, once somebody answers him.
            return ""
        return CERTIFICATES if self.base is None else self.base.name

    def caller(self, context: grpc.ServicerContext) -> Caller:
        """Who makes this call. Raises ``Forbidden``."""
        token = token_in(context.invocation_metadata())
        named = self.book.by_token(token) if token is not None else self._by_certificate(context)
        if named is not None:
            base = self.base or Caller("", (), "")
            way = " and ".join(filter(None, (base.way, "a token" if token is not None else "a certificate")))
            return Caller(named.name, base.grants + named.grants, way)
        if self.base is not None:
            return self.base
        raise unknown()

    def _by_certificate(self, context: grpc.ServicerContext) -> CallerEntry | None:
        presented = context.auth_context()
        # A name among the alternative ones is what verifiers go by; the common name is for certificates without any.
        names = presented.get("x509_subject_alternative_name") or presented.get("x509_common_name") or ()
        return self.book.by_certificate([bytes(name).decode(errors="replace") for name in names])

    def admit(self, caller: Caller, method: str, request: Any) -> None:  # Any: a message
        """Raises ``Forbidden`` or ``NotFound`` when ``caller`` may not call ``method`` with ``request``."""
        need = need_of(method, request)
        if need is None:
            raise Forbidden(
                "SR-AUTH-002",
                f"{method} is open to nobody",
                why="no rule says which role it needs",
                fix="this is a fault of the host: report it",
                method=method,
            )
        if caller.may(need.role, EVERY_OWNER):
            return
        if need.of == ALL_OWNERS:
            raise caller.lacks(need.role, EVERY_OWNER)
        # Before anything is looked for: a verb that is not his tells nobody what there is.
        if not caller.may_somewhere(need.role):
            raise caller.lacks(need.role)
        if need.of != SOME_OWNER:
            self._admit_for(caller, need)

    def _admit_for(self, caller: Caller, need: Need) -> None:
        finder = self.finders.get(need.of.kind)
        if finder is None:
            raise caller.lacks(need.role, EVERY_OWNER)
        try:
            owner = finder.owner_of(need.of.key)
        except (NotFound, Tampered, KeyMissing):
            # Of what failed authentication nobody knows the owner.
            owner = None
        if finder.missing is not None and (owner is None or not caller.sees(owner)):
            raise finder.missing(need.of.key)
        caller.require(need.role, owner or EVERY_OWNER)

    def refused(self, method: str, caller: str, refusal: Forbidden) -> None:
        """Have it on record that somebody was refused. He stays refused where no record can be made."""
        try:
            self.on_refused(method, caller, refusal)
        except StrongroomError as error:
            log.error("a refused call could not be recorded", extra={"method": method, "code": error.code})


def users_socket() -> Access:
    """What a socket gives without a word of anybody: read, run and register."""
    return Access(base=socket_caller("socket", USERS, "strongroom.sock"))
