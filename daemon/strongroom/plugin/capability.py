"""A capability as its author writes it: an id, and a function for each method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2

__all__ = ["Call", "Capability", "Events", "Kind", "Method", "Registration", "TriggerMethod", "pack", "unpack"]

Kind = Literal["trigger", "action", "consensus", "target", "combined"]
M = TypeVar("M", bound=Message)
URL_PREFIX: Final = "type.googleapis.com/"


def pack(payload: any_pb2.Any, message: Message) -> None:
    """Put ``message`` into ``payload``: ``Any.Pack``, without its layers of Python. An ``Any`` is packed already."""
    if isinstance(message, any_pb2.Any):
        payload.CopyFrom(message)
        return
    payload.type_url = URL_PREFIX + message.DESCRIPTOR.full_name
    payload.value = message.SerializeToString()


def unpack(payload: any_pb2.Any, message_type: type[M]) -> M:
    """``payload`` as a ``message_type``. Raises ``CapabilityError`` (User, InvalidArgument) for another type."""
    expected = message_type.DESCRIPTOR.full_name
    _, slash, found = payload.type_url.rpartition("/")
    try:
        # What Any.Unpack does, without its layers of Python: it is on the path of every call.
        if slash and found == expected:
            return message_type.FromString(payload.value)
    except DecodeError:
        raise CapabilityError("Public", "User", "InvalidArgument", f"the payload is not a valid {expected}") from None
    found = found or "nothing"
    raise CapabilityError("Public", "User", "InvalidArgument", f"the payload must be {expected}, it is {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a method.

    ``metadata`` says for whom (owner, workflow, run); ``payload`` is the request message, packed; ``timeout_s`` is the
    time left, and an answer that comes later is thrown away.
    """

    metadata: capabilities_pb2.RequestMetadata
    payload: any_pb2.Any = field(repr=False)
    method: str
    timeout_s: float

    def unpack(self, message_type: type[M]) -> M:
        """The request as a ``message_type``. Raises ``CapabilityError`` (User, InvalidArgument) for another type."""
        return unpack(self.payload, message_type)


EVENT_ID_BYTES_MAX: Final = 256
"""An event id is a time, a request id or a hash; it is stored in the clear and indexed. A host refuses longer ones."""


class Events(Protocol):
    """Where a trigger delivers its events. Every function may be called from any thread."""

    def send(self, event_id: str, payload: Message) -> None:
        """Deliver one event. The same ``event_id`` for the same registration never starts a second run.

        ``payload`` is the trigger's message, or an ``Any`` that holds it.
        It returns late while the workflow has enough to do, and that is the way in which the host asks for patience:
        send the events of different registrations from different threads, or through an ``EventBook``. It may raise
        ``LimitExceeded`` when the host is too far behind. That it returns says nothing; ``ack`` does.
        """

    def fail(self, error: CapabilityError) -> None:
        """Report an event that could not be made."""

    def unfinished(self) -> int:
        """How many runs of this registration have not ended. Raises ``CapabilityError`` (Unimplemented) in a plugin
        process, whose wire has no question for it."""

    def close(self) -> None:
        """Say that no more events will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a trigger method is asked for: ``trigger_id`` is unique per workflow and subscription."""

    trigger_id: str
    metadata: capabilities_pb2.RequestMetadata
    payload: any_pb2.Any = field(repr=False)
    method: str

    def unpack(self, message_type: type[M]) -> M:
        """The trigger's config as a ``message_type``. Raises ``CapabilityError`` for another type."""
        return unpack(self.payload, message_type)


def _ignore_ack(trigger_id: str, event_id: str) -> None:
    """Not every trigger keeps an event until it is confirmed."""


def _keeps_nothing(trigger_id: str) -> None:
    """Not every trigger has something to forget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMethod:
    """One trigger.

    ``register`` starts delivering into ``Events`` and returns the function that stops it again; it raises
    ``CapabilityError`` to refuse. It is called again with the same trigger id after a restart, after a pause, and when
    the host lost the way to the plugin; stopping is no farewell, so keep what is not confirmed.
    ``ack(trigger_id, event_id)`` confirms one event: its run is on the disk of the host. ``forget(trigger_id)`` says
    that the workflow is gone for good, also when it is not registered at the moment.
    """

    register: Callable[[Registration, Events], Callable[[], None]]
    ack: Callable[[str, str], None] = _ignore_ack
    forget: Callable[[str], None] = _keeps_nothing


Method = Callable[[Call], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a plugin offers under one id.

    A method takes a ``Call`` and returns the answer message; it raises ``CapabilityError`` for a failed call. Methods
    are called from several threads at once.
    """

    id: str
    description: str = ""
    methods: Mapping[str, Method] = field(default_factory=dict)
    kind: Kind = "action"
    triggers: Mapping[str, TriggerMethod] = field(default_factory=dict)
