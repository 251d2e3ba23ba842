"""One record of the audit log: who did what to what, how it ended, and why. No payload and no secret, ever.

A record becomes one line of canonical JSON: ASCII, keys sorted, no space. Its size is bounded whatever it is made of;
what is too long is cut where everybody sees it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["FACTS_MAX", "HOST", "RECORD_BYTES_MAX", "Record", "cut", "decode", "encode"]

RECORD_BYTES_MAX: Final = 4096
"""One page; a disk of 64 MB holds sixteen thousand of the largest, and more than a hundred thousand usual ones."""
FACTS_MAX: Final = 16
"""Facts of one record; ours have up to six."""
FACT_NAME_CHARACTERS_MAX: Final = 40
FACT_CHARACTERS_MAX: Final = 512
CHARACTERS_MAX: Final[Mapping[str, int]] = {
    "host": 128,
    "caller": 256,
    "action": 64,
    "subject": 512,
    "owner": 256,
    "outcome": 64,
    "reason": 512,
}
"""Limits of the texts of a record, in characters."""
HOST: Final = "host"
"""Whose deed it is when nobody called, such as the start of a trigger's run."""
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
NUMBER_MAX: Final = 2**63 - 1
"""Whole numbers that every reader of JSON keeps; others become text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is written down. ``number`` counts from 1 without a gap; ``time_ms`` is Unix time."""

    action: str
    subject: str
    number: int = 0
    time_ms: int = 0
    host: str = ""
    caller: str = ""
    owner: str = ""
    outcome: str = "done"
    reason: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)


def encode(record: Record) -> bytes:
    """``record`` as at most ``RECORD_BYTES_MAX`` bytes of JSON, without a line end."""
    texts = {name: cut(getattr(record, name), limit) for name, limit in CHARACTERS_MAX.items()}
    facts: dict[str, str | int] = {
        cut(name, FACT_NAME_CHARACTERS_MAX): _fact(value)
        for name, value in list(record.facts.items())[:FACTS_MAX]
        if value != ""
    }
    if len(record.facts) > FACTS_MAX:
        facts["facts_left_out"] = len(record.facts) - FACTS_MAX
    while True:
        raw = _json(record, texts, facts)
        if len(raw) <= RECORD_BYTES_MAX:
            return raw
        _shorten(texts, facts)


def decode(raw: bytes) -> Record | None:
    """What ``encode`` made of a record, or nothing for anything else. Nothing of it is authentic by that."""
    try:
        found: Any = json.loads(raw)  # Any: JSON values
        time_ms = round(datetime.fromisoformat(found["time"]).timestamp() * 1000)
        facts = {str(name): value if isinstance(value, int) else str(value) for name, value in found["facts"].items()}
        texts = {name: str(found[name]) for name in CHARACTERS_MAX}
        return Record(number=int(found["number"]), time_ms=time_ms, facts=facts, **texts)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def cut(text: str, characters_max: int) -> str:
    """``text``, or its beginning with the number of characters that it had."""
    if len(text) <= characters_max:
        return text
    mark = f"...({len(text)} characters)"
    return text[: max(characters_max - len(mark), 0)] + mark


def _fact(value: str | int) -> str | int:
    if isinstance(value, int) and -NUMBER_MAX <= value <= NUMBER_MAX:
        return value
    return cut(str(value), FACT_CHARACTERS_MAX)


def _json(record: Record, texts: Mapping[str, str], facts: Mapping[str, str | int]) -> bytes:
    time = datetime.fromtimestamp(record.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    document = {**texts, "number": record.number, "time": time.replace("+00:00", "Z"), "facts": facts}
    return _ENCODER.encode(document).encode("ascii")


def _shorten(texts: dict[str, str], facts: dict[str, str | int]) -> None:
    """Halve the longest text. A character may take twelve bytes in JSON, so limits in characters are not enough."""
    holders: list[tuple[dict[str, Any], str]] = [(texts, name) for name in texts]  # Any: either of the two
    holders += [(facts, name) for name, value in facts.items() if isinstance(value, str)]
    holder, name = max(holders, key=lambda each: len(json.dumps(each[0][each[1]])))
    holder[name] = cut(holder[name], len(holder[name]) // 2)
