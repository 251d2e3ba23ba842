"""From a request on the wire to the author's function and back. The same in process and in a plugin process."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from google.protobuf.message import Message

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import Call, Capability, Registration, TriggerMethod, pack

__all__ = ["TriggerBook", "TriggerSink", "checked_capabilities", "invoke"]


class TriggerSink(Protocol):
    """Where the events of one registration go."""

    def event(self, event: capabilities_pb2.TriggerEvent) -> None:
        """Take one event."""

    def failed(self, error: CapabilityError) -> None:
        """Count an event that could not be made."""

    def unfinished(self) -> int:
        """How many runs of this registration have not ended. Raises ``CapabilityError`` where that is not known."""

    def ended(self, why: str) -> None:
        """No more events will come from this registration."""


def checked_capabilities(answer: object) -> list[Capability]:
    """``answer`` of the ``capabilities`` hook, checked. Raises ``TypeError`` or ``ValueError`` naming what is wrong."""
    if answer is None:
        return []
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise TypeError(f"capabilities() must return a list of Capability, it returned {type(answer).__name__}")
    seen: set[str] = set()
    for capability in answer:
        if not isinstance(capability, Capability):
            raise TypeError(f"capabilities() must return a list of Capability, it holds {type(capability).__name__}")
        if capability.id in seen:
            raise ValueError(f"capabilities() returned {capability.id} twice")
        if not capability.methods and not capability.triggers:
            raise ValueError(f"{capability.id} has neither methods nor triggers")
        seen.add(capability.id)
    return list(answer)


def invoke(
    capability: Capability, request: capabilities_pb2.CapabilityRequest, timeout_s: float
) -> capabilities_pb2.CapabilityResponse:
    """Call one method. Raises ``CapabilityError`` for a method that does not exist, and whatever the method raises."""
    method = capability.methods.get(request.method)
    if method is None:
        raise CapabilityError(
            "Public", "User", "Unimplemented", f"capability {capability.id} has no method {request.method[:100]!r}"
        )
    answer = method(
        Call(metadata=request.metadata, payload=request.payload, method=request.method, timeout_s=timeout_s)
    )
    if not isinstance(answer, Message):
        raise CapabilityError(
            "Private", "System", "Internal", f"{capability.id} {request.method} returned {type(answer).__name__}"
        )
    response = capabilities_pb2.CapabilityResponse()
    pack(response.payload, answer)
    return response


class _Events:
    """What a trigger method delivers into. Once closed it is silent."""

    def __init__(self, capability_id: str, sink: TriggerSink) -> None:
        self._capability_id = capability_id
        self._sink = sink
        self._open = True

    def send(self, event_id: str, payload: Message) -> None:
        event = capabilities_pb2.TriggerEvent(triggerType=self._capability_id, id=event_id)
        pack(event.payload, payload)
        if self._open:
            self._sink.event(event)

    def fail(self, error: CapabilityError) -> None:
        if self._open:
            self._sink.failed(error)

    def unfinished(self) -> int:
        return self._sink.unfinished()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._sink.ended("the event source closed")

    def detach(self) -> None:
        self._open = False

    def delivers_to(self, sink: TriggerSink) -> bool:
        return self._sink is sink


class TriggerBook:
    """The registrations of one capability, keyed by trigger id."""

    def __init__(self, capability: Capability) -> None:
        self._capability = capability
        self._lock = threading.Lock()
        self._live: dict[str, tuple[_Events, Callable[[], None]]] = {}

    def register(self, request: capabilities_pb2.TriggerRegistrationRequest, sink: TriggerSink) -> None:
        """Start one registration; a second one with the same id replaces the first. Raises what the method raises."""
        method = self._method(request.method)
        self.stop(request.triggerId)
        events = _Events(self._capability.id, sink)
        stop = method.register(
            Registration(
                trigger_id=request.triggerId, metadata=request.metadata, payload=request.payload, method=request.method
            ),
            events,
        )
        with self._lock:
            self._live[request.triggerId] = (events, stop)

    def stop(self, trigger_id: str, *, sink: TriggerSink | None = None) -> None:
        """Stop one registration, and let the trigger keep what it has. Stopping what is not there succeeds.

        With ``sink`` only if it still belongs to that sink: the end of an old stream must not stop its successor.
        """
        with self._lock:
            live = self._live.get(trigger_id)
            if live is None or (sink is not None and not live[0].delivers_to(sink)):
                return
            del self._live[trigger_id]
        live[0].detach()
        live[1]()

    def forget(self, trigger_id: str, method: str) -> None:
        """Stop one registration for good, live or not."""
        self.stop(trigger_id)
        found = self._capability.triggers.get(method)
        if found is not None:
            found.forget(trigger_id)

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event."""
        self._method(method).ack(trigger_id, event_id)

    def close(self) -> None:
        """Stop every registration."""
        with self._lock:
            ids = list(self._live)
        for trigger_id in ids:
            self.stop(trigger_id)

    def _method(self, name: str) -> TriggerMethod:
        method = self._capability.triggers.get(name)
        if method is None:
            raise CapabilityError(
                "Public", "User", "Unimplemented", f"capability {self._capability.id} has no trigger {name[:100]!r}"
            )
        return method
