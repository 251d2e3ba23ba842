"""The state of one run inside a runner, and what it becomes when the guest ends."""

import base64
import math
import time
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from strongroom.guest.limits import ERROR_CHARS_MAX
from strongroom.guest.runner.calls import Calls
from strongroom.guest.runner.clock import Entropy, GuestClock
from strongroom.guest.runner.memory import GuestMemory
from strongroom.guest.runner.native import GuestError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["DEADLINE_REASON", "Execution", "GuestExit", "GuestHost", "GuestWaits", "HostError"]

MODE_DON: Final = 1
MODE_NODE: Final = 2

Waits = Callable[[], runner_pb2.Waits]

TICK_S: Final = 0.02
"""How often the ticker looks; a failure within one tick of the deadline counts as the deadline."""

DEADLINE_REASON: Final = "context deadline exceeded"
EXIT_TEXTS: Final = {
    110: "invariant violation: error marshaling response",
    111: "invariant violation: invalid request to runner",
    112: "error executing runner",
    113: "invariant violation: host errored during sendResponse",
}
NO_RESPONSE: Final = "could not find response for execution"


class GuestExit(BaseException):
    """The guest called ``proc_exit``. It never leaves this package: the callback turns it into the end of the guest."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class HostError(BaseException):
    """The guest made it impossible to tell it about a failure, so the run ends. The text says how."""


class GuestWaits(BaseException):
    """The guest waits for longer than it may keep its runner, so the run ends here; ``waits`` says for what."""

    def __init__(self, waits: runner_pb2.Waits) -> None:
        super().__init__("the guest waits")
        self.waits = waits


class GuestHost(Protocol):
    """What answers the guest's imports. Starting a call does not block; its answer reaches ``execution.calls``."""

    def start_capability(self, execution: "Execution", request: sdk_pb2.CapabilityRequest) -> None:
        """Begin a capability call."""

    def start_secrets(self, execution: "Execution", request: sdk_pb2.GetSecretsRequest) -> None:
        """Begin a secrets fetch."""

    def now_ns(self, execution: "Execution", mode: int) -> int | None:
        """The agreed time in mode 1, the host's own in mode 2; ``None`` when it is refused, or the run is over."""

    def log(self, mode: int, line: str) -> None:
        """Take a log line."""

    def metric(self, payload: bytes) -> None:
        """Take a metric."""

    def wait(self, execution: "Execution", ready: Callable[[], bool], until_s: float) -> None:
        """Return when ``ready()`` holds, ``time.monotonic()`` reaches ``until_s``, or the run was stopped."""

    def poll(self, execution: "Execution") -> None:
        """Take in what has arrived, without waiting; called from the ticker while the guest computes."""


class Execution:
    """One run: its limits, what it has done so far, how it stands."""

    def __init__(self, order: runner_pb2.Execute, host: GuestHost) -> None:
        told = sdk_pb2.ExecuteRequest.FromString(order.request)
        told.max_response_size = order.limits.response_bytes_max
        self.arguments = (b"wasi\0", base64.b64encode(told.SerializeToString()) + b"\0")
        self.limits = limits = order.limits
        self.host = host
        self.execution_id = order.execution_id
        self.node_seed = order.node_seed
        self.calls = Calls(limits.calls_in_flight_max, bytes_max=limits.memory_bytes_max)
        self.entropy = Entropy(order.entropy)
        self.clock = GuestClock(order.clock_unix_ns) if order.clock_unix_ns else None
        """The guest's own clock; without one each reading is asked of the host."""
        self.sleeps_recorded = order.sleeps_done
        self.sleeps_done = 0
        self.suspend_after_s = order.suspend_after_ms / 1000
        self.mode = 0
        self.log_lines: dict[int, int] = {}
        self.metrics = 0
        self.refusals = 0
        """How often the host did not tell the time."""
        self.closed_descriptors: set[int] = set()
        self.first_node_ns: int | None = None
        self.response: bytes | None = None
        self.oversize_response = 0
        self.stopped = ""
        self.waits: runner_pb2.Waits | None = None
        self.exit_code: int | None = None
        self.guest_fault = ""
        self.host_fault = ""
        self.memory: GuestMemory  # set with the store, before the guest can call
        self.deadline_s = time.monotonic() + limits.timeout_ms / 1000
        self._end_s = self.deadline_s

    def stop(self, reason: str, grace_ms: int) -> None:
        """Let every wait of the guest fail for ``reason``, and end it ``grace_ms`` from now. The first reason stays."""
        self._end_s = min(self._end_s, time.monotonic() + grace_ms / 1000)
        self.stopped = self.stopped or reason or "cancelled"

    def is_over(self) -> bool:
        """True when nothing that the guest still does counts."""
        return bool(self.stopped) or time.monotonic() >= self.deadline_s

    def must_end(self) -> bool:
        """True when the guest must not go on."""
        return time.monotonic() >= self._end_s

    def over_reason(self) -> str:
        """Why a blocked import returns."""
        return self.stopped or DEADLINE_REASON

    def node_now_ns(self) -> int | None:
        """The time of this node, as the guest may see it; ``None`` when the host refuses."""
        return self.clock.read() if self.clock else self.host.now_ns(self, MODE_NODE)

    def patience_s(self) -> float:
        """Until when an import that begins now may wait before the guest is suspended, on the monotonic clock."""
        return time.monotonic() + self.suspend_after_s if self.suspend_after_s else math.inf

    def wait(self, ready: Callable[[], bool], *, until_s: float = math.inf, waits: Waits | None = None) -> bool:
        """True when ``ready()`` came to hold before the run was over.

        When it does not by ``until_s``, the guest is suspended; ``waits`` says what for.
        """
        if not ready() and not self.stopped:
            self.host.wait(self, ready, min(until_s, self.deadline_s))
            if waits is not None and until_s < self.deadline_s and not ready() and not self.is_over():
                self.suspend(waits())
        return ready() and not self.stopped

    def suspend(self, waits: runner_pb2.Waits) -> NoReturn:
        """End the guest, which can be run again to where it is."""
        waits.sleeps_done = self.sleeps_done
        raise GuestWaits(waits)

    def finish(self, error: GuestError | None) -> runner_pb2.Finished:
        """What the run comes to, now that the guest has ended. Source: contract section 11."""
        if self.host_fault:
            return self._failed(runner_pb2.OUTCOME_HOST_FAULT, f"panic during wasm execution: {self.host_fault}")
        if self.waits is not None:
            return runner_pb2.Finished(outcome=runner_pb2.OUTCOME_SUSPENDED, waits=self.waits)
        if self.guest_fault:
            text = self.guest_fault
        elif self.exit_code is not None:
            text = "" if self.exit_code == 0 else EXIT_TEXTS.get(self.exit_code, f"exit status {self.exit_code}")
        else:
            text = error.text if error else ""
        if not text and self.response is not None:
            return runner_pb2.Finished(outcome=runner_pb2.OUTCOME_RESULT, result=self.response)
        if self.stopped:
            return self._failed(runner_pb2.OUTCOME_CANCELLED, self.stopped)
        if (error is not None and error.interrupted) or time.monotonic() >= self.deadline_s - TICK_S:
            return self._failed(runner_pb2.OUTCOME_TIMED_OUT, DEADLINE_REASON)
        if self.oversize_response:
            text = (
                f"the result of {self.oversize_response} bytes is larger than the limit of "
                f"{self.limits.response_bytes_max} bytes (limits.response_bytes_max)"
            )
        return self._failed(runner_pb2.OUTCOME_GUEST_FAULT, text or NO_RESPONSE)

    def _failed(self, outcome: runner_pb2.Outcome.ValueType, text: str) -> runner_pb2.Finished:
        return runner_pb2.Finished(outcome=outcome, error=text[:ERROR_CHARS_MAX])
