"""Which workflows listen, and whose signatures they take."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import CapabilityError, Registration
from strongroom.plugin.messages import http_pb2
from strongroom_http_trigger.asked import Selector
from strongroom_http_trigger.keys import authorized
from strongroom_http_trigger.refusal import INVALID_PARAMS, Refusal, not_here

__all__ = ["Listening", "Registrations", "listening"]

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
    """All that listen now, by trigger id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Listening] = {}

    def add(self, one: Listening) -> None:
        """Listen; the same trigger id again replaces the first."""
        with self._lock:
            self._live[one.trigger_id] = one

    def remove(self, one: Listening) -> None:
        """Listen no more, unless something else took its place."""
        with self._lock:
            if self._live.get(one.trigger_id) is one:
                del self._live[one.trigger_id]

    def find(self, selector: Selector, signers: frozenset[str]) -> tuple[Listening, http_pb2.AuthorizedKey]:
        """The first trigger of the workflow that takes one of ``signers``, and the key as its config has it.

        Raises ``Refusal``: the same one for a workflow that is not here and for a key that is not its own.
        """
        with self._lock:
            live = [one for one in self._live.values() if one.is_named(selector)]
        mine = [one for one in live if signers & one.keys.keys()]
        if not mine:
            raise not_here()
        if len({one.workflow_id for one in mine}) > 1:
            message = "several workflows have this owner, name and tag: name one by its workflowID"
            raise Refusal(INVALID_PARAMS, 400, "ambiguous", message)
        first = min(mine, key=lambda one: one.index)
        return first, first.keys[min(signers & first.keys.keys())]
