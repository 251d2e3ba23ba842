"""The attributes document of a workflow, parsed strictly.

A document that is not understood refuses the registration; it never means "not confidential". Absent, zero-length and
missing attributes are the same: no wishes.

Source: contracts, "confidential" section 1; what the reference reads leniently is refused here when it is ambiguous.
So is ``null``, which it reads as "not there": whoever writes ``"confidential": null`` may mean either answer.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.modules.retries import RetryPolicy, parse_retention, parse_retry

__all__ = ["ATTRIBUTES_BYTES_MAX", "SECRETS_MAX", "Attributes", "SecretName", "difference", "parse_attributes"]

ATTRIBUTES_BYTES_MAX: Final = 64_000
"""A document is a handful of names; this is generous and keeps the parser's work bounded."""
SECRETS_MAX: Final = 100
"""As many secrets as the vault keeps for one owner."""
NAME_BYTES_MAX: Final = 64
"""The vault's limit for a key and for a namespace."""
DEPTH_MAX: Final = 32
"""Deeper documents have no use and could exhaust the stack of a reader."""
DEFAULT_NAMESPACE: Final = "main"

KNOWN: Final = ("confidential", "retention_hours", "retry", "vault_don_secrets")
SECRET_KEYS: Final = ("key", "namespace")


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret that the workflow names; ``namespace`` is never empty."""

    key: str
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Attributes:
    """The wishes of a workflow. ``warnings`` name the top-level keys that this host does not know.

    ``retention_hours`` is how long its runs are kept after their end; the host's setting when it is ``None``.
    """

    confidential: bool = False
    vault_don_secrets: tuple[SecretName, ...] = ()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    retention_hours: int | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def parse_attributes(untrusted: bytes | None) -> Attributes:
    """The attributes in ``untrusted``, a UTF-8 JSON object or nothing.

    Raises ``InvalidInput`` naming the field path; ``LimitExceeded`` for a document that is too big.
    """
    if not untrusted:
        return Attributes()
    if len(untrusted) > ATTRIBUTES_BYTES_MAX:
        raise LimitExceeded(
            "SR-ATTR-008",
            f"attributes are {len(untrusted)} bytes, more than {ATTRIBUTES_BYTES_MAX}",
            fix="put large data into the config or the trigger payload",
            size=len(untrusted),
            limit=ATTRIBUTES_BYTES_MAX,
        )
    document = _load(untrusted)
    if not isinstance(document, dict):
        raise _wrong("attributes", f"expected an object, got {_kind(document)}")
    warnings = tuple(_unknown_top_level(document))
    confidential = document.get("confidential", False)
    if not isinstance(confidential, bool):
        raise _wrong("attributes.confidential", f"expected true or false, got {_kind(confidential)}")
    return Attributes(
        confidential,
        _secrets(document),
        parse_retry(document.get("retry")),
        parse_retention(document.get("retention_hours")),
        document,
        warnings,
    )


def difference(old: Attributes, new: Attributes) -> list[str]:
    """One line for each top-level field that differs, as ``field: old -> new``; empty when they mean the same."""
    lines = []
    for key in sorted({*old.document, *new.document}):
        before, after = (
            json.dumps(d[key], sort_keys=True) if key in d else "absent" for d in (old.document, new.document)
        )
        if before != after and _meaning(old, key) != _meaning(new, key):
            lines.append(f"attributes.{key}: {before} -> {after}")
    return lines


def _meaning(attributes: Attributes, key: str) -> object:
    """What ``key`` asks for, so that a spelled-out default equals an absent member."""
    if key in KNOWN:
        return getattr(attributes, key)
    return json.dumps(attributes.document[key], sort_keys=True) if key in attributes.document else None


def _load(untrusted: bytes) -> object:
    try:
        text = untrusted.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from error
    try:
        document: object = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise _malformed(f"nested deeper than {DEPTH_MAX} levels") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        # A number with thousands of digits: the reader refuses it without naming a place.
        raise _malformed("a number is too long") from error
    _bound_depth(document, 0)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidInput(
                "SR-ATTR-003",
                f"failed to parse workflow attributes: duplicate key {key!r}",
                why="two values for one key are ambiguous",
                fix="keep one of them",
                field=f"attributes.{key}",
            )
        found[key] = value
    return found


def _constant(word: str) -> object:
    raise _malformed(f"{word} is not JSON")


def _bound_depth(value: object, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise _malformed(f"nested deeper than {DEPTH_MAX} levels")
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            _bound_depth(child, depth + 1)


def _unknown_top_level(document: Mapping[str, Any]) -> list[str]:
    """Warnings for unknown keys; refuses a key that only looks like a known one."""
    folded = {_fold(known): known for known in KNOWN}
    warnings = []
    for key, value in document.items():
        if key in KNOWN:
            if value is None:
                raise _wrong(f"attributes.{key}", "null is ambiguous: leave the key out or give a value")
            continue
        meant = folded.get(_fold(key))
        if meant is not None:
            raise InvalidInput(
                "SR-ATTR-005",
                f"failed to parse workflow attributes: {key!r} is not spelled {meant!r}",
                why="a reader that compares spellings would overlook it",
                fix=f"write {meant!r}",
                field=f"attributes.{key}",
            )
        warnings.append(f"attributes.{key} is not known to this host and has no effect")
    return warnings


def _fold(key: str) -> str:
    """``key`` without case, compatibility forms, separators and invisible characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", key).casefold())
    return "".join(c for c in folded if unicodedata.category(c) not in {"Zs", "Zl", "Zp", "Cf", "Cc", "Pd", "Pc", "Mn"})


def _secrets(document: Mapping[str, Any]) -> tuple[SecretName, ...]:
    path = "attributes.vault_don_secrets"
    listed = document.get("vault_don_secrets", [])
    if not isinstance(listed, list):
        raise _wrong(path, f"expected a list, got {_kind(listed)}")
    if len(listed) > SECRETS_MAX:
        raise LimitExceeded(
            "SR-ATTR-009",
            f"{path} names {len(listed)} secrets, more than {SECRETS_MAX}",
            fix="name only the secrets that the workflow reads",
            size=len(listed),
            limit=SECRETS_MAX,
        )
    return tuple(_secret(entry, f"{path}[{index}]") for index, entry in enumerate(listed))


def _secret(entry: object, path: str) -> SecretName:
    if not isinstance(entry, dict):
        raise _wrong(path, f"expected an object, got {_kind(entry)}")
    for name in entry:
        if name not in SECRET_KEYS:
            raise InvalidInput(
                "SR-ATTR-006",
                f"failed to parse workflow attributes: {path}.{name} is not a member of a secret identifier",
                why=f"its members are {' and '.join(SECRET_KEYS)}",
                fix="remove it or correct its spelling",
                field=f"{path}.{name}",
            )
    if "key" not in entry:
        raise _wrong(f"{path}.key", "is missing")
    key = _name(entry["key"], f"{path}.key")
    if not key:
        raise _wrong(f"{path}.key", "is empty")
    namespace = _name(entry["namespace"], f"{path}.namespace") if "namespace" in entry else ""
    return SecretName(key, namespace or DEFAULT_NAMESPACE)


def _name(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, f"expected a string, got {_kind(value)}")
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise _wrong(path, "holds half of a surrogate pair") from None
    if size > NAME_BYTES_MAX:
        raise LimitExceeded(
            "SR-ATTR-010",
            f"{path} is {size} bytes, more than {NAME_BYTES_MAX}",
            fix="choose a shorter name",
            size=size,
            limit=NAME_BYTES_MAX,
        )
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _wrong(path: str, why: str) -> InvalidInput:
    return InvalidInput(
        "SR-ATTR-004",
        f"failed to parse workflow attributes: {path}: {why}",
        fix="correct the field and register again; nothing was registered",
        field=path,
    )


def _malformed(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-ATTR-002",
        f"failed to parse workflow attributes: {why}",
        fix="attributes are one JSON object; nothing was registered",
        field="attributes",
    )
