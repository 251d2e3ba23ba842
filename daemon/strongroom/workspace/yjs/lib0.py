"""Numbers, byte strings and texts as lib0 writes them. Facts: contracts/workspace-encryption.md, section 16.

A ``Reader`` raises what ``faults`` names and never reads behind its end. Writers append to a ``bytearray``.
"""

from typing import Final

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.limits import INTEGER_MAX

__all__ = [
    "Reader",
    "long_uint",
    "utf8",
    "utf16_length",
    "write_bytes",
    "write_negative_zero",
    "write_sint",
    "write_text",
    "write_uint",
]

_VARINT_BYTES_MAX: Final = 8  # 8 × 7 bits hold the 53 of INTEGER_MAX


def long_uint(data: bytes, pos: int) -> tuple[int, int]:
    """The varuint at ``pos`` and the position behind it; for loops that handle one-byte numbers themselves."""
    value = shift = 0
    for end in range(pos, min(pos + _VARINT_BYTES_MAX, len(data))):
        byte = data[end]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                raise faults.not_canonical()
            if value > INTEGER_MAX:
                raise faults.out_of_range("number", INTEGER_MAX)
            return value, end + 1
        shift += 7
    if pos + _VARINT_BYTES_MAX <= len(data):
        raise faults.out_of_range("number", INTEGER_MAX)
    raise faults.truncated("a number")


class Reader:
    """Reads from the start of ``data``. ``pos`` is where it stands."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return len(self.data) - self.pos

    def byte(self) -> int:
        """One byte."""
        pos = self.pos
        try:
            value = self.data[pos]
        except IndexError:
            raise faults.truncated("a byte") from None
        self.pos = pos + 1
        return value

    def uint(self) -> int:
        """A varuint: 0 to ``INTEGER_MAX``, seven bits a byte, lowest first."""
        pos = self.pos
        try:
            value = self.data[pos]
        except IndexError:
            raise faults.truncated("a number") from None
        if value < 0x80:
            self.pos = pos + 1
            return value
        value, self.pos = long_uint(self.data, pos)
        return value

    def sint(self) -> tuple[int, bool]:
        """A signed varint as (magnitude, whether negative), because −0 differs from 0. The first byte has six bits."""
        first = self.byte()
        value, negative = first & 0x3F, bool(first & 0x40)
        if first & 0x80:
            rest = self.uint()
            if not rest:
                raise faults.not_canonical()
            value |= rest << 6
            if value > INTEGER_MAX:
                raise faults.out_of_range("number", INTEGER_MAX)
        return value, negative

    def take(self, size: int, where: str) -> bytes:
        """Exactly ``size`` bytes."""
        end = self.pos + size
        if end > len(self.data):
            raise faults.truncated(where)
        taken = self.data[self.pos : end]
        self.pos = end
        return taken

    def bytes(self, where: str) -> bytes:
        """A byte string behind its length."""
        return self.take(self.uint(), where)

    def text(self, where: str) -> str:
        """A text: its UTF-8 behind its length in bytes."""
        try:
            return self.take(self.uint(), where).decode()
        except UnicodeDecodeError:
            raise faults.bad_text(where) from None

    def finish(self, where: str) -> None:
        """Nothing may follow."""
        if self.left:
            raise faults.trailing(where, self.left)


def write_uint(out: bytearray, value: int) -> None:
    """``value``, 0 to ``INTEGER_MAX``, as a varuint."""
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)


def write_sint(out: bytearray, value: int, *, negative: bool | None = None) -> None:
    """``value`` as a signed varint; ``negative=True`` with 0 writes −0."""
    sign = 0x40 if (value < 0 if negative is None else negative) else 0
    value = abs(value)
    if value <= 0x3F:
        out.append(sign | value)
    else:
        out.append(0x80 | sign | (value & 0x3F))
        write_uint(out, value >> 6)


def write_negative_zero(out: bytearray) -> None:
    """−0, which JavaScript tells from 0."""
    out.append(0x40)


def write_bytes(out: bytearray, data: bytes) -> None:
    """``data`` behind its length."""
    write_uint(out, len(data))
    out += data


def write_text(out: bytearray, text: str) -> None:
    """``text`` as UTF-8 behind its length in bytes."""
    write_bytes(out, utf8(text))


def utf8(text: str) -> bytes:
    """``text`` as JavaScript encodes it: a pair of surrogates is one sign, a lone one becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def utf16_length(text: str) -> int:
    """How long JavaScript says that ``text`` is: signs outside the basic plane count twice."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
