"""Files that a simulation reads beside the guest: limits of a host, and secrets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from strongroom.errors import InvalidInput, Misconfigured
from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.settings.limits import LimitSettings
from strongroom.settings.refusals import nearest
from strongroom.settings.yaml_file import read_document

__all__ = ["limits_of", "secrets_of"]

PREFIX: Final = "limits."
NAME: Final = re.compile(r"(?:([^\s/=]{1,64})/)?([^\s/=]{1,64})")
"""``KEY`` or ``namespace/KEY``."""
QUOTES: Final = ("'", '"')


def limits_of(choice: str) -> LimitSettings:
    """``default``, or the limits in a file as ``strongroom workflow limits export`` writes. Raises ``InvalidInput``."""
    if choice == "default":
        return LimitSettings()
    if choice == "none":
        raise InvalidInput(
            "SR-SIM-005",
            "nothing is simulated without limits",
            why="what passes without limits says nothing about a host",
            fix="raise the limit that is in the way in a file, and on the host, and name the file with --limits",
            field="--limits",
        )
    try:
        found = read_document(Path(choice)).data.get("limits")
    except Misconfigured as error:
        raise _wrong_limits(str(error)) from error
    named = _named(found)
    for name in named:
        if name not in LimitSettings.model_fields:
            near = nearest(name, LimitSettings.model_fields)
            raise _wrong_limits(
                f"there is no limit {name[:100]}; {f'did you mean {near}?' if near else 'none is near it'}"
            )
    try:
        return LimitSettings.model_validate(named)
    except ValueError as error:
        # The first line counts the problems; the name and the reason of the first problem follow.
        _, name, reason = [*str(error).splitlines(), "", "", ""][:3]
        raise _wrong_limits(f"{name}: {reason.split('[', 1)[0].strip()}") from error


def secrets_of(untrusted: bytes) -> Mapping[tuple[str, str], str]:
    """Lines ``KEY=value`` or ``namespace/KEY=value`` by (namespace, key). Raises ``InvalidInput``, without a value.

    Empty lines and those that begin with ``#`` are skipped; quotes around a whole value are removed.
    """
    try:
        lines = untrusted.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _wrong_secrets(f"byte {error.start} is not UTF-8") from None
    found: dict[tuple[str, str], str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        shape = NAME.fullmatch(name.strip())
        if not equals or shape is None:
            raise _wrong_secrets(f"line {number} is not KEY=value or namespace/KEY=value")
        key = (shape[1] or DEFAULT_NAMESPACE, shape[2])
        if key in found:
            raise _wrong_secrets(f"line {number} sets {'/'.join(key)} again")
        value = value.strip()
        quoted = len(value) > 1 and value[0] in QUOTES and value[-1] == value[0]
        found[key] = value[1:-1] if quoted else value
    return found


def _named(found: Any) -> dict[str, Any]:  # Any: YAML
    """A mapping of names, or a list of ``{name, value}`` as the JSON document of the command has it."""
    if isinstance(found, list) and all(isinstance(item, dict) and {"name", "value"} <= item.keys() for item in found):
        found = {str(item["name"]): item["value"] for item in found}
    if not isinstance(found, dict):
        raise _wrong_limits("it has no mapping `limits`")
    return {str(name).removeprefix(PREFIX): value for name, value in found.items()}


def _wrong_limits(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-SIM-002",
        "the file of limits cannot be used",
        why=why,
        fix="strongroom workflow limits export writes such a file; --limits default are those of a new host",
        field="--limits",
    )


def _wrong_secrets(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-SIM-003",
        "the file of secrets cannot be used",
        why=why,
        fix="write one KEY=value in a line",
        field="--env",
    )
