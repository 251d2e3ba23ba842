"""Which secrets a workflow may have: listed names of its own owner, whether it imports them or calls the vault.

The vault believes its host. So the host says whose secrets they are, and which: those that the workflow's attributes
list, and those that the vault's own configuration opens to this workflow. A workflow for which nobody lists any has
none. Local runs, enclaves and their relay all ask here.
"""

import json
from collections.abc import Iterable
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from strongroom.errors import CapabilityError
from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.modules.capabilities import Executable
from strongroom.modules.restrictions import NAMES_MAX, VAULT_PAYLOAD_BYTES_MAX
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.vault import vault_pb2

__all__ = [
    "GET_SECRETS",
    "NOT_FOUND",
    "READABLE",
    "Names",
    "check_vault_read",
    "is_vault",
    "not_listed",
    "opened_by",
    "unlisted",
]

VAULT: Final = "vault"
GET_SECRETS: Final = "vault.secrets.get"
READABLE: Final = "vault.secrets.readable"
"""Ours: which secrets the vault's configuration opens to a workflow. A foreign vault does not know it."""
NOT_FOUND: Final = "could not find secret"
"""The whole text for a secret that does not exist. Source: contracts, "cre-guest" section 18, test 10b."""
NOT_LISTED: Final = "not listed in the workflow's attributes"
NAME_CHARS_MAX: Final = 64
"""No name of a secret is longer; more of an untrusted one is not quoted."""
QUESTION_TIMEOUT_S: Final = 5.0
"""The vault looks into its configuration and nowhere else."""

Names = frozenset[tuple[str, str]]
"""Namespaces, never empty, and keys."""


def is_vault(capability_id: str) -> bool:
    """Whether that id names the vault, in whatever version and with whatever labels."""
    return capability_id.split("@", 1)[0].split(":", 1)[0].strip().lower() == VAULT


def check_vault_read(
    call: capabilities_pb2.CapabilityRequest, vault: Executable, *, owner: str, listed: Iterable[tuple[str, str]]
) -> None:
    """Make ``call``, which a guest made, a read of what it may read, or raise ``CapabilityError``.

    ``owner`` (``0x`` and 40 hex digits, as an answer carries it) is written into each request: what the guest left out
    must not be anybody's guess. ``listed`` are namespaces and keys.
    """
    if call.method != GET_SECRETS:
        raise _refused("PermissionDenied", f"{call.method[:64]} of the vault cannot be called by a workflow")
    if (size := len(call.payload.value)) > VAULT_PAYLOAD_BYTES_MAX:
        # Before it is parsed: what a guest sends costs many times its size then.
        raise _refused("LimitExceeded", f"a read of the vault: {size} bytes is more than {VAULT_PAYLOAD_BYTES_MAX}")
    asked = vault_pb2.GetSecretsRequest()
    try:
        understood = call.payload.Unpack(asked)
    except DecodeError:
        understood = False
    if not understood:
        raise _refused("InvalidArgument", "the payload is not a vault.GetSecretsRequest")
    if (count := len(asked.requests)) > NAMES_MAX:
        raise _refused("LimitExceeded", f"secrets of one read: {count} is more than {NAMES_MAX}")
    names = set()
    for request in asked.requests:
        if request.id.owner and _digits(request.id.owner) != _digits(owner):
            raise _refused("PermissionDenied", "a workflow reads secrets of its own owner only")
        request.id.owner = owner
        request.id.namespace = request.id.namespace or DEFAULT_NAMESPACE
        names.add((request.id.namespace, request.id.key))
    missing = names - set(listed)
    if missing:
        missing -= opened_by(vault, call.metadata, owner)
    if missing:
        raise _refused("PermissionDenied", f"secret {unlisted(*min(missing))}")
    payload = any_pb2.Any()
    payload.Pack(asked, deterministic=True)
    call.payload.CopyFrom(payload)


def not_listed(namespace: str, key: str) -> str:
    """What a guest is told of a secret that it may not have, whether it exists or not: what, and how to list it.

    It begins as the text for one that does not exist, because to the guest it does not.
    """
    return f"{NOT_FOUND}: {unlisted(namespace, key)}"


def opened_by(vault: Executable, metadata: capabilities_pb2.RequestMetadata, owner: str) -> Names:
    """What the vault's configuration opens to the workflow in ``metadata``. Raises ``CapabilityError``."""
    question = capabilities_pb2.CapabilityRequest(metadata=metadata, method=READABLE, capabilityId="vault@1.0.0")
    question.payload.Pack(vault_pb2.ListSecretIdentifiersRequest(owner=owner))
    try:
        answer = vault.execute(question, timeout_s=QUESTION_TIMEOUT_S)
    except CapabilityError as error:
        if error.name == "Unimplemented":
            return frozenset()
        raise
    opened = vault_pb2.ListSecretIdentifiersResponse()
    try:
        understood = answer.payload.Unpack(opened)
    except DecodeError:
        understood = False
    if not understood:
        return frozenset()
    return frozenset((name.namespace or DEFAULT_NAMESPACE, name.key) for name in opened.identifiers)


def unlisted(untrusted_namespace: str, untrusted_key: str) -> str:
    """A secret by its name, that it is not listed, and what lists it."""
    namespace, key = untrusted_namespace[:NAME_CHARS_MAX], untrusted_key[:NAME_CHARS_MAX]
    entry = {"key": key} if namespace == DEFAULT_NAMESPACE else {"key": key, "namespace": namespace}
    return f"{namespace}/{key} is {NOT_LISTED}: register it with {json.dumps(entry)} in the attribute vault_don_secrets"


def _digits(untrusted_owner: str) -> str:
    return untrusted_owner.removeprefix("0x").removeprefix("0X").lower()


def _refused(name: str, text: str) -> CapabilityError:
    return CapabilityError("Public", "User", name, text)
