"""Reading one POST: its head, then as many bytes as the head announces. WebSocket libraries read no bodies.

One request for a connection, no chunks: every client that has a body to sync knows its length.
"""

from collections.abc import Callable
from typing import Final

from strongroom.workspace.sync.limits import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX

__all__ = ["BadRequest", "PostReader"]

LINES_MAX: Final = 100
"""Header lines; browsers send about twenty."""
BODY_BYTES_MAX: Final = MESSAGE_BYTES_MAX + HEAD_BYTES_MAX
"""One message, and a state vector beside it."""


class BadRequest(Exception):
    """The request cannot be read. ``status`` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class PostReader:
    """Collects a request. After ``feed`` has returned true, ``target``, ``get_all`` and ``body`` are there.

    ``on_head`` is called with the length of the body before any of it is kept. Where it returns false the body is
    thrown away as it comes: who sends one does not read an answer before the end of it.
    """

    def __init__(self, on_head: Callable[["PostReader", int], bool] = lambda _post, _length: True) -> None:
        self.target = ""
        self.body = b""
        self._on_head = on_head
        self._keeps = True
        self._read = bytearray()
        self._lines: list[tuple[str, str]] | None = None
        self._length = 0

    def feed(self, data: bytes) -> bool:
        """More bytes; whether the request is whole. Raises ``BadRequest``."""
        self._read += data
        if self._lines is None:
            end = self._read.find(b"\r\n\r\n")
            if max(end, 0) > HEAD_BYTES_MAX or (end < 0 and len(self._read) > HEAD_BYTES_MAX):
                raise BadRequest(431)
            if end < 0:
                return False
            self._head(bytes(self._read[:end]))
            del self._read[: end + 4]
            self._keeps = self._on_head(self, self._length)
        if not self._keeps:
            self._length -= len(self._read)
            self._read.clear()
            return self._length <= 0
        if len(self._read) < self._length:
            return False
        self.body = bytes(self._read[: self._length])
        return True

    def get_all(self, key: str) -> list[str]:
        """The values of the header lines with this name."""
        return [value for name, value in self._lines or () if name == key.lower()]

    def _head(self, head: bytes) -> None:
        try:
            first, *lines = head.decode("ascii").split("\r\n")
        except UnicodeDecodeError:
            raise BadRequest(400) from None
        words = first.split(" ")
        if len(words) != 3 or words[0] != "POST" or words[2] not in {"HTTP/1.1", "HTTP/1.0"} or len(lines) > LINES_MAX:
            raise BadRequest(400)
        self.target = words[1]
        self._lines = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400)
            self._lines.append((name.lower(), value.strip()))
        lengths = self.get_all("Content-Length")
        if self.get_all("Transfer-Encoding") or len(lengths) != 1:
            raise BadRequest(411)
        if not (lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 12):
            raise BadRequest(400)
        self._length = int(lengths[0])
        if self._length > BODY_BYTES_MAX:
            raise BadRequest(413)
