"""What the guest may ask for inside the enclave: its secrets, the enclave's clock, capabilities through the plugin."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.enclave.released_secrets import ReleasedSecrets
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.request import ConfidentialExecution

__all__ = ["EnclaveHelper"]

_SIGN_BIT: Final = 1 << 63


class EnclaveHelper:
    """Implements ``strongroom.guest.execution_helper.ExecutionHelper`` for one execution."""

    def __init__(
        self, execution: ConfidentialExecution, released: ReleasedSecrets, link: Link, *, timeout_ms: int
    ) -> None:
        self.execution_id = execution.execution_id
        self.node_seed = secrets.randbits(64) - _SIGN_BIT
        self.timeout_ms = timeout_ms
        self.entropy = secrets.token_bytes(32)
        self.clock_unix_ns = time.time_ns()
        self.sleeps_done = 0
        self.suspend_after_ms = 0
        self.log_lines = 0
        self._subscribing = execution.subscribing
        self._released = released
        self._link = link
        self._asking_vault = threading.Lock()

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """Relayed, except what a guest in an enclave may not call."""
        if self._subscribing:
            return sdk_pb2.CapabilityResponse(error=CALLS_CLOSED)
        if (refusal := refusal_of(request.id, request.method)) is not None:
            return sdk_pb2.CapabilityResponse(error=refusal)
        return self._link.call_capability(request)

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """From what was released to this execution. One fetch at a time, so that none is fetched twice."""
        with self._asking_vault:
            return self._released.answer(request)

    def log(self, mode: int, line: str) -> None:
        """Count it: a log line is payload, and payload does not leave the enclave in the clear."""
        self.log_lines += 1

    def metric(self, untrusted_metric: bytes) -> None:
        """Drop it, for the same reason as log lines."""

    def now_ns(self, mode: int) -> int | None:
        """The enclave's own clock."""
        return time.time_ns()

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        """Now: it is asked when the answer is there."""
        return time.time_ns()

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called when the plugin cancels."""
        self._link.on_cancel(stop)
