"""Encoding V1 of updates: everything in one stream. Facts: contracts/workspace-encryption.md, section 16.

The reader is strict: what it accepts, ``V1Writer`` writes back byte for byte.
"""

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader, utf16_length, write_bytes, write_text, write_uint
from strongroom.workspace.yjs.structs import (
    ANY,
    BINARY,
    DELETED,
    DOC,
    EMBED,
    FORMAT,
    GAPS,
    HAS_LEFT,
    HAS_PARENT_KEY,
    HAS_RIGHT,
    KIND,
    NAMED_TYPES,
    STRING,
    TYPE,
    AnyValues,
    ChildDocument,
    Content,
    Id,
    Mark,
    SharedType,
    Sink,
    Struct,
    Update,
    check_client,
    check_clock,
    check_kind,
    check_type_ref,
    read_any,
)

__all__ = ["V1Writer", "decode_v1", "encode_v1", "read_v1"]


def decode_v1(update: bytes) -> Update:
    """All of ``update`` in memory."""
    found = Update()
    read_v1(update, found)
    return found


def encode_v1(update: Update) -> bytes:
    """The bytes of ``update``."""
    writer = V1Writer()
    update.tell(writer)
    return bytes(writer.out)


def read_v1(update: bytes, sink: Sink) -> None:
    """Tell ``sink`` what is in ``update``. Raises SR-WS-030, 031, 035 to 037, 040 and 045 at the first fault."""
    reader = Reader(update)
    count = reader.uint()
    sink.clients(count)
    seen: set[int] = set()
    for _ in range(count):
        structs = reader.uint()
        client = check_client(reader.uint(), seen)
        clock = reader.uint()
        if not structs:
            raise faults.length_wrong("a client without structs")
        sink.client(client, clock, structs)
        for _ in range(structs):
            struct = _read_struct(reader)
            check_clock(clock, struct.length)
            clock += struct.length
            sink.struct(struct)
    _read_deletes(reader, sink)
    reader.finish("the update")


def _read_deletes(reader: Reader, sink: Sink) -> None:
    count = reader.uint()
    sink.delete_clients(count)
    seen: set[int] = set()
    for _ in range(count):
        client = check_client(reader.uint(), seen)
        ranges = reader.uint()
        sink.delete_client(client, ranges)
        for _ in range(ranges):
            clock = reader.uint()
            length = reader.uint()
            check_clock(clock, length)
            sink.delete_range(clock, length)


def _read_struct(reader: Reader) -> Struct:
    info = reader.byte()
    if info in GAPS:
        return Struct(info, reader.uint(), None, None, None, None, None)
    kind = check_kind(info)
    left = (reader.uint(), reader.uint()) if info & HAS_LEFT else None
    right = (reader.uint(), reader.uint()) if info & HAS_RIGHT else None
    parent: str | Id | None = None
    parent_key = None
    if left is None and right is None:
        named = reader.uint()
        if named > 1:
            raise faults.unknown_kind("kind of parent", named)
        parent = reader.text("the name of a type") if named else (reader.uint(), reader.uint())
        if info & HAS_PARENT_KEY:
            parent_key = reader.text("the key of a map")
    content, length = _read_content(reader, kind)
    return Struct(info, length, left, right, parent, parent_key, content)


def _read_content(reader: Reader, kind: int) -> tuple[Content, int]:
    if kind == ANY:
        count = reader.uint()
        return read_any(reader, count), count
    if kind == DELETED:
        return None, reader.uint()
    if kind == STRING:
        text = reader.text("a text")
        return text, utf16_length(text)
    if kind == TYPE:
        type_ref = check_type_ref(reader.uint())
        return SharedType(type_ref, reader.text("the name of a node") if type_ref in NAMED_TYPES else None), 1
    if kind == FORMAT:
        key = reader.text("the key of a format")
        return Mark(key, reader.text("a format"), None), 1
    if kind == EMBED:
        return Mark("", reader.text("an embedded object"), None), 1
    if kind == BINARY:
        return reader.bytes("a byte string"), 1
    if kind == DOC:
        guid = reader.text("the guid of a document")
        return ChildDocument(guid, read_any(reader, 1).encoded), 1
    count = reader.uint()
    return tuple([reader.text("a JSON value") for _ in range(count)]), count


class V1Writer:
    """The sink that writes encoding V1 into ``out``.

    Raises SR-WS-042 for values that V1 cannot carry, SR-WS-033 soon after ``out`` has more than ``bytes_max``.
    """

    def __init__(self, bytes_max: int | None = None) -> None:
        self.out = bytearray()
        self._bytes_max = bytes_max

    def clients(self, count: int) -> None:
        """See ``Sink``."""
        write_uint(self.out, count)

    def client(self, client: int, clock: int, count: int) -> None:
        """See ``Sink``."""
        write_uint(self.out, count)
        write_uint(self.out, client)
        write_uint(self.out, clock)

    def struct(self, struct: Struct) -> None:
        """See ``Sink``."""
        out = self.out
        out.append(struct.info)
        if struct.info in GAPS:
            write_uint(out, struct.length)
            return
        for neighbour in (struct.left, struct.right):
            if neighbour is not None:
                write_uint(out, neighbour[0])
                write_uint(out, neighbour[1])
        if isinstance(struct.parent, str):
            out.append(1)
            write_text(out, struct.parent)
        elif struct.parent is not None:
            out.append(0)
            write_uint(out, struct.parent[0])
            write_uint(out, struct.parent[1])
        if struct.parent_key is not None:
            write_text(out, struct.parent_key)
        self._content(struct)
        if self._bytes_max is not None and len(out) > self._bytes_max:
            raise faults.too_large("the update in encoding V1", len(out), self._bytes_max)

    def _content(self, struct: Struct) -> None:
        out, content = self.out, struct.content
        if content is None:
            write_uint(out, struct.length)
        elif isinstance(content, AnyValues):
            write_uint(out, content.size)
            out += content.encoded
        elif isinstance(content, str):
            write_text(out, content)
        elif isinstance(content, bytes):
            write_bytes(out, content)
        elif isinstance(content, Mark):
            if struct.info & KIND == FORMAT:
                write_text(out, content.key)
            write_text(out, content.as_json())
        elif isinstance(content, SharedType):
            write_uint(out, content.type_ref)
            if content.node_name is not None:
                write_text(out, content.node_name)
        elif isinstance(content, ChildDocument):
            write_text(out, content.guid)
            out += content.options
        else:
            write_uint(out, len(content))
            for text in content:
                write_text(out, text)

    def delete_clients(self, count: int) -> None:
        """See ``Sink``."""
        write_uint(self.out, count)

    def delete_client(self, client: int, count: int) -> None:
        """See ``Sink``."""
        write_uint(self.out, client)
        write_uint(self.out, count)

    def delete_range(self, clock: int, length: int) -> None:
        """See ``Sink``."""
        write_uint(self.out, clock)
        write_uint(self.out, length)
