"""Requests that nobody would send: fields of every kind filled with what is at the edge, and bytes changed at random.

One that could touch files outside the test's own directory is never made.
"""

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from tests.fakes.methods import DESCRIPTORS

__all__ = ["Mutator"]

DEPTH_MAX = 4
TRIES = 20
INTEGERS = (0, 1, 2, -1, 7, 255, 2**31 - 1, -(2**31), 2**32 - 1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 1.5, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    *("", " ", "a", "x" * 300, "y" * 70_000, "\0", "a\0b", "ä☃😀", "\u202e", "%s%n"),
    *("'; drop table runs; --", "a/b", "-1", "{}"),
)
BLOBS = (
    *(b"", b"\0", b"{}", b"[]", b"null", b'{"a": NaN}', b"\xff" * 64, b"encr", b"srn1" + bytes(60)),
    *(bytes(70_000), b"[" * 9000),
)
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


class Mutator:
    """``known`` gives values for fields by their names, such as ids that exist; paths lie below ``directory``."""

    def __init__(self, dice, known, directory):
        self._dice, self._known, self._directory = dice, known, str(directory)
        self._is_sparse = False

    def untrusted_request(self, method):
        """Bytes for ``method``: a message that is whole, or one that was changed after it was written."""
        kind = message_factory.GetMessageClass(DESCRIPTORS[method].input_type)
        # Half of them are as good as sound: a wrong field or two are found only behind all that is checked first.
        self._is_sparse = self._dice.random() < 0.5
        for _ in range(TRIES):
            written = self._message(kind.DESCRIPTOR, kind(), 0).SerializeToString()
            data = self._changed(written) if self._dice.random() < 0.5 else written
            if self._is_harmless(kind, data):
                return data
        return b""

    def _message(self, descriptor, message, depth):
        for field in descriptor.fields:
            if self._dice.random() < (0.85 if self._is_sparse and field.name not in self._known else 0.25):
                continue
            count = self._dice.choice([0, 1, 1, 2, 5]) if field.is_repeated else 1
            for _ in range(count):
                self._fill(message, field, depth)
        return message

    def _fill(self, message, field, depth):
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            if entry["value"].message_type is None:
                key, value = self._value(entry["key"]), self._value(entry["value"])
                getattr(message, field.name)[key] = value
        elif field.message_type is not None:
            if depth < DEPTH_MAX:
                inner = getattr(message, field.name)
                self._message(field.message_type, inner.add() if field.is_repeated else inner, depth + 1)
                if not field.is_repeated:
                    inner.SetInParent()
        elif field.is_repeated:
            getattr(message, field.name).append(self._value(field))
        else:
            setattr(message, field.name, self._value(field))

    def _value(self, field):
        kind = field.cpp_type
        if field.name in self._known and (self._is_sparse or self._dice.random() < 0.7):
            return self._dice.choice(self._known[field.name])
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self._dice.choice(BLOBS)
            return self._dice.choice(TEXTS)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self._dice.random() < 0.5
        if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return self._dice.choice(FLOATS)
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self._dice.choice([0, 1, 2, 3, 99, -1, 2**31 - 1])
        low, high = RANGES[kind]
        return max(low, min(high, self._dice.choice(INTEGERS)))

    def _changed(self, data):
        changed = bytearray(data or b"\0")
        for _ in range(self._dice.choice([1, 1, 2, 8])):
            at, way = self._dice.randrange(len(changed)), self._dice.randrange(5)
            if way == 0:
                changed[at] ^= 1 << self._dice.randrange(8)
            elif way == 1:
                del changed[at:]
            elif way == 2:
                changed[at:at] = self._dice.randbytes(self._dice.choice([1, 4, 40]))
            elif way == 3:
                changed += changed[at:]
            else:
                # A field that nobody knows, with a length that is a lie now and then.
                changed += bytes([0xFA, 0x7F, self._dice.choice([1, 5, 127]), *self._dice.randbytes(5)])
            changed = changed or bytearray(b"\0")
        return bytes(changed)

    def _is_harmless(self, kind, data):
        try:
            message = kind.FromString(data)
        except DecodeError:
            return True
        return all(self._stays_here(text) for text in _texts(message))

    def _stays_here(self, text):
        if ".." in text or text.startswith("~"):
            return False
        return not text.startswith("/") or text == self._directory or text.startswith(f"{self._directory}/")


def _texts(message):
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from (each for each in [*value, *value.values()] if isinstance(each, str))
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _texts(inner)
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield from value if field.is_repeated else [value]
