"""``strongroom keys export-recovery`` and ``verify-recovery``: copies of the keyring for the day that it is lost."""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.keys_file import read_small
from strongroom.cli.keys_host import KeyFile, host_settings, local_source
from strongroom.cli.new_file import new_file
from strongroom.cli.recovery_note import leave_note
from strongroom.cli.verbs import a_path, verb
from strongroom.errors import Misconfigured
from strongroom.keyring.recovery import compare, export_recovery, open_recovery
from strongroom.keyring.root import RootKeyring, parse_secrets

__all__ = ["add_to"]

_Recipient = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="age1… of somebody who may recover; repeatable.", metavar="age1…"),
]
_RecipientFile = Annotated[
    Path | None,
    typer.Option("--recipient-file", help="Recipients, one a line; # begins a comment.", metavar="FILE", parser=a_path),
]


def export_recovery_file(
    caller: Caller,
    out: Annotated[Path, typer.Option("--out", help="New file.", metavar="FILE", parser=a_path)],
    recipient: _Recipient = None,
    recipient_file: _RecipientFile = None,
    key_file: KeyFile = None,
) -> None:
    """Seal the keyring for people who hold age keys, each of whom can recover it.

    Opened with any age, it is a keyring file as it stands. Make a new one after every keys add.
    """
    text = _text(caller, key_file)
    recipients = [*(recipient or []), *(_lines(recipient_file) if recipient_file is not None else [])]
    sealed = export_recovery(text, recipients)
    with new_file(out, "--out") as write:
        write(sealed)
    ids = _ids(parse_secrets(text))
    caller.emit("keys-recovery", {"file": str(out), "key_ids": ids, "recipients": len(recipients)}, str(out))
    caller.note(f"wrote {out} with {', '.join(ids)}; keep it apart from the data, and try it: keys verify-recovery")


def verify_recovery_file(
    caller: Caller,
    file: Annotated[Path, typer.Argument(help="The recovery file.", metavar="FILE", parser=a_path)],
    identity_file: Annotated[
        Path,
        typer.Option("--identity-file", help="The file of age-keygen that opens it.", metavar="FILE", parser=a_path),
    ],
    key_file: KeyFile = None,
) -> None:
    """Open a recovery file, and check that it holds exactly the keys of the keyring. Nothing secret is shown."""
    identities = read_small("--identity-file", identity_file).decode("utf-8", "replace")
    copy, _ = open_recovery(read_small("FILE", file), identities)
    compare(copy, parse_secrets(_text(caller, key_file)))
    ids = _ids(copy)
    caller.emit("keys-recovery-verified", {"file": str(file), "key_ids": ids}, "\n".join(ids))
    caller.note("it opens, and holds exactly the keys of the keyring")
    state_dir = host_settings(caller).state_dir
    if leave_note(state_dir, ids):
        caller.note(f"noted beside the state, so that strongroom doctor knows: {state_dir}")


def _text(caller: Caller, key_file: Path | None) -> str:
    found = local_source(caller, key_file)
    if found is None:
        raise Misconfigured(
            "SR-KEYRING-034",
            "there is no keyring to copy or to compare with",
            why="neither the settings nor the environment name one that is there",
            fix="name it with --key-file",
            where="keyring_file",
        )
    return found[1]


def _lines(path: Path) -> list[str]:
    text = read_small("--recipient-file", path).decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _ids(root: RootKeyring) -> list[str]:
    return [root.key_id(version) for version in root.versions]


def add_to(app: typer.Typer) -> None:
    """Add both commands to the noun."""
    example = "strongroom keys export-recovery --recipient-file people.txt --out keyring.age"
    verb(app, "export-recovery", example=example)(export_recovery_file)
    example = "strongroom keys verify-recovery keyring.age --identity-file me.txt"
    verb(app, "verify-recovery", example=example)(verify_recovery_file)
