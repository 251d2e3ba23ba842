"""The files beside a piece of evidence: the ones that were named, or those of its folder and of ``roots`` near it.

Rule 1: what somebody named is used and nothing else is looked for; what was found by itself is always said.
Rule 2: a file beside evidence that cannot be read or is not known is no error: folders hold other things too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.cli.caller import read_file
from strongroom.cli.evidence_chains import Document, Held
from strongroom.cli.evidence_containers import JSON_BYTES_MAX, tpm_signature
from strongroom.cli.evidence_kinds import Recognised, recognise
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data

__all__ = ["EVIDENCE_BYTES_MAX", "FILES_MAX", "Folders", "Neighbour", "Neighbours", "named", "with_parts"]

EVIDENCE_BYTES_MAX: Final = 6 * 1024 * 1024
"""Of one file: a receipt with everything in it has 5 MiB."""
FILES_MAX: Final = 256
"""Files of one folder that are looked at."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A file and what it is."""

    path: Path
    found: Recognised


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Files that may belong to evidence. ``is_named`` says that somebody named them."""

    files: tuple[Neighbour, ...]
    is_named: bool

    def certificates(self) -> list[Held]:
        """Every certificate once, in the order of the files."""
        found: dict[str, Held] = {}
        for each in self.files:
            for certificate in each.found.pieces.get("certificates", ()):
                found.setdefault(certificate.fingerprint, Held(each.path.name, certificate))
        return list(found.values())

    def collateral(self) -> list[Document]:
        """Every document of collateral, in the order of the files."""
        pieces = ((each.path.name, each.found.pieces) for each in self.files)
        return [Document(name, found["collateral"]) for name, found in pieces if "collateral" in found]


def named(option: str, paths: Sequence[Path]) -> Neighbours:
    """The files that were given for ``option``. Raises ``Failure`` for one that is nothing that is known."""
    found = []
    for path in paths:
        recognised = _recognised(path, read_file(option, path, bytes_max=EVIDENCE_BYTES_MAX))
        if recognised is None:
            raise bad_data(
                "SR-CLI-092",
                f"{path} is nothing that goes with evidence",
                why="it is no certificate, no collateral of Intel in one JSON document, and no part of a quote",
                fix=f"give {option} a PEM or DER file, the collateral as dcap-qvl writes it, or leave it out",
                exit_code=Exit.DATA,
            )
        found.append(Neighbour(path, recognised))
    return Neighbours(tuple(found), is_named=True)


class Folders:
    """What stands around files, each folder being read once."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._read: dict[Path, tuple[Neighbour, ...]] = {}

    def near(self, path: Path) -> Neighbours:
        """What stands in the folder of ``path``, and in a folder ``roots`` there or beside it."""
        folder = path.parent.resolve()
        own = [each for each in self._files(folder) if each.path.name != path.name]
        files = [*own, *self._files(folder / "roots"), *self._files(folder.parent / "roots")]
        return Neighbours(tuple(files), is_named=False)

    def _files(self, folder: Path) -> tuple[Neighbour, ...]:
        if folder not in self._read:
            self._read[folder] = tuple(_files(folder))
        return self._read[folder]


def with_parts(path: Path, found: Recognised, parts: Neighbours) -> tuple[Mapping[str, Any], list[str]]:
    """The pieces of ``found``, completed by those of its parts, and the names of the files that these come from.

    Any: each piece has its own type. Raises ``Failure`` where several files would do.
    """
    pieces, used = dict(found.pieces), []
    for is_same_name in (True, False):
        # A file of the same name belongs to it before any other does: q.msg, q.sig.
        near_by = [each for each in parts.files if each.path.stem == path.stem or not is_same_name]
        while missing := _missing(pieces):
            fitting = [each for each in near_by if _fits(each, missing, parts)]
            if not fitting:
                break
            most = max(len(each.found.pieces) for each in fitting)
            best = [each for each in fitting if len(each.found.pieces) == most]
            if len(best) > 1 and len({*best[0].found.pieces} | {*best[1].found.pieces}) == most:
                raise bad_data(
                    "SR-CLI-093",
                    f"{best[0].path.name} and {best[1].path.name} could both belong to {path}",
                    why=f"each is {best[0].found.what}",
                    fix="name the one that does: --part FILE",
                )
            pieces |= best[0].found.pieces
            used.append(best[0].path.name)
    return pieces, used


def _missing(pieces: Mapping[str, Any]) -> set[str]:
    """Names of the pieces that are not there yet and that something was made with."""
    if "hcl_report" in pieces:
        return {"attest", "signature", "pcrs"} - pieces.keys()
    if "attest" in pieces:
        keys = set() if "ak_public" in pieces else {"ak_public", "hcl_report"}
        return {"signature", "pcrs"} - pieces.keys() | keys
    return set()


def _fits(each: Neighbour, missing: set[str], parts: Neighbours) -> bool:
    """Whether it brings what is missing and nothing else. Evidence of its own is a part only where somebody says so,
    but for the report that a quote was made with."""
    pieces = each.found.pieces.keys()
    if not pieces or not pieces <= missing:
        return False
    return parts.is_named or not each.found.is_evidence or pieces == {"hcl_report"}


def _files(folder: Path) -> Iterator[Neighbour]:
    try:
        paths = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError:
        return
    for path in paths[:FILES_MAX]:
        try:
            if path.stat().st_size > JSON_BYTES_MAX:
                continue
            raw = path.read_bytes()
        except OSError:
            continue
        found = _recognised(path, raw)
        if found is not None:
            yield Neighbour(path, found)


def _recognised(path: Path, raw: bytes) -> Recognised | None:
    found = recognise(raw)
    if found is None and path.suffix == ".sig":
        # Bare signatures have no mark of their own; the name is all that tells.
        signature = tpm_signature(raw)
        return Recognised(what="a bare signature", pieces={"signature": signature}) if signature != raw else None
    return found
