"""Structured logs on stderr: one line per event, as text for people or JSON for collectors.

Code logs with the standard library and gives facts as ``extra``: ``log.info("run started", extra={"run_id": run_id})``.
Everything goes through one ``Redaction`` on its way out.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from strongroom.telemetry.redaction import Redaction

__all__ = ["ROOT", "configure", "get"]

ROOT: Final = "strongroom"
Format = Literal["text", "json"]
# What the library itself puts into a record; everything else in it came from `extra`.
OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def get(name: str) -> logging.Logger:
    """The logger ``strongroom.<name>``; a name that has the prefix already keeps it."""
    return logging.getLogger(name if name == ROOT or name.startswith(f"{ROOT}.") else f"{ROOT}.{name}")


def configure(level: str, fmt: Format, *, stream: TextIO | None = None) -> Redaction:
    """Send everything to ``stream`` (stderr), once, and return the redaction that secrets are registered with.

    Libraries are heard from warnings on, through the same redaction; calling again replaces what was there.
    """
    redaction = Redaction()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_one_line_for_unreadable)
    handler.setFormatter(_LineFormatter(redaction, fmt))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())
    # A failing log line must never print the record, and with it what the record holds.
    logging.raiseExceptions = False
    return redaction


def _one_line_for_unreadable(record: logging.LogRecord) -> bool:
    """gRPC reports bytes that are no message as a fault of ours with a traceback, once per call that a client makes."""
    if record.name.startswith("grpc.") and str(record.msg).startswith("Exception deserializing"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "a message that could not be read was refused: its bytes are none of that kind", ()
        record.exc_info = record.exc_text = None
    return True


class _LineFormatter(logging.Formatter):
    """One record as one line, redacted."""

    def __init__(self, redaction: Redaction, fmt: Format) -> None:
        super().__init__()
        self._redaction = redaction
        self._fmt = fmt

    def format(self, record: logging.LogRecord) -> str:
        """``record`` as text or JSON, without a line end."""
        extra = {name: value for name, value in vars(record).items() if name not in OWN_ATTRIBUTES}
        fields = self._redaction.fields(extra)
        if record.exc_info:
            fields["traceback"] = self._redaction.text(self.formatException(record.exc_info))
        message = self._redaction.text(record.getMessage())
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = record.levelname.lower()
        if self._fmt == "json":
            line: dict[str, object] = {"time": time, "level": level, "logger": record.name, "message": message}
            for name, value in fields.items():
                # A field must not pass itself off as the level or the message.
                line[f"field_{name}" if name in line else name] = value
            return json.dumps(line, separators=(",", ":"))
        tail = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
        return f"{time} {level:<7} {record.name}: {message}{tail}"


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=') else text
