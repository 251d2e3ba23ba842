"""What every command shares: its streams, its common options, and how it talks to whoever called it.

stdout carries data and nothing else; everything that is said to a person goes to stderr.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.streams import dropped
from strongroom.telemetry.redaction import UNSAFE, printable

__all__ = ["Caller", "ReaderGone", "facts", "json_text", "limited", "read_file", "table"]

# What a person hands over on a command line is a document; the host has its own, smaller limits for each kind.
INPUT_BYTES_MAX: Final = 16_000_000


class ReaderGone(Exception):
    """Whoever read the output has enough of it."""


@dataclass(slots=True, kw_only=True)
class Caller:
    """One call of one command."""

    json: bool = False
    quiet: bool = False
    no_input: bool = False
    socket: Path | None = None
    state_dir: Path | None = None
    timeout_s: float = 60.0
    token_file: Path | None = None
    _stdin_taken: bool = field(default=False, init=False)

    def emit(self, noun: str, document: Mapping[str, Any], text: str) -> None:  # Any: JSON values
        """Print the data: ``document`` as ``strongroom.<noun>/v1`` with ``--json``, else ``text``."""
        shown = self.text_of(noun, document, text)
        self._write(shown + "\n" if shown else "")

    def emit_table(
        self,
        noun: str,
        document: Mapping[str, Any],  # Any: JSON values
        headings: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        nothing: str,
    ) -> None:
        """As ``emit``, a line for each row. Who gets none is told ``nothing``; a program sees an empty list."""
        self.emit(noun, document, table(headings, rows) if rows else "")
        if not rows and not self.json:
            self.note(nothing)

    def text_of(self, noun: str, document: Mapping[str, Any], text: str) -> str:  # Any: JSON values
        """What ``emit`` prints, without the line end."""
        return json_text({"schema": f"strongroom.{noun}/v1", **document}) if self.json else text

    def emit_line(self, noun: str, document: Mapping[str, Any], text: str) -> None:  # Any: JSON values
        """As ``emit``, for one of many that come one after another: with ``--json`` each is one line."""
        if self.json:
            text = json_text({"schema": f"strongroom.{noun}/v1", **document}, indent=None)
        self._write(text + "\n")

    def emit_raw(self, data: bytes) -> None:
        """Print what is data already, as it is."""
        self._write(data.decode("utf-8"))

    @staticmethod
    def emit_bytes(data: bytes) -> None:
        """Print what is no text. A terminal is not to be given that."""
        with _told_of_stdout():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    @staticmethod
    def _write(text: str) -> None:
        with _told_of_stdout():
            sys.stdout.write(text)
            sys.stdout.flush()

    def note(self, message: str) -> None:
        """Say something to the person, on stderr, unless silence was asked for."""
        if not self.quiet:
            self.warn(message)

    @staticmethod
    def warn(message: str) -> None:
        """Say on stderr what a person must see, whatever was asked for."""
        try:
            sys.stderr.write(printable(message) + "\n")
        except OSError:
            # Nobody hears it, which is no fault of what was asked for.
            dropped(sys.stderr)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only when the person agreed, by ``--yes`` or at the prompt of a terminal."""
        if yes:
            return
        if self.no_input or not sys.stdin.isatty():
            raise bad_data(
                "SR-CLI-002",
                "this needs your agreement",
                why="stdin is no terminal to ask at",
                fix="add --yes; where there is --dry-run, it shows what would be done",
                exit_code=Exit.USAGE,
            )
        sys.stderr.write(f"{printable(question)} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise bad_data("SR-CLI-003", "nothing was changed", why="you did not agree", exit_code=Exit.USAGE)

    def read(self, option: str, text: str, *, bytes_max: int = INPUT_BYTES_MAX) -> bytes:
        """The bytes that ``text`` stands for: itself, ``@file``, or ``-`` for stdin."""
        if text == "-":
            return self.read_stdin(option, bytes_max=bytes_max)
        if text.startswith("@"):
            return read_file(option, Path(text[1:]), bytes_max=bytes_max)
        return os.fsencode(text)

    def read_stdin(self, option: str, *, bytes_max: int = INPUT_BYTES_MAX) -> bytes:
        """Everything on stdin, which only one option can have."""
        if self._stdin_taken:
            raise bad_data(
                "SR-CLI-004",
                f"{option} cannot read stdin too",
                why="another one took it",
                fix="give one of them as a file",
                exit_code=Exit.USAGE,
            )
        self._stdin_taken = True
        return limited(option, sys.stdin.buffer.read(bytes_max + 1), bytes_max)

    def read_json(self, option: str, text: str) -> bytes:
        """As ``read``, but it must be JSON. The bytes are handed on as they are."""
        raw = self.read(option, text)
        try:
            json.loads(raw, parse_constant=_constant)
        except (ValueError, RecursionError) as error:
            raise bad_data(
                "SR-CLI-005",
                f"{option} is not JSON",
                why=_why_no_json(error),
                fix=f"quote it for your shell: {option} '{{\"key\": 1}}', or name a file: {option} @file.json",
            ) from None
        return raw


@contextmanager
def _told_of_stdout() -> Iterator[None]:
    """A reader that is gone, and a fault of stdout by its name: the system does not know what it is to a person."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from error


class _NoConstantError(ValueError):
    """``NaN`` and its like, which Python reads and no other reader of JSON knows."""


def _constant(name: str) -> object:
    raise _NoConstantError(f"{name} is no JSON value")


def _why_no_json(error: Exception) -> str:
    if isinstance(error, _NoConstantError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno} cannot be read"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return "lists and objects in it are nested too deeply" if isinstance(error, RecursionError) else "it cannot be read"


def json_text(document: Mapping[str, Any], *, indent: int | None = 2) -> str:  # Any: JSON values
    """``document`` as JSON that a person can read too, without a character that a terminal would obey."""
    readable = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(document, indent=indent, ensure_ascii=not readable)
    return "\n".join(UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", line) for line in text.split("\n"))


def read_file(option: str, path: Path, *, bytes_max: int = INPUT_BYTES_MAX) -> bytes:
    """The content of a file that a person named."""
    try:
        with path.open("rb") as file:
            return limited(option, file.read(bytes_max + 1), bytes_max)
    except PermissionError as error:
        raise bad_data(
            "SR-CLI-006",
            f"{path} may not be read",
            why=str(error.strerror),
            fix=f"give {option} a file that you may read",
            exit_code=Exit.PERMISSION,
        ) from error
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a file name"
        raise bad_data(
            "SR-CLI-007", f"{path} cannot be read", why=str(why), fix=f"give {option} a file that exists"
        ) from error
    except OSError as error:
        raise bad_data(
            "SR-CLI-008",
            f"{path} cannot be read",
            why=str(error.strerror),
            fix="the system says so: look at the disk and the path",
            exit_code=Exit.IO,
        ) from error


def limited(option: str, raw: bytes, bytes_max: int) -> bytes:
    """``raw``, which has at most ``bytes_max`` bytes."""
    if len(raw) > bytes_max:
        raise bad_data(
            "SR-CLI-009",
            f"{option} is too large",
            why=f"it has more than {bytes_max} bytes",
            fix="give a smaller one, or look whether it is the file that was meant",
        )
    return raw


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns, one line per row, nothing cut: ids are there to be copied."""
    cells = [list(headings), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """``name: value`` lines, values aligned; empty values are left out."""
    shown = [(name, printable(str(value))) for name, value in pairs if value not in {"", None}]
    width = max((len(name) for name, _ in shown), default=0) + 2
    return "\n".join(f"{name + ':':<{width}}{value}" for name, value in shown)
