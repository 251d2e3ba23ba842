"""JSON text as JavaScript reads and writes it: encoding V1 keeps embedded objects and formats as such text."""

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.limits import INTEGER_MAX, JSON_LENGTH_MAX, NESTING_MAX
from strongroom.workspace.yjs.values import UNDEFINED, BigInt, Value

__all__ = ["parse", "stringify"]

_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_INDEX_MAX: Final = 2**32 - 2


def parse(text: str) -> Value:
    """What ``JSON.parse`` makes of ``text``, with members in JavaScript's order.

    Raises SR-WS-038; SR-WS-033 for a text that is too long to be a format or an embedded object.
    """
    if len(text) > JSON_LENGTH_MAX:
        raise faults.too_large("a JSON text in the update", len(text), JSON_LENGTH_MAX)
    if text.count("[") + text.count("{") > NESTING_MAX:
        _check_depth(text)
    try:
        return json.loads(
            text, parse_int=_number, parse_float=float, parse_constant=_no_constant, object_pairs_hook=_members
        )
    except (ValueError, RecursionError):
        raise faults.bad_json() from None


def _check_depth(text: str) -> None:
    depth = 0
    for match in _BRACKETS.finditer(text):
        sign = match[0]
        if sign in "[{":
            depth += 1
            if depth > NESTING_MAX:
                raise faults.too_many("levels of nesting", depth, NESTING_MAX)
        elif sign in "]}":
            depth -= 1


def _number(digits: str) -> float:
    if digits == "-0":
        return -0.0
    # Above the safe integers JavaScript rounds; Python would keep digits that no peer has.
    if len(digits) <= 17 and abs(whole := int(digits)) <= INTEGER_MAX:
        return whole
    return float(digits)


def _no_constant(name: str) -> Value:
    raise ValueError(name)


def _members(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    members = dict(pairs)
    indexes = [name for name in members if _INDEX.fullmatch(name) and int(name) <= _INDEX_MAX]
    if not indexes:
        return members
    # JavaScript enumerates names that are indexes first, in ascending order.
    ordered = dict.fromkeys(sorted(indexes, key=int))
    return {name: members[name] for name in [*ordered, *(name for name in members if name not in ordered)]}


def stringify(value: Value, depth: int = 0) -> str:
    """What ``JSON.stringify`` makes of ``value``. Raises SR-WS-042 where that gives nothing or throws.

    Members that are undefined are left out, undefined items and numbers that are not finite become null, and bytes
    become an object with an index for every byte.
    """
    if depth > NESTING_MAX:
        raise faults.value_unsuited(f"it is nested more than {NESTING_MAX} deep")
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, BigInt):
        raise faults.value_unsuited("JSON has no BigInt")
    if isinstance(value, int | float):
        return _digits(value)
    if isinstance(value, bytes):
        return "{" + ",".join(f'"{index}":{byte}' for index, byte in enumerate(value)) + "}"
    if isinstance(value, Mapping):
        members = [(name, member) for name, member in value.items() if member is not UNDEFINED]
        return "{" + ",".join(f"{stringify(n)}:{stringify(m, depth + 1)}" for n, m in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join("null" if i is UNDEFINED else stringify(i, depth + 1) for i in value) + "]"
    raise faults.value_unsuited("JSON cannot carry it")


def _digits(value: float) -> str:
    """A number as JavaScript prints it: shortest digits, and an exponent from 1e21 and below 1e-6."""
    number = float(value)
    if not math.isfinite(number):
        return "null"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, power = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(power or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        text = digits.ljust(point, "0")
        return sign + text[:point] + ("." + text[point:] if len(text) > point else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
