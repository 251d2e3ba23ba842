"""``python -m strongroom_vault enrol-tpm …``: what the operator of a vault does before a policy names a TPM's key.

``challenge`` seals a credential to an endorsement key of a known maker and to one attestation key; the machine with the
TPM opens it (``python -m strongroom_confidential_workflows tpm answer``); ``check`` compares, and prints the lines for
the policy. ``certify`` is for software TPMs, whose key a development CA certifies.

Rule 1: no file is overwritten. The credential is in a file of its own, mode 0600, that stays here and is removed by the
answer it was waiting for.
Rule 2: Name and anchor that are printed are those of the challenge as it was made here, whatever came back.
Source: contracts/attestation.md 9.3 and 11.2.
"""

import argparse
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from strongroom.attest.cbor import canonical, decode_canonical
from strongroom.attest.evidence import EvidenceLimits, malformed
from strongroom.attest.tpm_enrolment import CREDENTIAL_BYTES, challenge_ak, check_activated, enrollable_ek
from strongroom.attest.tpm_keys import parse_public
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.plugin import EvidenceRejected, InvalidInput, Misconfigured
from strongroom_vault.public_files import read_file

__all__ = ["main"]

USAGE_EXIT: Final = 64
FILES_EXIT: Final = 73
REFUSED_EXIT: Final = 1
FILE_BYTES_MAX: Final = 4096
"""A certificate, a public area, an answer: none is larger."""
CERTIFIED_FOR: Final = timedelta(days=365)
"""Of a software TPM, which protects nothing; its machine takes the certificate from a file."""
_LIMITS: Final = EvidenceLimits()
_KEPT: Final = frozenset({"ak_name", "ek_anchor", "credential"})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.format_usage()}{message}\n")
        sys.exit(USAGE_EXIT)


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 for what is refused, 64 for usage, 73 for files."""
    found = _parser().parse_args(arguments)
    commands = {"challenge": _challenge, "check": _check, "certify": _certify}
    try:
        print(commands[found.command](found))
    except (EvidenceRejected, InvalidInput) as error:
        print(f"{error.code} {error.with_fix()}", file=sys.stderr)
        return REFUSED_EXIT
    except Misconfigured as error:
        print(f"{error.code} {error.with_fix()}", file=sys.stderr)
        return FILES_EXIT
    return 0


def _challenge(found: argparse.Namespace) -> str:
    chain = tuple(_read(path) for path in (found.ek, *found.issuer, found.maker))
    anchor = load_certificate(chain[-1]).fingerprint
    ek = enrollable_ek(chain, now=datetime.now(UTC), anchors=frozenset({anchor}), limits=_LIMITS)
    credential = secrets.token_bytes(CREDENTIAL_BYTES)
    challenge = challenge_ak(ek, _read(found.ak), credential, limits=_LIMITS)
    kept = {"ak_name": challenge.ak_name, "ek_anchor": anchor, "credential": credential}
    _write(_kept(found.file), canonical(kept), is_private=True)
    _write(found.file, challenge.encode())
    return (
        f"wrote {found.file}; on the TPM's machine: python -m strongroom_confidential_workflows tpm answer CHALLENGE\n"
        f"wrote {_kept(found.file)}, which stays here; then: python -m strongroom_vault enrol-tpm check FILE ANSWER"
    )


def _check(found: argparse.Namespace) -> str:
    kept = _kept(found.file)
    try:
        raw = read_private_file(kept, bytes_max=FILE_BYTES_MAX, code="SR-VAULT-050", what="credential")
    except FileNotFoundError as error:
        raise _unusable(kept, "there is no such file: no challenge of this name waits for an answer") from error
    credential = decode_canonical("tpm/2 credential", raw)
    if not isinstance(credential, dict) or credential.keys() != _KEPT:
        raise malformed("tpm/2 credential", got="something else", wanted=", ".join(sorted(_KEPT)))
    try:
        answer = bytes.fromhex(found.answer)
    except ValueError:
        answer = b""
    check_activated(credential["credential"], answer)
    kept.unlink()
    return (
        "# the attestation key lives in the TPM of that endorsement key, whose chain its runners send as endorsements\n"
        "[tpm2]\n"
        f'ek_anchors = ["{credential["ek_anchor"]}"]\naks = ["{credential["ak_name"].hex()}"]'
    )


def _certify(found: argparse.Namespace) -> str:
    ak = parse_public("swtpm", _read(found.ak))
    try:
        authority = DevelopmentAuthority.load(found.authority)
    except FileNotFoundError as error:
        raise _unusable(found.authority, "there is no such file") from error
    _write(found.file, authority.certify(ak.key, now=datetime.now(UTC), lives=CERTIFIED_FOR))
    return f"wrote {found.file}: INSECURE, good for {CERTIFIED_FOR.days} days; the endorsements are it and the CA's own"


def _kept(path: Path) -> Path:
    return path.with_name(path.name + ".credential")


def _read(path: Path) -> bytes:
    try:
        return read_file(path, FILE_BYTES_MAX, what="file")
    except FileNotFoundError as error:
        raise _unusable(path, "there is no such file") from error


def _write(path: Path, content: bytes, *, is_private: bool = False) -> None:
    try:
        if is_private:
            write_private_file(path, content)
        else:
            with path.open("xb") as file:
                file.write(content)
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error


def _unusable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-VAULT-051",
        f"{path} cannot be used",
        why=why,
        fix="name a file that is there, or a new one",
        where=str(path),
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m strongroom_vault enrol-tpm", description="Keys of TPMs that a policy may name.")
    commands = parser.add_subparsers(dest="command", required=True)
    challenge = commands.add_parser("challenge", help="seal a credential to a TPM and its attestation key")
    challenge.add_argument("file", type=Path, metavar="CHALLENGE", help="the file to write")
    challenge.add_argument("--ek", type=Path, required=True, help="certificate of the endorsement key (DER, ECC P-256)")
    challenge.add_argument("--issuer", type=Path, action="append", default=[], help="who issued it, if not the maker")
    challenge.add_argument("--maker", type=Path, required=True, help="the maker's root, which the policy will name")
    check = commands.add_parser("check", help="whether the TPM opened it; prints the section [tpm2] of a policy")
    check.add_argument("file", type=Path, metavar="CHALLENGE")
    check.add_argument("answer", metavar="ANSWER", help="what the TPM's machine printed, 64 hex digits")
    certify = commands.add_parser("certify", help="certify the key of a software TPM, for vaults for tests")
    certify.add_argument("file", type=Path, metavar="CERTIFICATE", help="the file to write")
    certify.add_argument("--authority", type=Path, required=True, help="development-ca.key of the vault's home")
    for each in (challenge, certify):
        each.add_argument("--ak", type=Path, required=True, help="what `tpm show --ak` wrote on the TPM's machine")
    return parser
