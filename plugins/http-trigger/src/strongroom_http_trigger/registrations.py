"""Which workflows listen, and whose signatures they take.

Registrations come from the host a moment after this plugin started, and go while a workflow is paused. They are kept in
the store until the workflow is gone, so that its callers meanwhile hear "later" and not "nobody".
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.plugin import CapabilityError, Registration, Store
from strongroom.plugin.messages import capabilities_pb2, http_pb2
from strongroom_http_trigger.asked import Selector
from strongroom_http_trigger.keys import authorized
from strongroom_http_trigger.refusal import INVALID_PARAMS, Refusal, asleep, not_here

__all__ = ["Listening", "Registrations", "listening"]

PREFIX: Final = "listens/"
_INDEX: Final = re.compile(r"trigger_(0|[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listening:
    """One registration. ``keys`` are authorized keys by address."""

    trigger_id: str
    workflow_id: str
    index: int
    owner: str
    name: str
    tag: str
    keys: Mapping[str, http_pb2.AuthorizedKey] = field(repr=False)

    def is_named(self, selector: Selector) -> bool:
        """Whether ``selector`` means this workflow."""
        if selector.workflow_id:
            return selector.workflow_id == self.workflow_id
        return (selector.owner, selector.name, selector.tag) == (self.owner, self.name, self.tag)


def listening(registration: Registration) -> Listening:
    """What ``registration`` asks for. Raises ``CapabilityError``."""
    keys = authorized(registration.unpack(http_pb2.Config))
    metadata = registration.metadata
    index = _INDEX.fullmatch(metadata.reference_id)
    if index is None or not metadata.workflow_id:
        text = "a registration must name its workflow, and its trigger as trigger_<index>"
        raise CapabilityError("Public", "System", "InvalidArgument", text)
    return Listening(
        trigger_id=registration.trigger_id,
        workflow_id=metadata.workflow_id,
        index=int(index[1]),
        owner=metadata.workflow_owner.lower().removeprefix("0x"),
        name=metadata.decoded_workflow_name,
        tag=metadata.workflow_tag,
        keys=keys,
    )


class Registrations:
    """All that listen now, by trigger id, and those that did. ``add`` and ``forget`` may raise as the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._live: dict[str, Listening] = {}
        self._asleep: dict[str, Listening] = {}
        for name in store.list(PREFIX):
            one = _kept(store.get(name) or b"")
            if one is not None:
                self._asleep[one.trigger_id] = one

    def add(self, registration: Registration) -> Listening:
        """Listen; the same trigger id again replaces the first. Raises ``CapabilityError`` for what is wrong."""
        one = listening(registration)
        row = _row(registration)
        if self._store.get(PREFIX + one.trigger_id) != row:
            self._store.put(PREFIX + one.trigger_id, row)
        with self._lock:
            self._live[one.trigger_id] = one
            self._asleep.pop(one.trigger_id, None)
        return one

    def remove(self, one: Listening) -> None:
        """Listen no more for now, unless something else took its place."""
        with self._lock:
            if self._live.get(one.trigger_id) is one:
                self._asleep[one.trigger_id] = self._live.pop(one.trigger_id)

    def forget(self, trigger_id: str) -> None:
        """The workflow is gone for good."""
        with self._lock:
            self._live.pop(trigger_id, None)
            self._asleep.pop(trigger_id, None)
        self._store.delete(PREFIX + trigger_id)

    def find(self, selector: Selector, signers: frozenset[str]) -> tuple[Listening, http_pb2.AuthorizedKey]:
        """The first trigger of the workflow that takes one of ``signers``, and the key as its config has it.

        Raises ``Refusal``: the same one for a workflow that is not here and for a key that is not its own.
        """
        with self._lock:
            mine = _taking(self._live, selector, signers)
            if not mine:
                raise asleep() if _taking(self._asleep, selector, signers) else not_here()
        if len({one.workflow_id for one in mine}) > 1:
            message = "several workflows have this owner, name and tag: name one by its workflowID"
            raise Refusal(INVALID_PARAMS, 400, "ambiguous", message)
        first = min(mine, key=lambda one: one.index)
        return first, first.keys[min(signers & first.keys.keys())]


def _taking(among: Mapping[str, Listening], selector: Selector, signers: frozenset[str]) -> list[Listening]:
    return [one for one in among.values() if one.is_named(selector) and signers & one.keys.keys()]


def _row(registration: Registration) -> bytes:
    """A registration as its host asked for it."""
    message = capabilities_pb2.TriggerRegistrationRequest(
        triggerId=registration.trigger_id,
        metadata=registration.metadata,
        payload=registration.payload,
        method=registration.method,
    )
    return message.SerializeToString(deterministic=True)


def _kept(row: bytes) -> Listening | None:
    """Back from ``_row``; what cannot be read is registered again anyway."""
    try:
        message = capabilities_pb2.TriggerRegistrationRequest.FromString(row)
        return listening(
            Registration(
                trigger_id=message.triggerId,
                metadata=message.metadata,
                payload=message.payload,
                method=message.method,
            )
        )
    except (DecodeError, CapabilityError):
        return None
