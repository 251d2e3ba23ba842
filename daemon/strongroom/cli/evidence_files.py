"""Evidence as a person has it, made into what a verifier takes: from a file, from several, from a folder of many.

Rule 1: the kind comes from the content, or from ``--kind``; where the content suits two kinds nothing is guessed.
Rule 2: what a format needs beside its body is what was named, or what stands beside the file; which files those were is
said.
Rule 3: broken evidence is opened as well: that it is broken is for its verifier to say.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.evidence import Evidence, Verifier, malformed
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.result import Call, check_result
from strongroom.attest.runtime_data import RuntimeData, decode_runtime_data
from strongroom.attest.verifiers import VERIFIERS
from strongroom.cli.caller import read_file
from strongroom.cli.evidence_build import azure_evidence, bare_quote, intel_evidence, plain_evidence, snp_evidence
from strongroom.cli.evidence_kinds import QUOTE_KINDS, Recognised, body_of, recognise
from strongroom.cli.evidence_neighbours import EVIDENCE_BYTES_MAX, FILES_MAX, Folders, Neighbours, named, with_parts
from strongroom.cli.failure import bad_data
from strongroom.errors import EvidenceRejected

__all__ = ["Opened", "Wanted", "open_evidence"]

DEPTH_MAX: Final = 4
"""Folders below one that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person said beside the file: a kind, and files that belong to it. ``data`` are the runtime data that the
    evidence must be about."""

    kind: str = ""
    endorsements: Neighbours | None = None
    parts: Neighbours | None = None
    data: RuntimeData | None = None

    @classmethod
    def of(
        cls, *, kind: str = "", endorsements: Sequence[Path] = (), parts: Sequence[Path] = (), data: Path | None = None
    ) -> "Wanted":
        """From options. Raises ``Failure``, and ``EvidenceRejected`` for runtime data that are none."""
        raw = read_file("--runtime-data", data, bytes_max=EVIDENCE_BYTES_MAX) if data is not None else None
        return cls(
            kind=kind,
            endorsements=named("--endorsement", endorsements) if endorsements else None,
            parts=named("--part", parts) if parts else None,
            data=decode_runtime_data(raw) if raw is not None else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Evidence, ready to be verified.

    ``what`` says what its file is, ``used`` which other files belong to it. ``data`` are the runtime data that it must
    be bound to, where they are known. ``refusal`` is why there is nothing to verify. ``calls`` are those of the run,
    where it comes from a receipt whose result holds.
    """

    file: str
    kind: str
    what: str
    evidence: Evidence
    verify: Verifier
    used: tuple[str, ...] = ()
    data: RuntimeData | None = None
    refusal: EvidenceRejected | None = None
    calls: tuple[Call, ...] | None = None

    @property
    def is_insecure(self) -> bool:
        """Whether it is a simulation, whatever it says."""
        return self.kind in INSECURE_KINDS


def open_evidence(path: Path, wanted: Wanted) -> list[Opened]:
    """The evidence in a file, or every one in a folder and below it.

    Raises ``Failure`` for a file that is none, for a kind that cannot be told, and for a folder without any.
    """
    folders = Folders()
    if not path.is_dir():
        raw = read_file("EVIDENCE", path, bytes_max=EVIDENCE_BYTES_MAX)
        return [_opened(path, str(path), _recognised(path, raw, wanted.kind), wanted, folders)]
    found = list(_in_folder(path, wanted, folders, DEPTH_MAX))
    if not found:
        raise bad_data(
            "SR-CLI-094",
            f"there is no evidence in {path}",
            why="no file in it or below it is evidence of a kind that is known",
            fix="name the file, with --kind where its content does not tell",
        )
    return found


def _in_folder(folder: Path, wanted: Wanted, folders: Folders, depth: int) -> Iterator[Opened]:
    entries = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    if len(entries) > FILES_MAX:
        raise bad_data(
            "SR-CLI-095",
            f"{folder} is too large",
            why=f"it has more than {FILES_MAX} files",
            fix="name a folder of fewer",
        )
    for path in entries:
        if path.is_dir() and depth:
            yield from _in_folder(path, wanted, folders, depth - 1)
        elif path.is_file() and path.stat().st_size <= EVIDENCE_BYTES_MAX:
            recognised = recognise(path.read_bytes())
            if recognised is not None and recognised.is_evidence:
                yield _opened(path, str(path), recognised, wanted, folders)


def _recognised(path: Path, raw: bytes, kind: str) -> Recognised:
    found = recognise(raw)
    if kind:
        is_that = found is not None and found.is_evidence and kind in _kinds_of(found)
        return found if found is not None and is_that else body_of(kind, raw)
    if found is None or not found.is_evidence:
        raise bad_data(
            "SR-CLI-090",
            f"{path} is no evidence that is known",
            why=f"it is {found.what}" if found is not None else f"nothing in its {len(raw)} bytes is of a known kind",
            fix=_fix_of(found),
        )
    return found


def _fix_of(found: Recognised | None) -> str:
    if found is not None and "certificates" in found.pieces:
        return "name the evidence that it endorses, and this with --endorsement: a chain alone says nothing of what ran"
    return f"name the evidence itself; if this is evidence, say of which kind: --kind {'|'.join(VERIFIERS)}"


def _kinds_of(found: Recognised) -> Collection[str]:
    """The kinds that it may be of: several where the content suits two, or where what stands beside it decides."""
    if "receipt" in found.pieces:
        return VERIFIERS
    if "body" in found.pieces:
        kind = str(found.pieces["body"][0])
        return {kind} if kind else QUOTE_KINDS
    return {"az-snp-vtpm"} if "hcl_report" in found.pieces else {"az-snp-vtpm", "tpm2"}


def _opened(path: Path, file: str, found: Recognised, wanted: Wanted, folders: Folders) -> Opened:
    if "receipt" in found.pieces:
        return _of_receipt(file, found, wanted.kind)
    pieces, used = with_parts(path, found, wanted.parts or folders.near(path))
    around = wanted.endorsements or folders.near(path)
    if "body" in pieces:
        kind, body = pieces["body"]
        kind = kind or _named_kind(path, found, wanted.kind)
        if kind == "sev-snp":
            evidence, more = snp_evidence(body, around)
        elif kind in {"tdx", "sgx"}:
            evidence, more = intel_evidence(kind, path.name, body, around)
        else:
            evidence, more = plain_evidence(kind, body, around)
        verify = VERIFIERS[kind]
    elif "signature" not in pieces:
        kind = "az-snp-vtpm" if "hcl_report" in pieces else "tpm2"
        refusal = malformed(
            f"{kind}/parts", got="no signature beside it", wanted="the quote with its signature (--part)"
        )
        return _refused(file, kind, found.what, refusal, body=pieces.get("attest", b""))
    elif "hcl_report" in pieces:
        kind, verify = "az-snp-vtpm", VERIFIERS["az-snp-vtpm"]
        evidence, more = azure_evidence(pieces, around)
    elif "ak_public" in pieces:
        kind, more = "tpm2", ()
        evidence, verify = bare_quote(pieces)
    else:
        refusal = malformed("tpm2/parts", got="no public key beside it", wanted="the key that signed it (--part)")
        return _refused(file, "tpm2", found.what, refusal, body=pieces["attest"])
    names = (*used, *more)
    return Opened(file=file, kind=kind, what=found.what, evidence=evidence, verify=verify, used=names, data=wanted.data)


def _named_kind(path: Path, found: Recognised, kind: str) -> str:
    if not kind:
        raise bad_data(
            "SR-CLI-091",
            f"{path} may be of two kinds",
            why=f"{found.what} has the same form in {' and '.join(QUOTE_KINDS)}",
            fix=f"say which: --kind {' or --kind '.join(QUOTE_KINDS)}",
        )
    return kind


def _of_receipt(file: str, found: Recognised, wanted: str) -> Opened:
    """The evidence in a receipt, which is bound to the runtime data in it; ``wanted`` is its kind, empty for any."""
    try:
        receipt = decode_receipt(found.pieces["receipt"])
        data = decode_runtime_data(receipt.runtime_data)
    except EvidenceRejected as error:
        return _refused(file, "receipt", found.what, error)
    kind = receipt.evidence.kind
    if kind not in VERIFIERS or wanted not in {"", kind}:
        refusal = malformed("receipt/kind", got=repr(kind[:40]), wanted=wanted or "a kind that is known")
        return _refused(file, wanted or kind, found.what, refusal)
    try:
        calls = check_result(receipt.result, sig_pub=data.sig_pub).calls
    except EvidenceRejected:
        calls = None  # whether the receipt holds as a whole is for `receipt verify` to say
    evidence, verify = receipt.evidence, VERIFIERS[kind]
    return Opened(file=file, kind=kind, what=found.what, evidence=evidence, verify=verify, data=data, calls=calls)


def _refused(file: str, kind: str, what: str, refusal: EvidenceRejected, *, body: bytes = b"") -> Opened:
    """Evidence that is refused before a verifier is asked; ``body`` is as much of it as there is."""
    verify = VERIFIERS.get(kind, VERIFIERS["tpm2"])
    return Opened(file=file, kind=kind, what=what, evidence=Evidence(kind, "", body), verify=verify, refusal=refusal)
