"""What a plugin process writes to stderr, line by line into the host's log (capability-wire section 15)."""

import json
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["LINE_BYTES_MAX", "LineSplitter", "LogForwarder", "drain", "forward"]

LINE_BYTES_MAX: Final = 64 * 1024
READ_BYTES: Final = 64 * 1024
# A plugin that floods its log must not flood the host's; what is left out is counted.
LINES_PER_SECOND_MAX: Final = 1000
TRACE: Final = 5
PREFIXES: Final = {
    "[TRACE]": TRACE,
    "[DEBUG]": logging.DEBUG,
    "[INFO]": logging.INFO,
    "[WARN]": logging.WARNING,
    "[ERROR]": logging.ERROR,
}
LEVELS: Final = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
PANICS: Final = ("panic: ", "fatal error: ")


class LineSplitter:
    """Bytes to lines. A line over 64 KiB comes in pieces; ``whole`` says which is which."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._cut = False

    def feed(self, data: bytes) -> Iterator[tuple[str, bool]]:
        """Lines that ``data`` completes, with whether each is whole."""
        self._rest += data
        while True:
            end = self._rest.find(b"\n", 0, LINE_BYTES_MAX + 1)
            if end < 0 and len(self._rest) <= LINE_BYTES_MAX:
                return
            cut = end < 0
            piece = bytes(self._rest[: LINE_BYTES_MAX if cut else end])
            del self._rest[: len(piece) + (0 if cut else 1)]
            whole, self._cut = not (cut or self._cut), cut
            yield piece.decode("utf-8", "replace").rstrip("\r"), whole

    def end(self) -> Iterator[tuple[str, bool]]:
        """What is left without an end of line."""
        if self._rest:
            yield self._rest.decode("utf-8", "replace"), not self._cut
            self._rest.clear()


class LogForwarder:
    """The lines of one plugin process into one logger."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._panicking = False
        self._second = 0
        self._lines = 0

    def line(self, text: str, *, whole: bool = True) -> None:
        """Log one line, or one piece of a line that was too long."""
        if not text:
            return
        if self._flooded():
            return
        if not whole:
            self._logger.debug("%s", text)
            return
        structured = _structured(text)
        if structured is not None:
            level, message, fields = structured
            self._logger.log(level, "%s", message, extra=fields)
            return
        for prefix, level in PREFIXES.items():
            if text.startswith(prefix):
                self._logger.log(level, "%s", text.removeprefix(prefix).lstrip())
                return
        if text.startswith(PANICS):
            self._panicking = True
        self._logger.log(logging.ERROR if self._panicking else logging.DEBUG, "%s", text)

    def _flooded(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            dropped = self._lines - LINES_PER_SECOND_MAX
            self._second, self._lines = second, 0
            if dropped > 0:
                self._logger.warning(
                    "%d log lines were left out: more than %d in a second", dropped, LINES_PER_SECOND_MAX
                )
        self._lines += 1
        return self._lines > LINES_PER_SECOND_MAX


def _structured(text: str) -> tuple[int, str, dict[str, Any]] | None:
    """Level, message and the other fields of a JSON line. Any: JSON values of another program."""
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("@level"), str):
        return None
    # Fields of the line itself start with @; the logger's name says already which plugin it is. A field that is called
    # like one of a record's own must not replace it.
    fields = {key: value for key, value in record.items() if not key.startswith("@") and key not in RECORD_FIELDS}
    return LEVELS.get(record["@level"].lower(), logging.DEBUG), str(record.get("@message", "")), fields


def forward(descriptor: int, forwarder: LogForwarder) -> None:
    """Forward what comes out of a pipe until its end, and close it."""
    splitter = LineSplitter()
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while data := pipe.read(READ_BYTES):
            for text, whole in splitter.feed(data):
                forwarder.line(text, whole=whole)
        for text, whole in splitter.end():
            forwarder.line(text, whole=whole)


def drain(descriptor: int) -> None:
    """Throw away what comes out of a pipe until its end, and close it (what go-plugin does with late stdout)."""
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while pipe.read(READ_BYTES):
            pass
