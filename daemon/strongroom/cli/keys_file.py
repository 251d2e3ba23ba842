"""``strongroom keys init`` and ``add``: new root secrets, in a file or for whoever installs them elsewhere."""

from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller, read_file
from strongroom.cli.keys_host import KeyFile, host_settings, local_source, reload_host, status_of_host
from strongroom.cli.verbs import a_path, verb
from strongroom.errors import Conflict, InvalidInput, Misconfigured
from strongroom.keyring.files import append_version, create_keyring, fresh_entry, next_version
from strongroom.keyring.recovery import open_recovery
from strongroom.keyring.root import parse_secrets
from strongroom.pb.strongroom.v1 import keys_pb2
from strongroom.settings.model import Settings
from strongroom.storage.presence import holds_data

__all__ = ["IdentityFile", "add_to", "read_small"]

MOUNTS: Final = "workspaces/known.json"
"""The projects whose workspaces a host remembers; they are sealed with its keys, wherever they are."""
SMALL_BYTES_MAX: Final = 1_000_000
"""A recovery file has two kilobytes and an identity file some lines."""
IdentityFile = Annotated[
    Path | None,
    typer.Option("--identity-file", help="The file of age-keygen that opens it.", metavar="FILE", parser=a_path),
]
CREDENTIAL: Final = "/etc/strongroom/credentials/keyring.cred"
# The line comes from stdin: what stands in a command is seen by everybody, and kept by the shell.
INSTALL: Final = {
    "credential": (
        f'{{ printf "%s," "$(cat)"; systemd-creds decrypt --name=keyring {CREDENTIAL} -; }}'
        f" | systemd-creds encrypt --name=keyring - {CREDENTIAL}.new && mv {CREDENTIAL}.new {CREDENTIAL}"
    ),
    "environment": 'export ENCRYPTION_SECRETS="$(cat),$ENCRYPTION_SECRETS"',
}
BY_HAND: Final = {
    "tpm-file": (
        "put it and a comma in front of the keyring that strongroom keys init --from-recovery makes, and seal that:"
        " strongroom keys seal-tpm"
    ),
}
"""What no command line does, since the keyring is nowhere in the clear."""
OF_A_PLUGIN: Final = "hand it, with a comma, to what the plugin reads, in front of what is there"


def init(
    caller: Caller,
    key_file: KeyFile = None,
    from_recovery: Annotated[
        Path | None,
        typer.Option("--from-recovery", help="Put back the keyring of this file.", metavar="FILE", parser=a_path),
    ] = None,
    identity_file: IdentityFile = None,
) -> None:
    """Make the keyring of a new host, mode 0600, or put one back from a recovery file.

    Without --key-file it is the file of the settings. A keyring that is there is never replaced, and none is made
    beside data that another one sealed.
    """
    if (from_recovery is None) != (identity_file is None):
        raise InvalidInput(
            "SR-KEYRING-032",
            "--from-recovery and --identity-file belong together",
            fix="give both, or neither for a new keyring",
            field="identity_file",
        )
    settings = host_settings(caller)
    path = (key_file or settings.keyring_file).absolute()
    if from_recovery is not None and identity_file is not None:
        identities = read_small("--identity-file", identity_file).decode("utf-8", "replace")
        root, text = open_recovery(read_small("--from-recovery", from_recovery), identities)
    else:
        _refuse_beside_data(settings)
        text = fresh_entry(1)
        root = parse_secrets(text)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_keyring(path, text)
    ids = [root.key_id(version) for version in root.versions]
    document = {"key_file": str(path), "key_ids": ids, "recovered": from_recovery is not None}
    caller.emit("keys-made", document, str(path))
    caller.note(f"wrote {path} with {', '.join(ids)}; without it everything that it seals is lost")
    if from_recovery is None:
        caller.note("make a recovery file before you need it: strongroom keys export-recovery")


def add(caller: Caller, key_file: KeyFile = None) -> None:
    """Add a fresh secret as the next version, and tell a running host.

    In a file it is appended at once. For a credential or the environment the new entry is printed once, with the
    command that installs it. It writes nothing until it is promoted.
    """
    status = status_of_host(caller)
    used = [version.version for version in status.versions] if status is not None else []
    kind, where = _source(caller, key_file, status)
    if kind != "file":
        found = local_source(caller, None)
        known = parse_secrets(found[1]).versions if found is not None else ()
        version = next_version((*known, *used))
        _print_entry(caller, kind, version)
        return
    version = append_version(Path(where), used)
    reloaded = reload_host(caller) if status is not None else None
    is_held = reloaded is not None and version in reloaded.added_versions
    document = {"version": version, "key_file": where, "held": is_held, "entry": "", "install": ""}
    caller.emit("keys-added", document, str(version))
    if is_held:
        caller.note(f"version {version} is in {where}, and the host holds it: strongroom keys promote {version}")
    elif status is not None:
        caller.note(f"version {version} is in {where}; the host reads {status.source_kind} {status.source}")
    else:
        caller.note(f"version {version} is in {where}; no host runs. Where nothing was ever promoted, it will write")


def read_small(option: str, path: Path) -> bytes:
    """The bytes of a small file that a person named. Raises ``Failure``."""
    return read_file(option, path, bytes_max=SMALL_BYTES_MAX)


def _source(
    caller: Caller, key_file: Path | None, status: keys_pb2.KeysServiceStatusResponse | None
) -> tuple[str, str]:
    """Kind and place of where the new secret goes."""
    if key_file is not None:
        return "file", str(key_file.absolute())
    if status is not None:
        return status.source_kind, status.source
    found = local_source(caller, None)
    if found is None:
        raise Misconfigured(
            "SR-KEYRING-033",
            "there is no keyring to add to",
            why="no host runs, and neither the settings nor the environment name one that is there",
            fix="strongroom keys init makes one; or name it with --key-file",
            where="keyring_file",
        )
    return found[0].kind, found[0].where


def _print_entry(caller: Caller, kind: str, version: int) -> None:
    entry, install = fresh_entry(version), INSTALL.get(kind, "")
    document = {"version": version, "key_file": "", "held": False, "entry": entry, "install": install}
    caller.emit("keys-added", document, entry)
    if install:
        caller.warn(
            "the line above is shown this once; install it with this command, to which you paste it, then Ctrl-D:"
        )
        caller.warn(f"  {install}")
    else:
        caller.warn(f"the line above is shown this once; {BY_HAND.get(kind, OF_A_PLUGIN)}")
    caller.warn(f"then start the host again, and: strongroom keys promote {version}")


def _refuse_beside_data(settings: Settings) -> None:
    mounts = settings.state_dir / MOUNTS
    if holds_data(settings.database):
        where = str(settings.database) if isinstance(settings.database, Path) else "the database of the settings"
    elif mounts.exists():
        where = str(mounts)
    else:
        return
    raise Conflict(
        "SR-KEYRING-031",
        f"{where} holds data already",
        why="a new keyring could not read it",
        fix="put its keyring back, from a recovery file with --from-recovery; or choose another --state-dir",
    )


def add_to(app: typer.Typer) -> None:
    """Add both commands to the noun."""
    verb(app, "init", example="strongroom keys init --key-file /etc/strongroom/keyring")(init)
    verb(app, "add", example="strongroom keys add --key-file /etc/strongroom/keyring")(add)
