"""Which formats the program behind a run can read, by the version that the run has recorded.

Source: contracts/run-encryption.md 8 and 11.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

from strongroom.crypto.compression import Codec
from strongroom.crypto.payload_format import Format

__all__ = ["COMPRESSION_SPEC_VERSION_MIN", "EVERY_ABILITY", "FIRST_VERSIONS", "Ability", "abilities_of", "codec_for"]

VERSION_CHARS_MAX: Final = 256
COMPRESSION_SPEC_VERSION_MIN: Final = 5


class Ability(StrEnum):
    """A format of payloads, or of streams, that a version can read."""

    DEVL = Format.DEVL
    ENCR = Format.ENCR
    FRAMED_BYTES = "framed-v1"
    GZIP = Format.GZIP
    ZSTD = Format.ZSTD
    ENCP = Format.ENCP


FIRST_VERSIONS: Final[Mapping[Ability, str]] = {
    Ability.ENCR: "4.2.0-beta.64",
    Ability.FRAMED_BYTES: "5.0.0-beta.15",
    Ability.GZIP: "5.0.0-beta.18",
    Ability.ZSTD: "5.0.0-beta.18",
    Ability.ENCP: "5.0.0-beta.37",
}
"""The first version with each ability; ``devl`` is read by all."""
EVERY_ABILITY: Final = frozenset(Ability)

# Precedence of semantic versions (semver 2.0.0, 11): a version without identifiers of a pre-release is above those with
# any; numbers are below words; of two that begin alike the longer one is above.
_Precedence = tuple[tuple[int, int, int], int, tuple[tuple[int, int, str], ...]]
_NUMBER: Final = r"(0|[1-9]\d{0,15})"
_IDENTIFIER: Final = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)


def abilities_of(core_version: object) -> frozenset[Ability]:
    """What the program with this version can read: ``devl`` alone where it is missing or is no version.

    ``core_version`` is ``executionContext.workflowCoreVersion`` of the run; a leading ``v`` is passed over.
    """
    found = _precedence(core_version) if isinstance(core_version, str) else None
    if found is None:
        return frozenset({Ability.DEVL})
    return frozenset({Ability.DEVL, *(ability for ability, first in _FIRST.items() if found >= first)})


def codec_for(*, spec_version: int, abilities: AbstractSet[Ability], environ: Mapping[str, str]) -> Codec | None:
    """What to compress payloads of a run with, once somebody decided that they may be compressed at all.

    ``WORKFLOW_DISABLE_COMPRESSION=1`` says nothing, ``WORKFLOW_COMPRESSION_CODEC`` says gzip or zstd. Reading asks
    neither.
    """
    if spec_version < COMPRESSION_SPEC_VERSION_MIN or environ.get("WORKFLOW_DISABLE_COMPRESSION") == "1":
        return None
    codec = Codec.GZIP if environ.get("WORKFLOW_COMPRESSION_CODEC") == "gzip" else Codec.ZSTD
    return codec if Ability(codec.value) in abilities else None


def _precedence(text: str) -> _Precedence | None:
    found = _VERSION.fullmatch(text) if len(text) <= VERSION_CHARS_MAX else None
    if found is None:
        return None
    numbers = int(found[1]), int(found[2]), int(found[3])
    if found[4] is None:
        return numbers, 1, ()
    identifiers = found[4].split(".")
    return numbers, 0, tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in identifiers)


def _known(text: str) -> _Precedence:
    found = _precedence(text)
    if found is None:
        raise ValueError(text)
    return found


_FIRST: Final = {ability: _known(text) for ability, text in FIRST_VERSIONS.items()}
