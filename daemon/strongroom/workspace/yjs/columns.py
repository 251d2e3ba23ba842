"""The columns of encoding V2: runs of equal numbers, of equal steps, and of equal bytes. Facts: contract 16.

A writer is told values and gives its bytes in ``finish``; a reader gives values for as long as it is asked. One byte
may stand for any number of values, so whoever reads counts what it takes.
"""

from typing import Final

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader, utf8, utf16_length, write_sint, write_text, write_uint
from strongroom.workspace.yjs.limits import INTEGER_MAX

__all__ = [
    "ByteReader",
    "ByteWriter",
    "NumberReader",
    "NumberWriter",
    "StepReader",
    "StepWriter",
    "TextReader",
    "TextWriter",
]

_OPEN_END: Final = -1
"""The last run of bytes has no length: it lasts."""


class NumberWriter:
    """Whole numbers; equal ones in a row are a run. A run is marked by the sign, so 0 in a run is −0."""

    __slots__ = ("_last", "_out", "_run")

    def __init__(self) -> None:
        self._out = bytearray()
        self._last = self._run = 0

    def write(self, value: int) -> None:
        """The next number."""
        if value == self._last:
            self._run += 1
            return
        self._flush()
        self._last, self._run = value, 1

    def _flush(self) -> None:
        if self._run:
            write_sint(self._out, self._last, negative=self._run > 1)
            if self._run > 1:
                write_uint(self._out, self._run - 2)

    def finish(self) -> bytes:
        """The column. Nothing can be written after it."""
        self._flush()
        return bytes(self._out)


class NumberReader:
    """Reads what ``NumberWriter`` writes."""

    __slots__ = ("_left", "_reader", "_value")

    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data)
        self._value = self._left = 0

    def read(self) -> int:
        """The next number."""
        if not self._left:
            self._value, run = self._reader.sint()
            self._left = self._reader.uint() + 2 if run else 1
        self._left -= 1
        return self._value


class StepWriter:
    """Numbers as differences to the one before; equal differences in a row are a run, marked by the lowest bit."""

    __slots__ = ("_last", "_out", "_run", "_step")

    def __init__(self) -> None:
        self._out = bytearray()
        self._last = self._step = self._run = 0

    def write(self, value: int) -> None:
        """The next number."""
        step = value - self._last
        self._last = value
        if step == self._step:
            self._run += 1
            return
        self._flush()
        self._step, self._run = step, 1

    def _flush(self) -> None:
        if self._run:
            write_sint(self._out, self._step * 2 + (self._run > 1))
            if self._run > 1:
                write_uint(self._out, self._run - 2)

    def finish(self) -> bytes:
        """The column. Nothing can be written after it."""
        self._flush()
        return bytes(self._out)


class StepReader:
    """Reads what ``StepWriter`` writes."""

    __slots__ = ("_left", "_reader", "_step", "_value")

    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data)
        self._value = self._step = self._left = 0

    def read(self) -> int:
        """The next number, which is never below 0."""
        if not self._left:
            magnitude, negative = self._reader.sint()
            coded = -magnitude if negative else magnitude
            self._step = coded >> 1
            self._left = self._reader.uint() + 2 if coded & 1 else 1
        self._left -= 1
        self._value += self._step
        if not 0 <= self._value <= INTEGER_MAX:
            raise faults.out_of_range("clock of a neighbour", INTEGER_MAX)
        return self._value


class ByteWriter:
    """Bytes, each followed by how often it repeats, but for the last one."""

    __slots__ = ("_last", "_out", "_run")

    def __init__(self) -> None:
        self._out = bytearray()
        self._last = _OPEN_END
        self._run = 0

    def write(self, value: int) -> None:
        """The next byte."""
        if value == self._last:
            self._run += 1
            return
        if self._run:
            write_uint(self._out, self._run - 1)
        self._out.append(value)
        self._last, self._run = value, 1

    def finish(self) -> bytes:
        """The column. Nothing can be written after it."""
        return bytes(self._out)


class ByteReader:
    """Reads what ``ByteWriter`` writes."""

    __slots__ = ("_left", "_reader", "_value")

    def __init__(self, data: bytes) -> None:
        self._reader = Reader(data)
        self._value = self._left = 0

    def read(self) -> int:
        """The next byte."""
        if not self._left:
            self._value = self._reader.byte()
            self._left = self._reader.uint() + 1 if self._reader.left else _OPEN_END
        self._left -= 1
        return self._value


class TextWriter:
    """Texts: all of them joined, then their lengths in UTF-16 units."""

    __slots__ = ("_lengths", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lengths = NumberWriter()

    def write(self, text: str) -> None:
        """The next text."""
        self._texts.append(text)
        self._lengths.write(utf16_length(text))

    def finish(self) -> bytes:
        """The column. Nothing can be written after it."""
        out = bytearray()
        write_text(out, "".join(self._texts))
        return bytes(out) + self._lengths.finish()


class TextReader:
    """Reads what ``TextWriter`` writes."""

    __slots__ = ("_lengths", "_pos", "_size", "_text", "_wide")

    def __init__(self, data: bytes) -> None:
        reader = Reader(data)
        self._text = reader.text("the texts of the update")
        self._lengths = NumberReader(data[reader.pos :])
        # Where all signs have one unit, positions in both encodings are the same.
        self._size = utf16_length(self._text)
        self._wide = b"" if self._size == len(self._text) else self._text.encode("utf-16-le")
        self._pos = 0

    def read(self) -> str:
        """The next text. A length that ends within a sign leaves U+FFFD in the place of either half."""
        start, self._pos = self._pos, self._pos + self._lengths.read()
        if self._pos > self._size:
            raise faults.truncated("the texts of the update")
        if not self._wide:
            return self._text[start : self._pos]
        return utf8(self._wide[2 * start : 2 * self._pos].decode("utf-16-le", "surrogatepass")).decode()
