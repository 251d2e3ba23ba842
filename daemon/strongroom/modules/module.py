"""The seam between the engine and whatever executes a workflow."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["LOCAL", "NO_TERMS", "Backend", "ExecutionHelper", "KeepsReceipts", "Module", "Terms", "Workflow"]


@dataclass(frozen=True, slots=True)
class Backend:
    """What executed, in the word that results and status show; ``insecure`` when it gives no hardware protection.

    ``protections`` are in force there and ``missing`` are not, as it says itself.
    """

    label: str
    insecure: bool
    protections: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


LOCAL = Backend("local", insecure=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one execution is subject to: what it runs in must satisfy the one, what its guest asks is kept to the other.

    Whoever calls a module has checked both already; a module that executes elsewhere hands them on, to be checked there
    once more.
    """

    requirements: sdk_pb2.Requirements | None = None
    restrictions: sdk_pb2.Restrictions | None = None


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """What a module needs to know of the workflow that it executes.

    ``owner`` is 40 hex digits, ``binary_sha256`` 64 hex digits over the bytes as registered.
    """

    workflow_id: str
    owner: str
    name: str
    tag: str
    binary_url: str
    binary_sha256: str


class Stop(Protocol):
    """Stops a run: what its guest waits for fails, and it is ended after the grace of the settings, or ``grace_ms``."""

    def __call__(self, reason: str, grace_ms: int = ...) -> None:
        """With ``grace_ms=0`` it is killed, also when it was asked to stop before."""


class ExecutionHelper(Protocol):
    """What a guest may ask its host for during one execution. Every call blocks and may come from any thread."""

    execution_id: str
    node_seed: int
    timeout_ms: int
    entropy: bytes
    clock_unix_ns: int
    sleeps_done: int
    suspend_after_ms: int

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The answer; a failed call is an answer with ``error`` set."""

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One answer for each request, in order. Raises ``StrongroomError`` when the fetch as a whole fails."""

    def log(self, mode: int, line: str) -> None:
        """Take a log line of the guest."""

    def metric(self, untrusted_metric: bytes) -> None:
        """Take a metric of the guest."""

    def now_ns(self, mode: int) -> int | None:
        """The agreed time in mode 1, the node's in mode 2, Unix nanoseconds; ``None`` when it is refused."""

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """When that call was answered, Unix nanoseconds; 0 if unknown."""

    def on_cancel(self, stop: Stop) -> None:
        """Call ``stop`` with the reason when the run is cancelled; at once when it already is."""


@runtime_checkable
class KeepsReceipts(Protocol):
    """A helper whose run keeps what shows in what it was executed."""

    def keep_receipt(self, receipt: bytes, assurance: str, result: bytes | None) -> None:
        """Have the receipt, and the class that it claims, on disk. Raises ``StrongroomError``.

        ``result`` are the bytes that it is about, none of an execution without a result; None where nobody has them.
        """


class Module(Protocol):
    """Executes one workflow. The engine cannot tell which kind it holds."""

    def start(self) -> None:
        """Make ready; called once before the first execution."""

    def execute(
        self, request: sdk_pb2.ExecuteRequest, helper: ExecutionHelper, terms: Terms = NO_TERMS
    ) -> sdk_pb2.ExecutionResult:
        """The guest's result. Raises a ``StrongroomError`` that says why there is none, or ``GuestSuspended``."""

    def backend(self) -> Backend:
        """What executes, for results and status."""

    def close(self) -> None:
        """Let go of what ``start`` took."""
