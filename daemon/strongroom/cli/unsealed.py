"""What was opened, and what does not open, for people and programs.

Contents come from guests and from outside: each line of them is shown with every character escaped that a terminal
would obey.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from strongroom.cli.caller import Caller, json_text
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.telemetry.redaction import printable

__all__ = ["block", "content", "note_unreadable", "unreadable", "unreadable_mark"]

INDENT: Final = "    "
WORDS: Final = {
    "wrong_key": "WRONG KEY",
    "key_missing": "KEY MISSING",
    "tampered": "TAMPERED",
    "not_ours": "NOT OURS",
    "expired": "EXPIRED",
}


def unreadable(message: Any) -> dict[str, Any] | None:  # Any: a message that may have such a field; JSON
    """The document of why ``message`` does not open; None when it does."""
    if not message.HasField("unreadable"):
        return None
    why: run_pb2.Unreadable = message.unreadable
    return {
        "kind": why.kind,
        "code": why.code,
        "what": why.what,
        "why": why.why,
        "fix": why.fix,
        "key_version": why.key_version or None,
        "key_id_expected": why.key_id_expected or None,
    }


def unreadable_mark(message: Any) -> str:  # Any: as above
    """``KEY MISSING · SR-VIEW-002``, in the place of what cannot be shown; empty when it can."""
    if not message.HasField("unreadable"):
        return ""
    why: run_pb2.Unreadable = message.unreadable
    return f"{WORDS.get(why.kind, why.kind.upper())} \u00b7 {why.code}"


def note_unreadable(caller: Caller, whys: Iterable[Any]) -> None:  # Any: as above
    """Say on stderr, once for each cause, what does not open, why, and what to do."""
    told: set[tuple[str, int]] = set()
    for message in whys:
        if message.HasField("unreadable"):
            why: run_pb2.Unreadable = message.unreadable
            if (why.code, why.key_version) not in told:
                told.add((why.code, why.key_version))
                caller.warn(f"{why.what} ({why.code}): {why.why}; {why.fix}")


def content(text: bytes) -> Any:  # Any: JSON
    """The JSON that a host sent; its text where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode(errors="replace")


def block(value: Any) -> str:  # Any: JSON
    """``value`` as indented lines for people."""
    return "\n".join(INDENT + printable(line) for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:  # Any: JSON
    if isinstance(value, dict):
        yield from json_text(value).split("\n")
    else:
        yield from str(value).split("\n")
