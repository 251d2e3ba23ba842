"""Who may come in through one way, and whether what he asks is his to ask.

There are three ways in: the socket of users, that of administrators, and TLS. Each has an ``Access`` of its own, since
gRPC does not say which socket a call came through. A token adds to what the way gives; a wrong one is refused also
where the way alone would do, so that nobody believes it worked.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import grpc

from strongroom.errors import Forbidden, KeyMissing, NotFound, StrongroomError, Tampered
from strongroom.services.callers import Caller, socket_caller
from strongroom.services.roles import ALL_OWNERS, SOME_OWNER, Need, need_of
from strongroom.settings.callers import CallerEntry
from strongroom.settings.roles import EVERY_OWNER, USERS
from strongroom.telemetry import logs

__all__ = ["TOKEN_CHARS_MAX", "Access", "CallerBook", "Finder", "Refused", "unheard", "users_socket"]

TOKEN_CHARS_MAX: Final = 512
"""Tokens of ours have 43 characters; a longer one is not hashed."""
SCHEME: Final = "bearer "
HEADER: Final = "authorization"
log = logs.get("services")


@dataclass(frozen=True, slots=True)
class Finder:
    """Whose a thing of one kind is. ``owner_of`` answers nothing, or raises, where it is not there; ``missing`` is what
    is said then, and to those who may not know that it is there."""

    owner_of: Callable[[str], str | None]
    missing: Callable[[str], StrongroomError] | None = None


class CallerBook:
    """The callers' file, as it was read at the start."""

    def __init__(self, entries: Sequence[CallerEntry] = (), *, now_s: Callable[[], float] = time.time) -> None:
        self._with_token = [entry for entry in entries if entry.token_sha256]
        self._with_certificate = [entry for entry in entries if entry.certificate]
        self._now_s = now_s

    def by_token(self, untrusted: str) -> CallerEntry:
        """Whose token it is. Raises ``Forbidden``."""
        found = None
        if 0 < len(untrusted) <= TOKEN_CHARS_MAX:
            digest = hashlib.sha256(untrusted.encode(errors="replace")).digest()
            for entry in self._with_token:
                # All of them, whichever it is: the time says nothing.
                if hmac.compare_digest(entry.token_sha256, digest):
                    found = entry
        if found is None:
            raise Forbidden(
                "SR-AUTH-003",
                "the token is not known here",
                why="no entry of callers_file has its digest",
                fix="make one with `strongroom callers token`, add its entry and restart the host",
            )
        self._check_time(found)
        return found

    def by_certificate(self, names: Sequence[str]) -> CallerEntry | None:
        """Whose certificate bears one of ``names``: the first entry of the file. Raises ``Forbidden`` when it ended."""
        wanted = {name.lower() for name in names}
        found = next((entry for entry in self._with_certificate if entry.certificate.lower() in wanted), None)
        if found is not None:
            self._check_time(found)
        return found

    def _check_time(self, entry: CallerEntry) -> None:
        if entry.ends_at and self._now_s() >= entry.ends_at:
            raise Forbidden(
                "SR-AUTH-004",
                f"the entry of {entry.name} has expired",
                why="callers_file says until when it holds",
                fix="ask the operator for a new one",
                caller=entry.name,
            )


Metadata: TypeAlias = Sequence[tuple[str, str | bytes]] | None
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
            token = _token_in(metadata)
            if token is not None:
                self.book.by_token(token)
            elif not self.has_certificates:
                raise _unknown()
        except Forbidden as refusal:
            return refusal
        return None

    def caller(self, context: grpc.ServicerContext) -> Caller:
        """Who makes this call. Raises ``Forbidden``."""
        token = _token_in(context.invocation_metadata())
        named = self.book.by_token(token) if token is not None else self._by_certificate(context)
        if named is not None:
            base = self.base or Caller("", (), "")
            way = " and ".join(filter(None, (base.way, "a token" if token is not None else "a certificate")))
            return Caller(named.name, base.grants + named.grants, way)
        if self.base is not None:
            return self.base
        raise _unknown()

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


def _unknown() -> Forbidden:
    return Forbidden(
        "SR-AUTH-006",
        "nobody may call here without a token, or a certificate that is known",
        why="callers_file names nobody like this caller",
        fix="send the metadata `authorization: Bearer TOKEN`, or ask the operator for an entry",
    )


def _token_in(metadata: Metadata) -> str | None:
    values = [value for key, value in metadata or () if key == HEADER]
    if not values:
        return None
    value = values[0]
    if len(values) != 1 or not isinstance(value, str) or not value.lower().startswith(SCHEME):
        raise Forbidden(
            "SR-AUTH-005",
            "the metadata `authorization` is not one bearer token",
            why="it is read only as `Bearer TOKEN`, and only once",
            fix="send `authorization: Bearer TOKEN`",
        )
    return value[len(SCHEME) :].strip()


def users_socket() -> Access:
    """What a socket gives without a word of anybody: read, run and register."""
    return Access(base=socket_caller("socket", USERS, "strongroom.sock"))
