"""Encoding V2 of updates: nine columns, then the rest. Facts: contracts/workspace-encryption.md, section 16.

One byte of a column can stand for any number of structs, so reading takes a limit on them, never only on bytes.
"""

from typing import Final

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.columns import (
    ByteReader,
    NumberReader,
    StepReader,
    TextReader,
)
from strongroom.workspace.yjs.lib0 import Reader, utf16_length
from strongroom.workspace.yjs.limits import FRAME_LIMITS, UpdateLimits
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
    NAMED_TYPES,
    SKIP,
    STRING,
    TYPE,
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

__all__ = ["decode_v2", "is_v2", "read_v2"]

_COLUMNS: Final = 9
_A_LOOK: Final = UpdateLimits(structs_max=1_000)


def decode_v2(update: bytes, limits: UpdateLimits = FRAME_LIMITS) -> Update:
    """All of ``update`` in memory."""
    found = Update()
    read_v2(update, found, limits)
    return found


def is_v2(update: bytes) -> bool:
    """Whether ``update`` can be read as V2. Looks at its first structs only, for whoever has a better use for it."""
    if not update.startswith(b"\0"):
        return False
    try:
        read_v2(update, Update(), _A_LOOK)
    except LimitExceeded:
        return True
    except InvalidInput:
        return False
    return True


class _Columns:
    """The readers of all columns, and of the rest."""

    def __init__(self, update: bytes, limits: UpdateLimits) -> None:
        self._json_left = limits.structs_max
        rest = Reader(update)
        if rest.uint():
            raise faults.not_v2("its first byte is not 0")
        columns = [rest.bytes("a column") for _ in range(_COLUMNS)]
        self.key_clock = StepReader(columns[0])
        self.client = NumberReader(columns[1])
        self.left_clock = StepReader(columns[2])
        self.right_clock = StepReader(columns[3])
        self.info = ByteReader(columns[4])
        self.texts = TextReader(columns[5])
        self.parent_info = ByteReader(columns[6])
        self.type_ref = NumberReader(columns[7])
        self.length = NumberReader(columns[8])
        self.keys: list[str] = []
        self.rest = rest

    def key(self) -> str:
        """A key of a format or a name of a node: the n-th key that was seen, or one more."""
        number = self.key_clock.read()
        if number < len(self.keys):
            return self.keys[number]
        self.keys.append(self.texts.read())
        return self.keys[-1]

    def json_texts(self) -> tuple[str, ...]:
        """As many texts as the length says. Empty ones take no bytes, so all of an update share one limit."""
        count = self.length.read()
        self._json_left -= count
        if self._json_left < 0:
            raise faults.too_many("JSON values", count, self._json_left + count)
        return tuple([self.texts.read() for _ in range(count)])


def read_v2(update: bytes, sink: Sink, limits: UpdateLimits = FRAME_LIMITS) -> None:
    """Tell ``sink`` what is in ``update``. Raises SR-WS-030, 031, 034 to 037, 040, 041 and 045 at the first fault."""
    columns = _Columns(update, limits)
    rest = columns.rest
    count = rest.uint()
    sink.clients(count)
    seen: set[int] = set()
    structs_total = 0
    for _ in range(count):
        structs = rest.uint()
        client = check_client(columns.client.read(), seen)
        clock = rest.uint()
        if not structs:
            raise faults.length_wrong("a client without structs")
        sink.client(client, clock, structs)
        for _ in range(structs):
            structs_total += 1
            if structs_total > limits.structs_max:
                raise faults.too_many("structs", structs_total, limits.structs_max)
            struct = _read_struct(columns)
            check_clock(clock, struct.length)
            clock += struct.length
            sink.struct(struct)
    _read_deletes(rest, sink)
    rest.finish("the update")


def _read_deletes(rest: Reader, sink: Sink) -> None:
    count = rest.uint()
    sink.delete_clients(count)
    seen: set[int] = set()
    for _ in range(count):
        client = check_client(rest.uint(), seen)
        ranges = rest.uint()
        sink.delete_client(client, ranges)
        end = 0
        for _ in range(ranges):
            clock = end + rest.uint()
            length = rest.uint() + 1
            check_clock(clock, length)
            sink.delete_range(clock, length)
            end = clock + length


def _read_struct(columns: _Columns) -> Struct:
    info = columns.info.read()
    if info in GAPS:
        length = columns.rest.uint() if info == SKIP else columns.length.read()
        return Struct(info, length, None, None, None, None, None)
    kind = check_kind(info)
    left = (columns.client.read(), columns.left_clock.read()) if info & HAS_LEFT else None
    right = (columns.client.read(), columns.right_clock.read()) if info & HAS_RIGHT else None
    parent: str | Id | None = None
    parent_key = None
    if left is None and right is None:
        named = columns.parent_info.read()
        if named > 1:
            raise faults.unknown_kind("kind of parent", named)
        parent = columns.texts.read() if named else (columns.client.read(), columns.left_clock.read())
        if info & HAS_PARENT_KEY:
            parent_key = columns.texts.read()
    content, length = _read_content(columns, kind)
    return Struct(info, length, left, right, parent, parent_key, content)


def _read_content(columns: _Columns, kind: int) -> tuple[Content, int]:
    rest = columns.rest
    if kind == ANY:
        count = columns.length.read()
        return read_any(rest, count), count
    if kind == DELETED:
        return None, columns.length.read()
    if kind == STRING:
        text = columns.texts.read()
        return text, utf16_length(text)
    if kind == TYPE:
        type_ref = check_type_ref(columns.type_ref.read())
        return SharedType(type_ref, columns.key() if type_ref in NAMED_TYPES else None), 1
    if kind == FORMAT:
        key = columns.key()
        return Mark(key, None, read_any(rest, 1).encoded), 1
    if kind == EMBED:
        return Mark("", None, read_any(rest, 1).encoded), 1
    if kind == BINARY:
        return rest.bytes("a byte string"), 1
    if kind == DOC:
        guid = columns.texts.read()
        return ChildDocument(guid, read_any(rest, 1).encoded), 1
    texts = columns.json_texts()
    return texts, len(texts)
