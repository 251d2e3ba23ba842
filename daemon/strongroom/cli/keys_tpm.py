"""``strongroom keys seal-tpm``: the keyring in a file that only the TPM of this machine opens."""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.keys_host import KeyFile, host_settings, local_source
from strongroom.cli.new_file import new_file
from strongroom.cli.verbs import a_path, verb
from strongroom.errors import InvalidInput, Misconfigured
from strongroom.keyring.root import parse_secrets
from strongroom.tpm.key_file import open_machine_tpm, seal_keyring

__all__ = ["add_to"]

REGISTERS_CHARS_MAX = 100
"""All twenty-four, with commas."""


def seal_tpm(
    caller: Caller,
    out: Annotated[Path, typer.Option("--out", help="New file.", metavar="FILE", parser=a_path)],
    key_file: KeyFile = None,
    tpm: Annotated[
        Path | None,
        typer.Option("--tpm", help="Device, or the socket of a software TPM.", metavar="PATH", parser=a_path),
    ] = None,
    pcrs: Annotated[
        str, typer.Option("--pcrs", help="Registers that must be as they are now, such as 7.", metavar="N,…")
    ] = "",
) -> None:
    """Seal the keyring with the TPM of this machine, for the key provider tpm-file.

    No other TPM opens the file. Keep a recovery file beside it: a TPM that is cleared or replaced opens nothing.
    """
    settings = host_settings(caller)
    registers = _registers(pcrs)
    found = local_source(caller, key_file)
    if found is None:
        raise Misconfigured(
            "SR-KEYRING-037",
            "there is no keyring to seal",
            why="neither the settings nor the environment name one that is there",
            fix="name it with --key-file; a recovery file becomes one with strongroom keys init --from-recovery",
            where="keyring_file",
        )
    root = parse_secrets(found[1])
    wire = open_machine_tpm(tpm or settings.keys.tpm_device)
    try:
        sealed = seal_keyring(wire, found[1], registers)
    finally:
        wire.close()
    with new_file(out, "--out") as write:
        write(sealed)
    ids = [root.key_id(version) for version in root.versions]
    caller.emit("keys-sealed", {"file": str(out), "key_ids": ids, "pcrs": sorted(registers)}, str(out))
    caller.note(f"wrote {out} with {', '.join(ids)}; for the host: keys.provider tpm-file, keys.tpm_file {out}")
    caller.note("once it starts with that, remove the keyring file, and keep a recovery file elsewhere")


def _registers(text: str) -> frozenset[int]:
    """The numbers in ``text``, which is from outside; whether a TPM has them is asked elsewhere."""
    try:
        if len(text) > REGISTERS_CHARS_MAX:
            # What is cut off would be a register to which nothing is bound.
            raise ValueError(len(text))
        return frozenset(int(each) for each in text.split(",")) if text else frozenset()
    except ValueError:
        raise InvalidInput(
            "SR-KEY-043",
            f"{text[:REGISTERS_CHARS_MAX]!r} are no numbers of registers",
            fix="write them with commas between, such as 0,2,4,7",
            field="pcrs",
        ) from None


def add_to(app: typer.Typer) -> None:
    """Add the command to the noun."""
    verb(app, "seal-tpm", example="strongroom keys seal-tpm --out /etc/strongroom/keyring.tpm --pcrs 7")(seal_tpm)
