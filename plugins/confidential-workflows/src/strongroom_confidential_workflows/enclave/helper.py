"""What the guest may ask for inside the enclave: its secrets, the enclave's clock, capabilities through the plugin."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.guest.ids import owner_checksum
from strongroom.modules.vault_reads import NOT_FOUND, not_listed
from strongroom.plugin import Cancelled, TimedOut
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.enclave.call_book import CallBook
from strongroom_confidential_workflows.enclave.link import Link
from strongroom_confidential_workflows.guest_calls import CALLS_CLOSED, refusal_of
from strongroom_confidential_workflows.request import DEFAULT_NAMESPACE, ConfidentialExecution, NamedSecret

__all__ = ["EnclaveHelper"]

_SIGN_BIT: Final = 1 << 63
NOT_TEXT: Final = "the value of this secret is not text in UTF-8"


class EnclaveHelper:
    """Implements ``strongroom.guest.execution_helper.ExecutionHelper`` for one execution.

    ``values`` were released to it. A name that the request lists and that is not among them does not exist.
    """

    def __init__(
        self,
        execution: ConfidentialExecution,
        values: Mapping[NamedSecret, bytes],
        calls: CallBook,
        link: Link,
        config: EnclaveConfig,
        *,
        timeout_ms: int,
    ) -> None:
        self.execution_id = execution.execution_id
        self.node_seed = secrets.randbits(64) - _SIGN_BIT
        self.timeout_ms = timeout_ms
        self.entropy = secrets.token_bytes(32)
        self.clock_unix_ns = time.time_ns()
        self.sleeps_done = 0
        self.suspend_after_ms = 0
        self.log_lines = 0
        self._execution = execution
        self._values = values
        self._calls = calls
        self._link = link
        self._config = config

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """Relayed, except what a guest in an enclave may not call."""
        if refusal := self._refusal(request):
            return sdk_pb2.CapabilityResponse(error=refusal)
        try:
            return sdk_pb2.CapabilityResponse.FromString(self._calls.send(request))
        except DecodeError:
            return sdk_pb2.CapabilityResponse(error="the answer of the capability is not readable")
        except (TimedOut, Cancelled, OverflowError) as error:
            return sdk_pb2.CapabilityResponse(error=str(error))

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """From what was released to this execution. Nothing is asked for any more."""
        names = [NamedSecret(asked.namespace or DEFAULT_NAMESPACE, asked.id) for asked in request.requests]
        return sdk_pb2.SecretResponses(responses=[self._response(name) for name in names])

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

    def keep_receipt(self, receipt: bytes, assurance: str, result: bytes | None) -> None:
        """Drop it: what runs inside of an enclave makes no other receipt than that of the enclave."""

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        """Have ``stop`` called when the plugin cancels."""
        self._link.on_cancel(stop)

    def _refusal(self, request: sdk_pb2.CapabilityRequest) -> str:
        if self._execution.subscribing:
            return CALLS_CLOSED
        if (refusal := refusal_of(request.id, request.method)) is not None:
            return refusal
        if not self._config.allows(request.id):
            return f"capability {request.id[:128]} is not among those that this enclave's configuration allows"
        return self._calls.refusal(request)

    def _response(self, name: NamedSecret) -> sdk_pb2.SecretResponse:
        owner, value = owner_checksum(self._execution.owner), self._values.get(name)
        if value is None:
            why = NOT_FOUND if name in self._execution.secrets else not_listed(name.namespace, name.key)
        else:
            try:
                secret = sdk_pb2.Secret(id=name.key, namespace=name.namespace, owner=owner, value=value.decode())
                return sdk_pb2.SecretResponse(secret=secret)
            except UnicodeDecodeError:
                why = NOT_TEXT
        error = sdk_pb2.SecretError(id=name.key, namespace=name.namespace, owner=owner, error=why)
        return sdk_pb2.SecretResponse(error=error)
