"""``strongroom vault manifest``: which workflows may read which secrets of an owner, signed by that owner.

Whatever the host says is compared or shown before it is signed: a host could ask for grants of its own.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from strongroom.attest.manifest import MANIFEST_BYTES_MAX, Manifest, read_manifest, sign_manifest
from strongroom.attest.vault_identity import TEST_STORE
from strongroom.cli.caller import Caller, read_file
from strongroom.cli.channel import Host, connect
from strongroom.cli.failure import Failure
from strongroom.cli.grants_file import changes, check_serial_left, leap, manifest_document, parse_grants
from strongroom.cli.new_file import new_file
from strongroom.cli.policy_files import signing_key
from strongroom.cli.secret_seal import Assurance
from strongroom.cli.vault_calls import LacksMethod, call_vault, full_owner
from strongroom.cli.vault_grants import (
    Wish,
    fetch,
    grant_of,
    in_force,
    no_manifests,
    refused_manifest,
    with_grant,
    without_workflow,
)
from strongroom.cli.vault_trust import VaultKey, trusted_vault
from strongroom.cli.verbs import DryRun, Owner, Yes, a_path, group, verb
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.telemetry.redaction import printable

__all__ = ["app"]

OwnerKey = Annotated[
    Path, typer.Option("--owner-key", help="Private key of the owner, mode 0600.", metavar="FILE", parser=a_path)
]

app = group("Grant secrets to workflows, in a manifest that their owner signs.")


@verb(app, "show", example="strongroom vault manifest show --json")
def show(caller: Caller, owner: Owner = "") -> None:
    """Show the manifest in force: which workflow, with which binary and config, may read which secrets."""
    with connect(caller) as host:
        manifest, _ = fetch(host, full_owner(host, owner))
    if not manifest:
        caller.emit("manifest", {"owner": "", "serial": 0, "grants": []}, "")
        caller.note("there is no manifest, so no workflow gets a secret in an enclave")
        return
    found = read_manifest(manifest)
    lines = [printable(line.removeprefix("+ readable: ")) for line in changes(None, found)]
    caller.emit(
        "manifest",
        manifest_document(found),
        "\n".join([f"serial {found.serial} of owner {printable(found.owner)}", *lines]),
    )


@verb(
    app,
    "sign",
    example="strongroom vault manifest sign grants.toml --owner-key owner.key --output m.cbor",
    online=False,
)
def sign(
    caller: Caller,
    file: Annotated[Path, typer.Argument(help="Manifest in TOML or JSON.", metavar="FILE", parser=a_path)],
    owner_key: OwnerKey,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="New file; the signature goes into another beside it, .sig.", parser=a_path
        ),
    ],
) -> None:
    """Sign a manifest that was written by hand, without a host. `vault manifest put` brings it into force."""
    manifest = parse_grants(read_file("FILE", file, bytes_max=MANIFEST_BYTES_MAX))
    signature = sign_manifest(manifest, signing_key(owner_key))
    beside = output.with_name(f"{output.name}.sig")
    with new_file(output) as write:
        write(manifest.encode())
        with new_file(beside) as write_beside:
            write_beside(signature)
    document = {
        "file": str(output),
        "signature": str(beside),
        "owner": manifest.owner,
        "serial": manifest.serial,
        "sha256": manifest.sha256().hex(),
    }
    caller.emit("manifest-signed", document, f"{output}\n{beside}")


@verb(app, "put", example="strongroom vault manifest put m.cbor --yes")
def put(
    caller: Caller,
    file: Annotated[Path, typer.Argument(help="What `manifest sign` made.", metavar="FILE", parser=a_path)],
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Bring a signed manifest into force. What changes by it is shown first."""
    raw = read_file("FILE", file, bytes_max=MANIFEST_BYTES_MAX)
    signature = read_file("FILE.sig", file.with_name(f"{file.name}.sig"), bytes_max=64)
    manifest = read_manifest(raw)
    check_serial_left(manifest)
    with connect(caller) as host:
        before, _ = fetch(host, manifest.owner.removeprefix("0x"))
        old = read_manifest(before) if before else None
        _publish(caller, host, old, manifest, lambda: signature, yes=yes, dry_run=dry_run)


@verb(app, "grant", example="strongroom vault manifest grant hello --owner-key owner.key")
def grant(
    caller: Caller,
    workflow: Annotated[str, typer.Argument(help="Workflow id or name.", metavar="WORKFLOW")],
    owner_key: OwnerKey,
    owner: Owner = "",
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", help="One more, KEY or namespace/KEY; may be repeated.", metavar="NAME"),
    ] = None,
    min_assurance: Annotated[
        Assurance | None,
        typer.Option("--min-assurance", help="Least class at which it may read them; hardware, in a test vault none."),
    ] = None,
    binary: Annotated[
        Path | None,
        typer.Option("--binary", help="Its wasm file, to be compared.", metavar="FILE", parser=a_path),
    ] = None,
    config: Annotated[str, typer.Option("--config", help="Its config, to be compared: text, @file or -.")] = "",
    vault_key: VaultKey = "",
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Believe the host which vault it has; a host that lies gets a weak grant."),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Let a workflow read the secrets that its attributes list, and sign that.

    The grant is for its binary and config as they are; other grants stay. What becomes readable is shown first.
    """
    key = signing_key(owner_key)
    wish = Wish(workflow=workflow, secrets=tuple(secret or ()), binary=binary, config=config)
    with connect(caller) as host:
        full = full_owner(host, owner)
        # A vault that keeps no manifests is to be told so, and not that it cannot be verified.
        old = in_force(host, full, key)
        # A host that says "a vault for tests" would otherwise choose the class that is signed.
        vault = trusted_vault(caller, host, full, vault_key, unverified=unverified)
        usual = Assurance.NONE if vault and vault.identity.store == TEST_STORE else Assurance.HARDWARE
        least = (min_assurance or usual).value
        new = with_grant(old, grant_of(caller, host, full, wish, least), full)
        _publish(caller, host, old, new, partial(sign_manifest, new, key), yes=yes, dry_run=dry_run)


@verb(app, "revoke", example="strongroom vault manifest revoke WORKFLOW_ID --owner-key owner.key")
def revoke(
    caller: Caller,
    workflow_id: Annotated[str, typer.Argument(help="64 hex digits, as `show` lists them.", metavar="WORKFLOW_ID")],
    owner_key: OwnerKey,
    owner: Owner = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Take back everything that was granted to a workflow, and sign that."""
    key = signing_key(owner_key)
    with connect(caller) as host:
        full = full_owner(host, owner)
        old = in_force(host, full, key)
        new = without_workflow(old, workflow_id)
        _publish(caller, host, old, new, partial(sign_manifest, new, key), yes=yes, dry_run=dry_run)


def _publish(
    caller: Caller,
    host: Host,
    old: Manifest | None,
    new: Manifest,
    sign_it: Callable[[], bytes],
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    lines = changes(old, new)
    if not lines:
        caller.emit("manifest-change", {"owner": new.owner, "serial": old.serial if old else 0, "changes": []}, "")
        caller.note("nothing would change by it, so nothing was put into force")
        return
    for line in lines:
        caller.note(line)
    if said := leap(old, new):
        caller.note(said)
    document = {"owner": new.owner, "serial": new.serial, "changes": lines, "dry_run": dry_run}
    if dry_run:
        caller.emit("manifest-change", document, "\n".join(map(printable, lines)) if caller.quiet else "")
        caller.note("it could be put into force; nothing was changed")
        return
    caller.confirm("Sign this, and put it into force?", yes=yes)
    request = strongroom_vault_pb2.PutManifestRequest(manifest=new.encode(), signature=sign_it())
    owner = new.owner.removeprefix("0x")
    try:
        answer = call_vault(host, owner, "vault.manifests.put", request, strongroom_vault_pb2.PutManifestResponse)
    except LacksMethod as missing:
        raise no_manifests(missing) from None
    except Failure as refusal:
        raise refused_manifest(refusal) from None
    caller.emit("manifest-change", {**document, "serial": answer.serial}, f"serial {answer.serial} is in force")
