"""What the gate decided about the calls of one phase of a run, over all executions of its guest.

Rule 1: a call is decided and counted once in the life of a run. A guest that is executed again and makes it again gets
the same decision, whatever the limits are by then, and nothing is counted a second time.
Rule 2: what an earlier execution made counts before anything new is decided, whether the guest makes it again or not:
a guest that is suspended does not get its counts back.
Rule 3: a decision is about one request. Under the same id another one is passed on only to a host that knows what was
asked before, and refuses it; otherwise the run ends here.

Source: contracts, "cre-guest" sections 12 and 15.
"""

import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from strongroom.errors import CapabilityError, NondeterministicGuest
from strongroom.modules.quotas import Quotas
from strongroom.modules.restrictions import Ledger, denial_of
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.plugin.error_text import format_error

__all__ = ["Decisions", "Key", "Made", "Request", "key_of"]

Request = sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest
Key = tuple[bool, int]
"""Whether it is a fetch of secrets, and its callback id."""
DECIDED_MAX: Final = 1_000_000
"""As many calls as a runner lets its guest make. The engine, which counts steps, allows fewer."""
TOO_MANY: Final = "calls of one run: more than a run may make"


@dataclass(frozen=True, slots=True)
class Made:
    """A call of an earlier execution as the journal has it: what left this host of it, or why it was refused.

    Without an answer it is not known whether it was refused; then it is decided anew, after those that are known.
    """

    request: Request
    refusal: str = ""
    answered: bool = True


@dataclass(slots=True)
class _Decided:
    """``verdict`` is that of a call, or of a fetch as a whole, or one for each secret. ``asked`` digests the request.

    ``made`` is set once the host knows of it from its journal.
    """

    verdict: str | list[str]
    asked: bytes = b""
    made: Made | None = None


class Decisions:
    """Decides. Any thread may ask; the order in which it is asked is the guest's."""

    def __init__(self, quotas: Quotas, ledger: Ledger | None = None, *, decided_max: int = DECIDED_MAX) -> None:
        self.limits = quotas.limits
        self._quotas = quotas
        self._ledger = ledger
        self._decided_max = decided_max
        self._lock = threading.Lock()
        self._decided: dict[Key, _Decided] = {}

    def begin(self, made: Iterable[Made]) -> None:
        """Count what the journal has, in its order. Called before each execution of the guest."""
        with self._lock:
            unanswered = []
            for each in made:
                known = self._decided.get(key_of(each.request))
                if known is not None:
                    known.made = each
                elif not each.answered:
                    unanswered.append(each)
                else:
                    if not each.refusal:
                        self._charge(each.request)
                    self._decided[key_of(each.request)] = _Decided(each.refusal, made=each)
            for each in unanswered:
                self._decided[key_of(each.request)] = _Decided(self._decide(each.request), made=each)

    def of_call(self, request: sdk_pb2.CapabilityRequest) -> str:
        """Why that call is refused, as the guest reads it; empty when it is granted. Raises
        ``NondeterministicGuest``."""
        verdict = self._verdict(request)
        return verdict if isinstance(verdict, str) else ""

    def of_fetch(self, request: sdk_pb2.GetSecretsRequest) -> list[str] | str:
        """The same for each secret of a fetch, or for the fetch as a whole."""
        verdict = self._verdict(request)
        return verdict or [""] * len(request.requests) if isinstance(verdict, str) else verdict

    def _verdict(self, request: Request) -> str | list[str]:
        asked = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        with self._lock:
            known = self._decided.get(key_of(request))
            if known is None:
                if len(self._decided) >= self._decided_max:
                    return _refused(TOO_MANY) if isinstance(request, sdk_pb2.CapabilityRequest) else TOO_MANY
                verdict = self._decide(request)
                self._decided[key_of(request)] = _Decided(verdict, asked)
                return verdict
            if known.asked == asked:
                return known.verdict
            if known.made is None:
                raise NondeterministicGuest(
                    "SR-GUEST-047",
                    f"the guest is not deterministic: call {request.callback_id} asked for something else before",
                    fix="a guest may depend on its config, payload, seed, time and answers only",
                    step=str(request.callback_id),
                )
            is_refused = isinstance(known.verdict, str) and known.verdict != ""
            if is_refused or isinstance(request, sdk_pb2.CapabilityRequest):
                return known.verdict
            return _given(known.made.request, request)

    def _decide(self, request: Request) -> str | list[str]:
        """Nothing is counted anywhere unless both grant it."""
        if isinstance(request, sdk_pb2.CapabilityRequest):
            refusal = self._quotas.call_refusal(request) or (self._ledger.take_call(request) if self._ledger else "")
            if refusal:
                return _refused(refusal)
            self._quotas.take_call(request)
            return ""
        if refusal := self._quotas.fetch_refusal(len(request.requests)):
            return refusal
        self._quotas.take_fetch()
        return [self._ledger.take_secret(asked) if self._ledger else "" for asked in request.requests]

    def _charge(self, request: Request) -> None:
        if isinstance(request, sdk_pb2.CapabilityRequest):
            self._quotas.take_call(request)
            if self._ledger:
                self._ledger.charge_call(request)
            return
        self._quotas.take_fetch()
        if self._ledger:
            for asked in request.requests:
                self._ledger.charge_secret(asked)


def key_of(request: Request) -> Key:
    """What tells the calls of one phase apart."""
    return isinstance(request, sdk_pb2.GetSecretsRequest), request.callback_id


def _refused(why: str) -> str:
    return format_error(CapabilityError("Public", "User", "LimitExceeded", why))


def _given(made: Message, request: sdk_pb2.GetSecretsRequest) -> list[str]:
    """The verdicts for the secrets of a fetch, of which the journal has those that were not denied.

    A denial stays one within a fetch, so those are the first ones of each name. A fetch that is not the one that was
    made is let through to the host, which knows what it was.
    """
    left = list(made.requests) if isinstance(made, sdk_pb2.GetSecretsRequest) else []
    verdicts = []
    for asked in request.requests:
        is_next = bool(left) and left[0] == asked
        verdicts.append("" if is_next else denial_of(asked))
        if is_next:
            del left[0]
    return [""] * len(verdicts) if left else verdicts
