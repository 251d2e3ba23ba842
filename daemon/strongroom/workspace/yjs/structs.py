"""What an update is made of, the same in both encodings.

update
├── clients            the highest id first, by habit; each starts at one clock and counts on
│   └── structs        Struct: an item, or a gap: GC (0) or Skip (10)
└── delete set         by client: ranges (clock, length), ascending

A decoder tells a ``Sink`` what it meets, in the order of the bytes; the encoders are sinks, so converting needs no
model in memory. ``Update`` is the sink that keeps everything.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from strongroom.workspace.yjs import faults, json_text
from strongroom.workspace.yjs.lib0 import Reader
from strongroom.workspace.yjs.limits import CLIENT_MAX, CLOCK_MAX
from strongroom.workspace.yjs.values import Value, read_value, skip_values, write_value

__all__ = [
    "ANY",
    "BINARY",
    "DELETED",
    "DOC",
    "EMBED",
    "FORMAT",
    "GAPS",
    "GC",
    "HAS_LEFT",
    "HAS_PARENT_KEY",
    "HAS_RIGHT",
    "JSON",
    "KIND",
    "NAMED_TYPES",
    "SKIP",
    "STRING",
    "TYPE",
    "XML_HOOK",
    "AnyValues",
    "ChildDocument",
    "Content",
    "Id",
    "Mark",
    "SharedType",
    "Sink",
    "Struct",
    "Update",
    "check_client",
    "check_clock",
    "check_kind",
    "check_type_ref",
    "read_any",
]

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)
KIND, HAS_PARENT_KEY, HAS_RIGHT, HAS_LEFT = 0x1F, 0x20, 0x40, 0x80
GAPS: Final = frozenset((GC, SKIP))
XML_ELEMENT, XML_HOOK = 3, 5
NAMED_TYPES: Final = frozenset((XML_ELEMENT, XML_HOOK))
"""Shared types that have a node name."""
TYPES: Final = 7
"""How many kinds of shared type Yjs has."""

Id = tuple[int, int]
"""Client and clock: the name of one element of the document."""


class AnyValues(NamedTuple):
    """``size`` values of kind "any", as they came: both encodings write them alike, so their bytes are kept."""

    size: int
    encoded: bytes

    def values(self) -> list[Value]:
        """The values themselves."""
        reader = Reader(self.encoded)
        return [read_value(reader) for _ in range(self.size)]


class Mark(NamedTuple):
    """An embedded object (``key`` is empty) or a format (``key`` names it).

    Encoding V1 has its value as JSON text, V2 as "any"; one of the two is there, as it came.
    """

    key: str
    json: str | None
    encoded: bytes | None

    def as_json(self) -> str:
        """The value as JSON text. Raises SR-WS-042 for values that JSON cannot carry."""
        if self.json is not None:
            return self.json
        return json_text.stringify(read_value(Reader(self.encoded or b"")))

    def as_any(self) -> bytes:
        """The value as "any". Raises SR-WS-038 if the text is no JSON."""
        if self.encoded is not None:
            return self.encoded
        out = bytearray()
        write_value(out, json_text.parse(self.json or ""))
        return bytes(out)


class SharedType(NamedTuple):
    """A shared type within another: 0 array, 1 map, 2 text, 3 element, 4 fragment, 5 hook, 6 XML text."""

    type_ref: int
    node_name: str | None
    """Of elements and hooks only."""


class ChildDocument(NamedTuple):
    """A document within the document: its guid, and its options as one value of kind "any"."""

    guid: str
    options: bytes


Content = None | tuple[str, ...] | bytes | str | Mark | SharedType | AnyValues | ChildDocument
"""By kind: nothing for GC, DELETED and SKIP; JSON texts; BINARY; STRING; EMBED and FORMAT; TYPE; ANY; DOC."""


class Struct(NamedTuple):
    """One struct. It takes ``length`` clocks. Neighbours and parent are those of the moment in which it was written."""

    info: int
    """``KIND`` and the three flags, as on the wire."""
    length: int
    left: Id | None
    right: Id | None
    parent: str | Id | None
    """A top-level type by name or a shared type by id; None where a neighbour tells it."""
    parent_key: str | None
    content: Content


class Sink(Protocol):
    """Whoever wants to know what is in an update, called in the order of its bytes."""

    def clients(self, count: int) -> None:
        """``count`` clients follow."""

    def client(self, client: int, clock: int, count: int) -> None:
        """``count`` structs of ``client`` follow, the first one at ``clock``."""

    def struct(self, struct: Struct) -> None:
        """The next struct."""

    def delete_clients(self, count: int) -> None:
        """The delete set follows, with ``count`` clients."""

    def delete_client(self, client: int, count: int) -> None:
        """``count`` ranges of ``client`` follow."""

    def delete_range(self, clock: int, length: int) -> None:
        """The next range."""


@dataclass(slots=True)
class Update:
    """A whole update in memory."""

    structs: list[tuple[int, int, list[Struct]]] = field(default_factory=list)
    """Client, clock of its first struct, its structs."""
    deletes: list[tuple[int, list[tuple[int, int]]]] = field(default_factory=list)
    """Client, its ranges (clock, length)."""

    def clients(self, count: int) -> None:
        """Nothing to keep."""

    def client(self, client: int, clock: int, count: int) -> None:
        """Start a client."""
        self.structs.append((client, clock, []))

    def struct(self, struct: Struct) -> None:
        """Keep it."""
        self.structs[-1][2].append(struct)

    def delete_clients(self, count: int) -> None:
        """Nothing to keep."""

    def delete_client(self, client: int, count: int) -> None:
        """Start a client of the delete set."""
        self.deletes.append((client, []))

    def delete_range(self, clock: int, length: int) -> None:
        """Keep it."""
        self.deletes[-1][1].append((clock, length))

    def tell(self, sink: Sink) -> None:
        """Say it all to ``sink``, such as an encoder."""
        sink.clients(len(self.structs))
        for client, clock, structs in self.structs:
            sink.client(client, clock, len(structs))
            for struct in structs:
                sink.struct(struct)
        sink.delete_clients(len(self.deletes))
        for client, ranges in self.deletes:
            sink.delete_client(client, len(ranges))
            for clock, length in ranges:
                sink.delete_range(clock, length)


def check_client(client: int, seen: set[int]) -> int:
    """``client``, which must be in range and new to ``seen``: of two blocks libraries would drop one."""
    if client > CLIENT_MAX:
        raise faults.out_of_range("client", CLIENT_MAX)
    if client in seen:
        raise faults.length_wrong("a client stands twice")
    seen.add(client)
    return client


def check_clock(clock: int, length: int) -> None:
    """A range of clocks must hold something and end where every library can count to."""
    if clock + length > CLOCK_MAX:
        raise faults.out_of_range("clock", CLOCK_MAX)
    if not length:
        raise faults.length_wrong("a range without length")


def check_type_ref(type_ref: int) -> int:
    """``type_ref``, if Yjs has a type of that number."""
    if type_ref >= TYPES:
        raise faults.unknown_kind("shared type", type_ref)
    return type_ref


def check_kind(info: int) -> int:
    """The kind of an item in ``info``. A gap with flags is refused: libraries disagree about what it is."""
    kind = info & KIND
    if kind == GC or kind >= SKIP:
        raise faults.unknown_kind("kind of struct", info)
    return kind


def read_any(reader: Reader, count: int) -> AnyValues:
    """``count`` values where ``reader`` stands, checked and kept as they came."""
    start = reader.pos
    reader.pos = skip_values(reader.data, start, count)
    return AnyValues(count, reader.data[start : reader.pos])
