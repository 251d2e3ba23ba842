"""A pretended host for guests: it answers calls from a table and remembers what it was asked.

Rule 1: it is an ``ExecutionHelper``, so the same tests run on bare wasmtime and on real runners.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["Answer", "PretendedHost", "any_of", "trigger"]

Answer = Callable[[sdk_pb2.CapabilityRequest], Message | str]


def any_of(message: Message) -> AnyMessage:
    """``message`` in an ``Any`` with the usual type URL."""
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def trigger(payload: Message, *, index: int = 0, config: bytes = b"config") -> sdk_pb2.ExecuteRequest:
    """The request of one trigger event."""
    event = sdk_pb2.Trigger(id=index, payload=any_of(payload))
    return sdk_pb2.ExecuteRequest(config=config, trigger=event, max_response_size=100_000)


@dataclass(slots=True, kw_only=True)
class PretendedHost:
    """What a run may ask for. ``answers`` maps a capability id and method to a payload message or an error text."""

    answers: Mapping[tuple[str, str], Answer] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], str] = field(default_factory=dict)
    execution_id: str = "id"
    node_seed: int = 42
    timeout_ms: int = 60_000
    entropy: bytes = bytes(range(32))
    clock_unix_ns: int = 1_577_934_245_000_000_000
    sleeps_done: int = 0
    suspend_after_ms: int = 0
    times_ns: list[int] = field(default_factory=lambda: [1_577_934_245_000_000_000])
    owner: str = "0x" + "00" * 20
    lines: list[tuple[int, str]] = field(default_factory=list)
    calls: list[sdk_pb2.CapabilityRequest] = field(default_factory=list)
    asked_secrets: list[sdk_pb2.GetSecretsRequest] = field(default_factory=list)
    metrics: list[bytes] = field(default_factory=list)
    asked_time: int = 0
    stop: Callable[[str], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call_capability(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        with self._lock:
            self.calls.append(request)
        answer = self.answers.get((request.id, request.method))
        said = "action capability not found" if answer is None else answer(request)
        if isinstance(said, str):
            return sdk_pb2.CapabilityResponse(error=said)
        return sdk_pb2.CapabilityResponse(payload=any_of(said))

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        with self._lock:
            self.asked_secrets.append(request)
        return sdk_pb2.SecretResponses(responses=[self._secret(asked) for asked in request.requests])

    def _secret(self, asked: sdk_pb2.SecretRequest) -> sdk_pb2.SecretResponse:
        namespace = asked.namespace or "main"
        place = {"id": asked.id, "namespace": namespace, "owner": self.owner}
        value = self.secrets.get((namespace, asked.id))
        if value is None:
            return sdk_pb2.SecretResponse(error=sdk_pb2.SecretError(**place, error="could not find secret"))
        return sdk_pb2.SecretResponse(secret=sdk_pb2.Secret(**place, value=value))

    def log(self, mode: int, line: str) -> None:
        self.lines.append((mode, line))

    def metric(self, untrusted_metric: bytes) -> None:
        self.metrics.append(untrusted_metric)

    def now_ns(self, mode: int) -> int | None:
        self.asked_time += 1
        return self.times_ns[min(self.asked_time, len(self.times_ns)) - 1]

    def answered_unix_ns(self, kind: str, callback_id: int) -> int:
        return 0

    def on_cancel(self, stop: Callable[[str], None]) -> None:
        self.stop = stop
