"""What a run may ask its host for.

The engine implements it for local runs, the enclave runner for confidential ones.
"""

from collections.abc import Callable
from typing import Protocol

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["ExecutionHelper"]


class ExecutionHelper(Protocol):
    """The host's side of one run. Calls block, and several may come at once from different threads."""

    execution_id: str
    """64 hex digits; empty during subscribe."""
    node_seed: int
    """Seed of node mode, signed 64 bit, drawn once for the run."""
    timeout_ms: int
    """Time left for the run when it is handed over."""

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The answer. A failed call does not raise: it is an answer with ``error`` set."""

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One response for each request, in order. Raises ``StrongroomError`` when the fetch as a whole fails."""

    def log(self, mode: int, line: str) -> None:
        """Take a line that the guest wrote in ``mode``, already cut to its limit."""

    def metric(self, untrusted_metric: bytes) -> None:
        """Take a serialized ``workflows.v2.WorkflowUserMetric``; name, labels and size are within their limits."""

    def now_ns(self) -> int:
        """The agreed time of this run, Unix nanoseconds."""

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called once with the reason when the run is cancelled; at once when it already is."""
