"""Writing encoding V2 of updates: nine columns, then the rest. ``update_v2`` reads them."""

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.columns import ByteWriter, NumberWriter, StepWriter, TextWriter
from strongroom.workspace.yjs.lib0 import write_bytes, write_uint
from strongroom.workspace.yjs.structs import (
    FORMAT,
    KIND,
    SKIP,
    AnyValues,
    ChildDocument,
    Mark,
    SharedType,
    Struct,
    Update,
)

__all__ = ["V2Writer", "encode_v2"]


def encode_v2(update: Update) -> bytes:
    """The bytes of ``update``."""
    writer = V2Writer()
    update.tell(writer)
    return writer.finish()


class V2Writer:
    """The sink that writes encoding V2; ``finish`` gives the bytes. Raises SR-WS-038 for JSON text that is none."""

    def __init__(self) -> None:
        self._key_clock = StepWriter()
        self._client = NumberWriter()
        self._left_clock = StepWriter()
        self._right_clock = StepWriter()
        self._info = ByteWriter()
        self._texts = TextWriter()
        self._parent_info = ByteWriter()
        self._type_ref = NumberWriter()
        self._length = NumberWriter()
        self._rest = bytearray()
        self._keys = 0
        self._range_end = 0

    def finish(self) -> bytes:
        """The update."""
        out = bytearray(b"\0")
        for column in (self._key_clock, self._client, self._left_clock, self._right_clock, self._info, self._texts):
            write_bytes(out, column.finish())
        for column in (self._parent_info, self._type_ref, self._length):
            write_bytes(out, column.finish())
        return bytes(out + self._rest)

    def clients(self, count: int) -> None:
        """See ``Sink``."""
        write_uint(self._rest, count)

    def client(self, client: int, clock: int, count: int) -> None:
        """See ``Sink``."""
        write_uint(self._rest, count)
        self._client.write(client)
        write_uint(self._rest, clock)

    def struct(self, struct: Struct) -> None:
        """See ``Sink``."""
        self._info.write(struct.info)
        if struct.info == SKIP:
            write_uint(self._rest, struct.length)
            return
        if struct.left is not None:
            self._client.write(struct.left[0])
            self._left_clock.write(struct.left[1])
        if struct.right is not None:
            self._client.write(struct.right[0])
            self._right_clock.write(struct.right[1])
        if isinstance(struct.parent, str):
            self._parent_info.write(1)
            self._texts.write(struct.parent)
        elif struct.parent is not None:
            self._parent_info.write(0)
            self._client.write(struct.parent[0])
            self._left_clock.write(struct.parent[1])
        if struct.parent_key is not None:
            self._texts.write(struct.parent_key)
        self._content(struct)

    def _content(self, struct: Struct) -> None:
        content = struct.content
        if content is None:
            self._length.write(struct.length)
        elif isinstance(content, AnyValues):
            self._length.write(content.size)
            self._rest += content.encoded
        elif isinstance(content, str):
            self._texts.write(content)
        elif isinstance(content, bytes):
            write_bytes(self._rest, content)
        elif isinstance(content, Mark):
            if struct.info & KIND == FORMAT:
                self._key(content.key)
            self._rest += content.as_any()
        elif isinstance(content, SharedType):
            self._type_ref.write(content.type_ref)
            if content.node_name is not None:
                self._key(content.node_name)
        elif isinstance(content, ChildDocument):
            self._texts.write(content.guid)
            self._rest += content.options
        else:
            self._length.write(len(content))
            for text in content:
                self._texts.write(text)

    def _key(self, key: str) -> None:
        # Yjs writes every key anew, though its format could point back at one.
        self._key_clock.write(self._keys)
        self._keys += 1
        self._texts.write(key)

    def delete_clients(self, count: int) -> None:
        """See ``Sink``."""
        write_uint(self._rest, count)

    def delete_client(self, client: int, count: int) -> None:
        """See ``Sink``."""
        write_uint(self._rest, client)
        write_uint(self._rest, count)
        self._range_end = 0

    def delete_range(self, clock: int, length: int) -> None:
        """See ``Sink``. Ranges must ascend, which is what libraries write."""
        if clock < self._range_end:
            raise faults.length_wrong("deleted ranges that do not ascend")
        write_uint(self._rest, clock - self._range_end)
        write_uint(self._rest, length - 1)
        self._range_end = clock + length
