"""``python -m strongroom_confidential_workflows tpm …``: what the operator of a machine does with its TPM.

``show`` reads registers and attestation key, as lines for a policy; ``answer`` opens the challenge that the operator of
a vault made, which proves that the key lives in this TPM. The vault's half is ``python -m strongroom_vault enrol-tpm``.

Rule 1: nothing here changes the TPM, and no file is overwritten.
Rule 2: what is printed is no secret; the answer to a challenge is good for that challenge alone.
"""

import argparse
import sys
from pathlib import Path
from typing import Final, NoReturn

from strongroom.attest.tpm import INSECURE_KIND, KIND
from strongroom.attest.tpm_enrolment import CHALLENGE_BYTES_MAX, decode_challenge
from strongroom.attest.tpm_keys import parse_public
from strongroom.plugin import EvidenceRejected, Forbidden, Misconfigured, StrongroomError
from strongroom.tpm.wire import TpmRefused
from strongroom_confidential_workflows.providers.tpm2 import DEVICE, TpmProvider

__all__ = ["main"]

USAGE_EXIT: Final = 64
REFUSED_EXIT: Final = 73
NOT_OPENED_EXIT: Final = 1
REGISTERS: Final = "0,2,4,7"
"""Firmware, its option code, what it started, and whether secure boot was on."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.format_usage()}{message}\n")
        sys.exit(USAGE_EXIT)


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 for a challenge that this TPM does not open, 64 for usage, 73 for files and devices."""
    found = _parser().parse_args(arguments)
    try:
        print(_show(found) if found.command == "show" else _answer(found))
    except (Forbidden, EvidenceRejected) as error:
        print(f"{error.code} {error.with_fix()}", file=sys.stderr)
        return NOT_OPENED_EXIT
    except StrongroomError as error:
        print(f"{error.code} {error.with_fix()}", file=sys.stderr)
        return REFUSED_EXIT
    return 0


def _show(found: argparse.Namespace) -> str:
    """An entry for a policy, and the Name of the attestation key; what enrolment needs is written where it is asked."""
    provider = TpmProvider.open(found.device, registers=found.pcrs, kind=found.kind)
    try:
        values = {str(number): value.hex() for number, value in sorted(provider.registers().items())}
        public = provider.ak_public
        certificate = provider.ek_certificate() if found.ek is not None else b""
    finally:
        provider.close()
    for path, content in ((found.ak, public), (found.ek, certificate)):
        if path is not None:
            _write(path, content)
    name = parse_public("tpm", public).name.hex()
    pcrs = ", ".join(f'"{number}" = "{value}"' for number, value in values.items())
    lines = [f"[[accept.{found.kind}]]", f'name = "{found.name}"', f"pcrs = {{ {pcrs} }}"]
    if found.kind == KIND:
        return "\n".join([*lines, f"# the Name of the attestation key, for [tpm2] aks once it is enrolled: {name}"])
    section = ", ".join(f'"{number}": "{value}"' for number, value in values.items())
    hint = (
        f"# or, for the policy that a development vault writes itself, in its section: development_pcrs: {{{section}}}"
    )
    return "\n".join([*lines, f"# the Name of the attestation key: {name}", hint])


def _answer(found: argparse.Namespace) -> str:
    """The credential in hex digits."""
    challenge = decode_challenge(_read(found.challenge))
    provider = TpmProvider.open(found.device, registers={0})
    try:
        return provider.answer_enrolment(challenge).hex()
    except TpmRefused as refused:
        own = parse_public("tpm", provider.ak_public).name
        why = f"it is for the key {challenge.ak_name.hex()}, and this TPM's is {own.hex()}"
        if own == challenge.ak_name:
            why = "it is for another TPM, or was changed on its way"
        raise Forbidden(
            "SR-EVID-017",
            f"this TPM does not open the challenge {found.challenge}",
            why=why,
            fix="give the vault's operator this TPM's certificate and the key that `tpm show --ak` writes",
        ) from refused
    finally:
        provider.close()


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise _unusable(path, error) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(CHALLENGE_BYTES_MAX + 1)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> Misconfigured:
    why = error.strerror or type(error).__name__
    fix = "name a file that can be read, or a new one to write"
    return Misconfigured("SR-EVID-016", f"{path} cannot be used", why=why, fix=fix, where=str(path))


def _registers(text: str) -> frozenset[int]:
    return frozenset(map(int, text.split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m strongroom_confidential_workflows tpm", description="The TPM of this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="registers and attestation key, as lines for a policy")
    show.add_argument("--kind", choices=(KIND, INSECURE_KIND), default=KIND)
    show.add_argument("--pcrs", type=_registers, default=_registers(REGISTERS), help=f"{REGISTERS} if not given")
    show.add_argument("--name", default="runner", help="what the entry is called")
    show.add_argument("--ak", type=Path, metavar="FILE", help="write the public area of the key, which is enrolled")
    show.add_argument("--ek", type=Path, metavar="FILE", help="write the certificate of the endorsement key")
    answer = commands.add_parser("answer", help="open a challenge of `python -m strongroom_vault enrol-tpm challenge`")
    answer.add_argument("challenge", type=Path)
    for each in (show, answer):
        each.add_argument("--device", type=Path, default=DEVICE, help=f"{DEVICE} if not given; or a UNIX socket")
    return parser
