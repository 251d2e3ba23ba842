"""``strongroom vault``: a vault as a service of its own, who the vault of a host is, and what owners sign for it."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli import vault_manifest
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import connect
from strongroom.cli.failure import unavailable
from strongroom.cli.policy_files import new_signing_key
from strongroom.cli.vault_pins import find_pin
from strongroom.cli.vault_trust import VaultKey, ask_identity, check_pin
from strongroom.cli.verbs import a_path, group, verb
from strongroom.crypto.signing import key_id

__all__ = ["app"]

SERVICE: Final = "strongroom_vault"

app = group("Run a vault of its own, see who a vault is, and grant secrets to workflows.")


@verb(app, "serve", example="strongroom vault serve --config /etc/strongroom/vault.toml", online=False)
def serve(
    caller: Caller,
    config: Annotated[Path, typer.Option("--config", help="Its file, in TOML.", metavar="FILE", parser=a_path)],
    accepts_simulated: Annotated[
        bool,
        typer.Option(
            "--insecure-accept-simulated-tee",
            help="Release test secrets to simulated enclaves, which protect nothing; needs a test policy too.",
        ),
    ] = False,
) -> None:
    """Serve a vault to hosts over mutual TLS, until it is told to stop.

    Run it where the operators of those hosts have no control: only then it protects secrets from them.
    """
    if importlib.util.find_spec(SERVICE) is None:
        raise unavailable(
            "SR-CLI-121",
            "the vault is not installed here",
            why=f"this Python has no package {SERVICE}",
            fix="install strongroom-vault beside strongroom",
        )
    flags = {
        "--insecure-accept-simulated-tee": accepts_simulated,
        "--json": caller.json,
        "--quiet": caller.quiet,
    }
    # The vault holds keys, and what a command line imports has no business beside them: it becomes another program.
    # With -P, a file in the working directory is not taken for a module of it.
    words = [sys.executable, "-P", "-m", SERVICE, "serve", "--config", str(config)]
    os.execv(sys.executable, [*words, *(flag for flag, is_set in flags.items() if is_set)])  # noqa: S606 - no shell


@verb(app, "identity", example="strongroom vault identity")
def identity(caller: Caller, vault_key: VaultKey = "") -> None:
    """Show who the vault of the host says that it is. With a pinned key, or --vault-key, that is compared."""
    with connect(caller) as host:
        found = ask_identity(host, "")
    pin = find_pin(caller, vault_key)
    if pin is not None:
        check_pin(found, pin)
    document = {
        "vault_public_key": found.vault_public_key.hex(),
        "fingerprint": key_id(found.vault_public_key).hex(),
        "box_public_key": found.box_public_key.hex(),
        "store": found.store,
        "vault": found.vault,
        "policy_sha256": found.policy_sha256.hex(),
        "policy_epoch": found.policy_epoch,
        "verified_by": pin.source if pin else "",
    }
    policy = f"epoch {found.policy_epoch}, SHA-256 {found.policy_sha256.hex()}" if found.policy_epoch else "none"
    shown = [
        ("key", document["vault_public_key"]),
        ("fingerprint", f"SHA-256 {document['fingerprint']}"),
        ("store", found.store),
        ("runs", found.vault),
        ("policy", f"{policy}{'' if found.policy_epoch else ': it releases nothing to enclaves'}"),
        ("verified", f"by {pin.source}" if pin else "NO: no key is pinned, so this is only what the host says"),
    ]
    caller.emit("vault-identity", document, facts(shown))


@verb(app, "owner-key", example="strongroom vault owner-key owner.key", online=False)
def owner_key(
    caller: Caller,
    file: Annotated[Path, typer.Argument(help="New file; the public half goes beside it, .pub.", parser=a_path)],
) -> None:
    """Make a key with which an owner signs manifests. The operator of the vault enters its public half."""
    key, beside = new_signing_key(file)
    document = {"file": str(file), "public_file": str(beside), "public_key": key.public.hex()}
    caller.emit("owner-key", document, key.public.hex())
    caller.note(f"wrote {file} (keep it private, and a copy of it) and {beside}")


app.add_typer(vault_manifest.app, name="manifest")
