"""What an update from a peer must pass before a library that trusts its input sees it."""

from dataclasses import dataclass, replace
from typing import Final

from strongroom.errors import Refused
from strongroom.workspace.yjs import faults, json_text
from strongroom.workspace.yjs.convert import v2_to_v1
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
from strongroom.workspace.yjs.structs import (
    EMBED,
    FORMAT,
    GC,
    JSON,
    KIND,
    STRING,
    TYPE,
    XML_HOOK,
    ChildDocument,
    Mark,
    SharedType,
    Struct,
)
from strongroom.workspace.yjs.update_v1 import read_v1
from strongroom.workspace.yjs.update_v2 import is_v2

__all__ = ["Touched", "check_untrusted", "from_untrusted_v2"]

_NOT_VALUES: Final = frozenset((STRING, EMBED, FORMAT, TYPE))


@dataclass(frozen=True, slots=True)
class Touched:
    """What an update has to do with."""

    names: frozenset[str]
    """Top-level types that it names. An item beside another one names none: its neighbour tells where it belongs."""
    clients: frozenset[int]
    """Clients of its structs and of its delete set."""
    structs: int
    delete_ranges: int
    shared_types: int
    """Shared types within others that it makes: maps, texts and the like as values."""

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not self.structs and not self.delete_ranges


def check_untrusted(update: bytes, limits: UpdateLimits = FRAME_LIMITS) -> Touched:
    """What ``update``, in encoding V1, touches, if it may be applied.

    Raises ``InvalidInput``, ``LimitExceeded`` or ``Forbidden`` by name: SR-WS-030 to 040, 045, 046 and 048. Of these
    032 means encoding V2, 039 a child document. Takes memory of the order of the update, and time in proportion.
    """
    if len(update) > limits.bytes_max:
        raise faults.too_large("the update", len(update), limits.bytes_max)
    inspector = _Inspector(limits)
    try:
        read_v1(update, inspector)
    except Refused:
        if is_v2(update):
            raise faults.v2_for_v1() from None
        raise
    return inspector.touched()


def from_untrusted_v2(update_v2: bytes, limits: UpdateLimits = FRAME_LIMITS) -> tuple[bytes, Touched]:
    """An update of a peer that speaks encoding V2: its V1 form, and what that touches.

    Raises what ``v2_to_v1`` and ``check_untrusted`` do.
    """
    update_v1 = v2_to_v1(update_v2, limits)
    return update_v1, check_untrusted(update_v1, replace(limits, bytes_max=limits.v1_bytes_max))


class _Inspector:
    """The sink that counts, and looks into what a library would read later."""

    def __init__(self, limits: UpdateLimits) -> None:
        self._limits = limits
        self._values_only = limits.values_only
        self._names: set[str] = set()
        self._clients: set[int] = set()
        self._structs = self._ranges = self._types = 0

    def touched(self) -> Touched:
        return Touched(frozenset(self._names), frozenset(self._clients), self._structs, self._ranges, self._types)

    def clients(self, count: int) -> None:
        if count > self._limits.clients_max:
            raise faults.too_many("clients", count, self._limits.clients_max)

    delete_clients = clients

    def client(self, client: int, clock: int, count: int) -> None:
        del clock
        self._clients.add(client)
        self._structs += count
        if self._structs > self._limits.structs_max:
            raise faults.too_many("structs", self._structs, self._limits.structs_max)

    def struct(self, struct: Struct) -> None:
        content = struct.content
        if self._values_only and (struct.info & KIND in _NOT_VALUES or isinstance(struct.parent, tuple)):
            raise faults.not_values()
        if self._values_only and struct.info & KIND == GC:
            # Nothing within another was ever there to be deleted, so no library of an honest peer writes one.
            raise faults.gap_left_behind()
        if isinstance(struct.parent, str) and struct.parent not in self._names:
            self._names.add(struct.parent)
            if len(self._names) > self._limits.names_max:
                raise faults.too_many("top-level types", len(self._names), self._limits.names_max)
        if isinstance(content, ChildDocument):
            raise faults.child_document()
        if isinstance(content, Mark):
            content.as_any()
        elif struct.info & KIND == JSON and isinstance(content, tuple):
            for text in filter(lambda text: text != "undefined", content):
                json_text.parse(str(text))
        elif isinstance(content, SharedType):
            if content.type_ref == XML_HOOK:
                # y-crdt takes its name for the next struct.
                raise faults.unknown_kind("shared type that every library reads", content.type_ref)
            self._types += 1

    def delete_client(self, client: int, count: int) -> None:
        self._clients.add(client)
        self._ranges += count
        if self._ranges > self._limits.delete_ranges_max:
            raise faults.too_many("deleted ranges", self._ranges, self._limits.delete_ranges_max)

    def delete_range(self, clock: int, length: int) -> None:
        """Nothing more to look at: the reader has checked the range."""
