"""Keeps a guest to its restrictions and quotas: the host's side of a run, with a gate before every call and fetch.

The gate decides in the order in which the guest starts its calls (``begin_call``), and the call, which may come from
any thread and at any time after that, finds the decision. So nothing that happens beside the guest, and no answer that
comes sooner or later than before, changes what is denied.

A decision is kept with the request that it is about and is used once; a second call under the same id ends the run. So
no call ever runs on the decision about another one, whatever a runner says.
"""

import threading
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from strongroom.errors import GuestFault, LimitExceeded
from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.modules.decisions import Decisions, Key, Request, key_of
from strongroom.modules.module import ExecutionHelper, KeepsReceipts, Stop
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["KeepsRefusals", "RestrictedHelper"]

SEEN_MAX: Final = 2_000_000
"""Ids that are remembered for one execution: twice as many as a runner lets its guest use."""


@runtime_checkable
class KeepsRefusals(Protocol):
    """A host that journals refusals as it does answers. What it has of that call already counts more than they do.

    So a run whose limits were changed while it was away still sees what it saw.
    """

    def refuse_call(self, request: sdk_pb2.CapabilityRequest, refusal: str) -> sdk_pb2.CapabilityResponse:
        """The answer that stands for this call: the journalled one, or an error with the text ``refusal``."""

    def refuse_fetch(self, request: sdk_pb2.GetSecretsRequest, refusal: str) -> sdk_pb2.SecretResponses:
        """The same for a fetch. Raises ``StrongroomError`` with that text."""


class RestrictedHelper:
    """Implements ``ExecutionHelper`` around another one. ``owner`` stands in the answers for denied secrets."""

    def __init__(self, inner: ExecutionHelper, *, owner: str, decisions: Decisions) -> None:
        self.execution_id = inner.execution_id
        self.node_seed = inner.node_seed
        self.timeout_ms = inner.timeout_ms
        self.entropy = inner.entropy
        self.clock_unix_ns = inner.clock_unix_ns
        self.sleeps_done = inner.sleeps_done
        self.suspend_after_ms = inner.suspend_after_ms
        self.timeout_setting: str = getattr(inner, "timeout_setting", "limits.run_timeout_ms")
        self.timeout_limit_ms: int = getattr(inner, "timeout_limit_ms", 0) or inner.timeout_ms
        # What the run was accepted with, where the host says so; 0 stands for the limit of the day.
        self.response_bytes_max: int = getattr(inner, "response_bytes_max", 0)
        self.log_lines_max: int = getattr(inner, "log_lines_max", 0)
        self.log_line_bytes_max: int = getattr(inner, "log_line_bytes_max", 0)
        self.inner = inner
        # A host that numbers calls hears of each that is let through, in the guest's order.
        self._granted: Callable[[sdk_pb2.CapabilityRequest], None] | None = getattr(inner, "granted", None)
        self._owner = owner
        self._decisions = decisions
        self._deciding = threading.Lock()
        self._seen: set[Key] = set()
        self._open: dict[Key, tuple[Request, list[str] | str]] = {}
        self._fetching = threading.BoundedSemaphore(decisions.limits.secrets_fetches_in_flight_max)

    def begin_call(self, request: Request) -> None:
        """Decide about a call that the guest starts now. Called in the guest's order.

        Raises ``GuestFault`` for a second call under an id.
        """
        with self._deciding:
            self._begin(request)

    def _begin(self, request: Request) -> None:
        key = key_of(request)
        if key in self._seen or len(self._seen) >= SEEN_MAX:
            raise _used_twice(request.callback_id)
        self._seen.add(key)
        if isinstance(request, sdk_pb2.CapabilityRequest):
            refusal = self._decisions.of_call(request)
            self._open[key] = (request, refusal)
            if not refusal and self._granted is not None:
                self._granted(request)
        else:
            self._open[key] = (request, self._decisions.of_fetch(request))

    def _decision(self, request: Request) -> list[str] | str:
        """The decision about this very request, which nobody gets again."""
        key = key_of(request)
        with self._deciding:
            if key not in self._open:
                self._begin(request)
            decided, verdict = self._open.pop(key)
        if decided != request:
            raise _used_twice(request.callback_id)
        return verdict

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The answer, or the refusal as an answer. Raises ``GuestFault`` for a second call under an id."""
        if refusal := str(self._decision(request) or ""):
            if isinstance(self.inner, KeepsRefusals):
                return self.inner.refuse_call(request, refusal)
            return sdk_pb2.CapabilityResponse(error=refusal)
        return self.inner.call_capability(request)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One response for each request, in order; the vault hears only of those that are not denied."""
        refusals = self._decision(request)
        if isinstance(refusals, str):
            if isinstance(self.inner, KeepsRefusals):
                return self.inner.refuse_fetch(request, refusals)
            raise LimitExceeded("SR-RUN-050", refusals, fix="ask for more secrets in one fetch, or raise the limit")
        allowed = [asked for asked, refusal in zip(request.requests, refusals, strict=True) if not refusal]
        if len(allowed) == len(request.requests):
            with self._fetching:
                return self.inner.get_secrets(request)
        answered = sdk_pb2.SecretResponses()
        if allowed:
            with self._fetching:
                fewer = sdk_pb2.GetSecretsRequest(requests=allowed, callback_id=request.callback_id)
                answered = self.inner.get_secrets(fewer)
        answers = iter(answered.responses)
        return sdk_pb2.SecretResponses(
            responses=[
                self._denied(asked, refusal) if refusal else next(answers)
                for asked, refusal in zip(request.requests, refusals, strict=True)
            ]
        )

    def log(self, mode: int, line: str) -> None:
        """Handed on."""
        self.inner.log(mode, line)

    def metric(self, untrusted_metric: bytes) -> None:
        """Handed on."""
        self.inner.metric(untrusted_metric)

    def now_ns(self, mode: int) -> int | None:
        """Handed on."""
        return self.inner.now_ns(mode)

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Handed on; a denial has no time, so it moves no clock."""
        return self.inner.answered_unix_ns(kind, callback_id)

    def keep_receipt(self, receipt: bytes, assurance: str, result: bytes | None) -> None:
        """Handed on to a run that keeps it."""
        if isinstance(self.inner, KeepsReceipts):
            self.inner.keep_receipt(receipt, assurance, result)

    def on_cancel(self, stop: Stop) -> None:
        """Handed on."""
        self.inner.on_cancel(stop)

    def _denied(self, asked: sdk_pb2.SecretRequest, refusal: str) -> sdk_pb2.SecretResponse:
        error = sdk_pb2.SecretError(
            id=asked.id, namespace=asked.namespace or DEFAULT_NAMESPACE, owner=self._owner, error=refusal
        )
        return sdk_pb2.SecretResponse(error=error)


def _used_twice(callback_id: int) -> GuestFault:
    return GuestFault(
        "SR-GUEST-046",
        f"call {callback_id} was made already in this execution",
        why="duplicate callback id not allowed",
        fix="give every call of a run a callback id of its own",
        step=str(callback_id),
    )
