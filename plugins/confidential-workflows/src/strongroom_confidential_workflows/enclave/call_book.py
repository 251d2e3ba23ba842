"""The capability calls of one execution, in the order in which they left the enclave: signed, and written down.

Whoever answers is the host. The receipt says so of each call.
"""

import hashlib
import threading
from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.attest.fields import TEXT_BYTES_MAX
from strongroom.attest.result import BY_HOST, Call
from strongroom.attest.result import CALLS_MAX as RECORDED_MAX
from strongroom.crypto.signing import SigningKey
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.limits import CALL_BYTES_MAX
from strongroom_confidential_workflows.messages import CapabilityCall
from strongroom_confidential_workflows.signed_call import GuestCall, sign_call

__all__ = ["CallBook", "RelayedCalls"]

NO_ANSWER: Final = hashlib.sha256(b"").digest()
"""In place of the digest of an answer that never came."""
_ENVELOPE_BYTES: Final = 4096
"""What a signed call is longer than its payload, at most."""


class RelayedCalls(Protocol):
    """The host's capabilities, by way of the plugin; ``enclave.link.Link`` has it."""

    def call_capability(self, call: CapabilityCall) -> bytes:
        """The serialized answer. Raises ``TimedOut`` or ``Cancelled``."""


@dataclass(slots=True)
class _Written:
    ref: str
    capability_id: str
    request_sha256: bytes
    response_sha256: bytes = NO_ANSWER


class CallBook:
    """Sends calls for one execution; ``phase`` is what their references begin with. Threads may share it."""

    def __init__(self, link: RelayedCalls, key: SigningKey, *, execution_id: str, phase: str, calls_max: int) -> None:
        self._link = link
        self._key = key
        self._execution_id = execution_id
        self._phase = phase
        self._calls_max = min(calls_max, RECORDED_MAX)
        self._lock = threading.Lock()
        self._written: list[_Written] = []

    def refusal(self, request: sdk_pb2.CapabilityRequest) -> str:
        """Why this call cannot leave; empty when it can."""
        size = len(request.id.encode())
        if not 1 <= size <= TEXT_BYTES_MAX:
            return f"the id of the capability has {size} bytes, and 1 to {TEXT_BYTES_MAX} are allowed"
        if request.ByteSize() > CALL_BYTES_MAX - _ENVELOPE_BYTES:
            return f"the call has {request.ByteSize()} bytes, and {CALL_BYTES_MAX - _ENVELOPE_BYTES} is the limit"
        return ""

    def send(self, request: sdk_pb2.CapabilityRequest) -> bytes:
        """The serialized answer. Raises ``TimedOut``, ``Cancelled``; ``OverflowError`` for one call too many."""
        payload = request.SerializeToString()
        ref = f"{self._phase}{request.callback_id}"
        written = _Written(ref, request.id, hashlib.sha256(payload).digest())
        with self._lock:
            if len(self._written) >= self._calls_max:
                raise OverflowError(f"calls of one execution: more than {self._calls_max}")
            self._written.append(written)
            number = len(self._written)
        asked = GuestCall(execution_id=self._execution_id, reference_id=ref, capability_id=request.id, payload=payload)
        body, signature = sign_call(asked, self._key)
        answer = self._link.call_capability(CapabilityCall(call_id=number, body=body, signature=signature))
        written.response_sha256 = hashlib.sha256(answer).digest()
        return answer

    def calls(self) -> tuple[Call, ...]:
        """What was called so far."""
        with self._lock:
            return tuple(
                Call(
                    ref=each.ref,
                    capability_id=each.capability_id,
                    request_sha256=each.request_sha256,
                    response_sha256=each.response_sha256,
                    trust=BY_HOST,
                )
                for each in self._written
            )
