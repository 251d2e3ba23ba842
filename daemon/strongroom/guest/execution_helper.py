"""What a run may ask its host for.

The engine implements it for local runs, the enclave runner for confidential ones. For the error of a run that used up
its time, a helper may also have the attributes ``timeout_setting``, the name of the setting that ``timeout_ms`` comes
from, and ``timeout_limit_ms``, its value, of which ``timeout_ms`` is what is left. Its
attributes ``response_bytes_max``, ``log_lines_max`` and ``log_line_bytes_max`` stand in for the limits of that name
unless they are 0: a run that is executed again sees those that it was accepted with.
"""

from typing import Protocol, runtime_checkable

from strongroom.guest.cancellation import Stop
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["CountsCalls", "ExecutionHelper"]


class ExecutionHelper(Protocol):
    """The host's side of one run. Calls block, and several may come at once from different threads."""

    execution_id: str
    """64 hex digits; empty during subscribe."""
    node_seed: int
    """Seed of node mode, signed 64 bit, drawn once for the run."""
    timeout_ms: int
    """Time left for the run when it is handed over."""
    entropy: bytes
    """32 bytes drawn once for the run; what ``random_get`` gives is derived from them."""
    clock_unix_ns: int
    """Where the guest's own clock begins, Unix nanoseconds; 0 when each reading of it is asked of ``now_ns``."""
    sleeps_done: int
    """Sleeps that lie behind the guest: so many return at once."""
    suspend_after_ms: int
    """A guest that waits in one import for longer is ended with ``GuestSuspended``; 0: it keeps its runner."""

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The answer. A failed call does not raise: it is an answer with ``error`` set."""

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One response for each request, in order. Raises ``StrongroomError`` when the fetch as a whole fails."""

    def log(self, mode: int, line: str) -> None:
        """Take a line that the guest wrote in ``mode``, already cut to its limit."""

    def metric(self, untrusted_metric: bytes) -> None:
        """Take a serialized ``workflows.v2.WorkflowUserMetric``; name, labels and size are within their limits."""

    def now_ns(self, mode: int) -> int | None:
        """Unix nanoseconds: in mode 1 the agreed time of this run, in mode 2 the clock of this node.

        ``None`` when the guest may not ask any more.
        """

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """When a call of ``kind`` (``capability`` or ``secrets``) was answered, Unix nanoseconds; 0 if unknown.

        Asked after the call returned. The guest's clock moves on to it when it takes the answer.
        """

    def on_cancel(self, stop: Stop) -> None:
        """Have ``stop`` called with the reason when the run is cancelled; at once when it already is.

        Called with the reason alone it gives the guest ``limits.cancel_grace_ms``; with ``grace_ms=0`` it kills, also
        when the run was asked to stop before.
        """


@runtime_checkable
class CountsCalls(Protocol):
    """A helper that decides about calls in the order in which the guest starts them, whatever thread makes them."""

    def begin_call(self, request: sdk_pb2.CapabilityRequest | sdk_pb2.GetSecretsRequest) -> None:
        """Called once for each call, before it, and in the guest's order. Must not block."""
