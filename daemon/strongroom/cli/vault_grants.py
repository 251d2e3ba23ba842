"""What an owner grants to a workflow, taken from the host that has it, and checked against the owner's own files."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from strongroom.attest.codes import SIGNATURE
from strongroom.attest.manifest import Manifest, ManifestGrant, open_manifest
from strongroom.cli.caller import Caller, read_file
from strongroom.cli.channel import Host
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.offline import identify
from strongroom.cli.vault_calls import LacksMethod, call_vault
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected
from strongroom.modules.attributes import parse_attributes
from strongroom.pb.strongroom.v1 import workflow_pb2
from strongroom.pb.strongroom.v1.workflow_pb2_grpc import WorkflowServiceStub
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2

__all__ = [
    "Wish",
    "fetch",
    "grant_of",
    "in_force",
    "no_manifests",
    "refused_manifest",
    "with_grant",
    "without_workflow",
]

BINARY_BYTES_MAX: Final = 100_000_000
DEFAULT_NAMESPACE: Final = "main"
UNKNOWN_OWNER: Final = "under owners"
"""In the words of a vault that has no key for an owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A workflow by id or name, and what the person said about it: secrets beside those of its attributes, and its
    binary and config, which then must be those of its id."""

    workflow: str
    secrets: tuple[str, ...]
    binary: Path | None
    config: str


def fetch(host: Host, owner: str) -> tuple[bytes, bytes]:
    """The manifest in force and its signature, both empty where there is none. Raises ``Failure``."""
    request = strongroom_vault_pb2.GetManifestRequest(owner=owner)
    try:
        answer = call_vault(host, owner, "vault.manifests.get", request, strongroom_vault_pb2.GetManifestResponse)
    except LacksMethod as missing:
        raise no_manifests(missing) from None
    return answer.manifest, answer.signature


def no_manifests(missing: Failure) -> Failure:
    """The failure of a vault that does not know what manifests are."""
    return bad_data(
        "SR-CLI-127",
        "this vault keeps no manifests",
        why=missing.error.what,
        fix="use a vault of strongroom, of this release or a newer one",
        exit_code=missing.exit_code,
    )


def refused_manifest(refusal: Failure) -> Failure:
    """The failure of a vault that did not take a manifest; where it does not know this owner's key, with what to do."""
    said = str(refusal.error)
    if SIGNATURE not in said and UNKNOWN_OWNER not in said:
        return refusal
    return bad_data(
        "SR-CLI-145",
        "the vault takes no manifest of this owner that is signed by this key",
        why=said,
        fix="have the operator of the vault enter the public half of the key (owner.key.pub) under owners, for this"
        " owner, and start it again; or sign with the key that stands there",
        exit_code=refusal.exit_code,
    )


def in_force(host: Host, owner: str, key: SigningKey) -> Manifest | None:
    """The manifest in force, which must have the signature of ``key``: what somebody else added is not signed again.

    Raises ``Failure``.
    """
    manifest, signature = fetch(host, owner)
    if not manifest:
        return None
    try:
        return open_manifest(manifest, signature, owner_public=key.public, owner=f"0x{owner}")
    except EvidenceRejected as error:
        raise bad_data(
            "SR-CLI-123",
            "the manifest in force is not one of this key",
            why=str(error),
            fix="look at it with `strongroom vault manifest show`; to begin anew with this key, write what you want to "
            "grant into a file, and use `manifest sign` and `manifest put`",
        ) from None


def grant_of(caller: Caller, host: Host, owner: str, wish: Wish, min_assurance: str) -> ManifestGrant:
    """The grant for the workflow as its host describes it. Raises ``Failure`` when it is not what was said of it."""
    request = workflow_pb2.WorkflowServiceGetRequest(workflow=wish.workflow, owner=owner)
    record = host.call(host.stub(WorkflowServiceStub).Get, request).workflow
    config = caller.read("--config", wish.config) if wish.config else None
    if wish.binary is not None:
        upload = read_file("--binary", wish.binary, bytes_max=BINARY_BYTES_MAX)
        found = identify(upload, name=record.name, owner=owner, config=config or b"")
        if (found["workflow_id"], found["binary_sha256"]) != (record.workflow_id, record.binary_sha256):
            raise _another(
                record,
                f"with --binary and {'--config' if config else 'no config'} its id would be {found['workflow_id']}",
            )
    elif config is not None and hashlib.sha256(config).hexdigest() != record.config_sha256:
        raise _another(record, f"its config has the digest {record.config_sha256}, and --config another")
    else:
        caller.note("what was registered is what the host says; --binary FILE (with --config) compares it with yours")
    names = [
        (secret.namespace, secret.key) for secret in parse_attributes(record.attributes.encode()).vault_don_secrets
    ]
    names += [_name(text) for text in wish.secrets]
    if not names:
        raise bad_data(
            "SR-CLI-125",
            f"workflow {record.workflow_id} asks for no secret",
            why="its attributes list none in vault_don_secrets",
            fix="name those that it may read with --secret KEY or --secret namespace/KEY",
        )
    config_sha256 = hashlib.sha256(config).digest() if config is not None else bytes.fromhex(record.config_sha256)
    return ManifestGrant(
        workflow_id=record.workflow_id,
        binary_sha256=bytes.fromhex(record.binary_sha256),
        config_sha256=config_sha256,
        secrets=dict.fromkeys(names, min_assurance),
    )


def with_grant(old: Manifest | None, grant: ManifestGrant, owner: str) -> Manifest:
    """``old`` with ``grant``, in the place of the one for the same workflow, binary and config if there is one."""
    if old is None:
        return Manifest(owner=f"0x{owner}", serial=1, grants=(grant,))
    others = tuple(each for each in old.grants if each.sort_key() != grant.sort_key())
    return replace(old, serial=old.serial + 1, grants=(*others, grant))


def without_workflow(old: Manifest | None, workflow_id: str) -> Manifest:
    """``old`` without any grant to this workflow. Raises ``Failure`` when there is none."""
    kept = tuple(each for each in old.grants if each.workflow_id != workflow_id) if old is not None else ()
    if old is None or len(kept) == len(old.grants):
        raise bad_data(
            "SR-CLI-126",
            f"nothing is granted to workflow {workflow_id}",
            fix="`strongroom vault manifest show` lists the workflows by id",
        )
    return replace(old, serial=old.serial + 1, grants=kept)


def _name(text: str) -> tuple[str, str]:
    namespace, _, key = text.rpartition("/")
    return namespace or DEFAULT_NAMESPACE, key


def _another(record: workflow_pb2.Workflow, why: str) -> Failure:
    return bad_data(
        "SR-CLI-124",
        f"workflow {record.workflow_id} is not the one that was said",
        why=why,
        fix="give the file and the config that were registered; if you did, the host shows you another workflow",
    )
