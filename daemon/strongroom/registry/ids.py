"""The grammar of capability ids, and which version answers a request (capability-wire sections 2 and 3)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

from strongroom.errors import InvalidInput

__all__ = [
    "ID_CHARS_MAX",
    "CapabilityId",
    "Version",
    "chain_selector",
    "choose",
    "make_id",
    "nothing_for",
    "parse_id",
    "validate_id",
]

ID_CHARS_MAX: Final = 128
# Semantic versioning 2.0, its own suggested expression.
VERSION: Final = (
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
VERSION_PATTERN: Final = re.compile(VERSION, re.ASCII)
ID_PATTERN: Final = re.compile(rf"[a-zA-Z0-9_\-:]+@{VERSION}", re.ASCII)
ALLOWED: Final = rf"^[a-zA-Z0-9_\-:]+@{VERSION}$"
SELECTOR_KEY: Final = "ChainSelector"
SELECTOR_MAX: Final = 2**64 - 1


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version. Build metadata does not order."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        """The version that ``text`` writes, or ``None``."""
        match = VERSION_PATTERN.fullmatch(text)
        if match is None:
            return None
        major, minor, patch, prerelease, _build = match.groups()
        return cls(int(major), int(minor), int(patch), tuple(prerelease.split(".")) if prerelease else ())

    def _key(self) -> tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]:
        """A release is later than its prereleases; numbers are earlier than words (semver 2.0, item 11)."""
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.prerelease)
        return (self.major, self.minor, self.patch, 0 if self.prerelease else 1, parts)

    def __lt__(self, other: "Version") -> bool:
        return self._key() < other._key()


@dataclass(frozen=True, slots=True)
class CapabilityId:
    """The parts of an id. ``version`` is empty when the id has none."""

    name: str
    labels: tuple[tuple[str, str], ...]
    version: str

    def label(self, key: str) -> str | None:
        """The value of a label, or ``None``."""
        return next((value for name, value in self.labels if name == key), None)


def validate_id(untrusted: str) -> str:
    """``untrusted``, which is a valid id. Raises ``InvalidInput``."""
    if len(untrusted) > ID_CHARS_MAX:
        raise InvalidInput(
            "SR-CAPID-001", f"invalid id: {untrusted[:200]} exceeds max length {ID_CHARS_MAX}", field="id"
        )
    if not ID_PATTERN.fullmatch(untrusted):
        raise InvalidInput("SR-CAPID-002", f"invalid id: {untrusted}. Allowed: {ALLOWED}", field="id")
    return untrusted


def parse_id(text: str) -> CapabilityId:
    """The parts of ``text``, leniently: nothing is refused."""
    head, at, version = text.rpartition("@")
    if not at:
        head, version = text, ""
    name, *labels = head.split(":")
    pairs = (label.partition("_") for label in labels)
    return CapabilityId(name, tuple((key, value) for key, _, value in pairs), version)


def make_id(name: str, labels: dict[str, str], version: str) -> str:
    """The id of these parts, its labels sorted by key. Raises ``InvalidInput``."""
    parts = [f"{key}_{value}" if value else key for key, value in sorted(labels.items())]
    return validate_id(":".join([name, *parts]) + f"@{version}")


def chain_selector(capability_id: CapabilityId) -> int | None:
    """The chain selector label in either spelling, or ``None``. Raises ``InvalidInput`` when it is not a number."""
    for index, (key, value) in enumerate(capability_id.labels):
        if key != SELECTOR_KEY:
            continue
        text = value
        if not text and index + 1 < len(capability_id.labels):
            text = capability_id.labels[index + 1][0]
        if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > SELECTOR_MAX:
            raise InvalidInput("SR-CAPID-003", "invalid chain selector", why="it is not an unsigned 64-bit number")
        return int(text)
    return None


def nothing_for(requested: str) -> str:
    """What is said where no offered id answers ``requested``; guests compare it."""
    return f"no compatible capability found for id {requested}"


def choose(requested: str, offered: Iterable[str]) -> str:
    """The offered id that answers ``requested``: itself, or the smallest later version of the same major one.

    A stable request never gets a prerelease. Raises ``InvalidInput`` for a malformed id, ``LookupError`` for none.
    """
    ids = set(offered)
    if requested in ids:
        return requested
    head, _, version_text = requested.partition("@")
    if requested.count("@") != 1 or len(requested) > ID_CHARS_MAX:
        raise InvalidInput(
            "SR-CAPID-004",
            f"invalid capability id format: {requested[:200]}",
            # Guests see what is wrong and compare it; this is for people.
            fix="write it as name@1.2.3: strongroom capability list has them all",
            field="id",
        )
    wanted = Version.parse(version_text)
    if wanted is None:
        raise InvalidInput(
            "SR-CAPID-005",
            f'invalid version in capability id "{requested}": {version_text} is not a semantic version',
            field="id",
        )
    best: tuple[Version, str] | None = None
    for candidate in ids:
        other_head, _, other_text = candidate.partition("@")
        version = Version.parse(other_text)
        if other_head != head or version is None or version.major != wanted.major or not version > wanted:
            continue
        if version.prerelease and not wanted.prerelease:
            continue
        if best is None or (version, candidate) < best:
            best = (version, candidate)
    if best is None:
        raise LookupError(nothing_for(requested))
    return best[1]
