"""Structured logs on stderr: one line per event, as text for people or JSON for collectors.

Code logs with the standard library and gives facts as ``extra``: ``log.info("run started", extra={"run_id": run_id})``.
Everything goes through one ``Redaction`` on its way out. Lines for the journal begin with their level, which it takes
off and keeps: see sd-daemon(3).
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from strongroom.telemetry.redaction import Redaction

__all__ = ["ROOT", "change", "configure", "for_children", "get", "hear_everything"]

ROOT: Final = "strongroom"
Format = Literal["text", "json"]
# What the library itself puts into a record; everything else in it came from `extra`.
OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


JOURNAL: Final = "JOURNAL_STREAM"
"""What the service manager says of stderr where that is the journal: its device and its number. See systemd.exec(5)."""
PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Levels of syslog; what is less is 7."""


def for_children(environ: Mapping[str, str]) -> dict[str, str]:
    """What a process with an environment of its own needs to know of the stderr that it shares."""
    return {name: environ[name] for name in (JOURNAL,) if name in environ}


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
    handler.setFormatter(_LineFormatter(redaction, fmt, for_journal=_is_journal(handler.stream)))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())
    # A failing log line must never print the record, and with it what the record holds.
    logging.raiseExceptions = False
    return redaction


def change(level: str, fmt: Format) -> None:
    """Another level and another form from now on, to the same stream and through the same redaction."""
    for handler in logging.getLogger().handlers:
        formatter = handler.formatter
        if isinstance(formatter, _LineFormatter):
            handler.setFormatter(_LineFormatter(formatter.redaction, fmt, for_journal=formatter.for_journal))
    logging.getLogger(ROOT).setLevel(level.upper())


def hear_everything() -> None:
    """Have exceptions that nobody catches, in threads and in finalizers, and warnings of libraries become lines of the
    log. Python writes them to stderr itself, past the redaction and with the values that are in their messages."""
    threading.excepthook = _thread_ended
    sys.unraisablehook = _not_raised
    logging.captureWarnings(True)


def _is_journal(stream: TextIO) -> bool:
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # it is closed, or no file
        return False
    return os.environ.get(JOURNAL) == f"{found.st_dev}:{found.st_ino}"


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread is not None else ""
        get("app").error("a thread ended by an exception", exc_info=args.exc_value, extra={"part": name})


def _not_raised(args: "sys.UnraisableHookArgs") -> None:
    # The object that it happened in is left out: how it is shown is its own affair.
    get("app").error("an exception could not be raised", exc_info=args.exc_value)


def _one_line_for_unreadable(record: logging.LogRecord) -> bool:
    """gRPC reports bytes that are no message as a fault of ours with a traceback, once per call that a client makes."""
    if record.name.startswith("grpc.") and str(record.msg).startswith("Exception deserializing"):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "a message that could not be read was refused: its bytes are none of that kind", ()
        record.exc_info = record.exc_text = None
    return True


class _LineFormatter(logging.Formatter):
    """One record as one line, redacted."""

    def __init__(self, redaction: Redaction, fmt: Format, *, for_journal: bool) -> None:
        super().__init__()
        self.redaction = redaction
        self.for_journal = for_journal
        self._fmt = fmt

    def format(self, record: logging.LogRecord) -> str:
        """``record`` as text or JSON, without a line end."""
        line = self._line(record)
        if not self.for_journal:
            return line
        return f"<{next((number for level, number in PRIORITIES if record.levelno >= level), 7)}>{line}"

    def _line(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in OWN_ATTRIBUTES}
        fields = self.redaction.fields(extra)
        if record.exc_info:
            fields["traceback"] = self.redaction.text(self.formatException(record.exc_info))
        message = self.redaction.text(record.getMessage())
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
