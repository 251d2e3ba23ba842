"""The secrets of ``vault@1.0.0``, by owner, namespace and key: kept, listed, and given to runs without evidence.

Values come in sealed to the vault's public key and go out sealed to keys that the request names, so what passes through
the daemon is always sealed. What is wrong with one secret is said in the answer for that secret; what is wrong with the
request as a whole is a capability error. A secret that asks for more than class ``local`` is not read here: it leaves
the vault in a release, see ``release_room``.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from strongroom.attest.assurance import LOCAL
from strongroom.attest.secret_entry import SecretEntry
from strongroom.crypto.box import seal_to
from strongroom.plugin import Call, StrongroomError, Tampered
from strongroom.plugin.messages import strongroom_vault_pb2, vault_pb2
from strongroom_vault.admission import caller_of, check_count, managing_caller_of, sealed_bytes
from strongroom_vault.entries import entry_of
from strongroom_vault.key import VaultKey
from strongroom_vault.limits import ENCRYPTION_KEYS_MAX, SECRETS_PER_OWNER_MAX
from strongroom_vault.names import DEFAULT_NAMESPACE, SecretName, SecretRefused, normal_owner
from strongroom_vault.reads import WorkflowReads
from strongroom_vault.shelf import Shelf, StoredSecret

__all__ = ["ALREADY_EXISTS", "NOT_FOUND", "SecretMethods"]

NOT_FOUND: Final = "could not find secret"
ALREADY_EXISTS: Final = "secret already exists: use vault.secrets.update to replace it"
UNREADABLE: Final = "the stored secret failed authentication: delete it and set it again"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SecretMethods:
    """Methods over one key and one shelf. ``store`` is the kind of store, ``test`` or ``production``."""

    def __init__(
        self,
        key: VaultKey,
        shelf: Shelf,
        log: logging.Logger,
        *,
        store: str,
        reads: WorkflowReads | None = None,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        """``now_ms`` is Unix time in milliseconds."""
        self._key = key
        self._shelf = shelf
        self._log = log
        self._store = store
        self._reads = reads or WorkflowReads(())
        self._now_ms = now_ms
        self._writing = threading.Lock()

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function, as the network's vault names them, and two of ours.

        Each returns its own message type.
        """
        return {
            "vault.secrets.get": self.get,
            "vault.secrets.create": self.create,
            "vault.secrets.update": self.update,
            "vault.secrets.delete": self.delete,
            "vault.secrets.list": self.list_identifiers,
            "vault.secrets.readable": self.readable,
            "vault.secrets.status": self.status,
            "vault.publicKey.get": self.public_key,
        }

    def public_key(self, call: Call) -> vault_pb2.GetPublicKeyResponse:
        """The key that owners seal values to."""
        call.unpack(vault_pb2.GetPublicKeyRequest)
        return vault_pb2.GetPublicKeyResponse(public_key=self._key.box.public_hex)

    def get(self, call: Call) -> vault_pb2.GetSecretsResponse:
        """Each requested secret, sealed once to each requested key: one answer for each request, in order."""
        request = call.unpack(vault_pb2.GetSecretsRequest)
        caller, execution_id = caller_of(call), call.metadata.workflow_execution_id
        check_count(len(request.requests))
        return vault_pb2.GetSecretsResponse(
            responses=[self._release(item, caller, execution_id) for item in request.requests]
        )

    def create(self, call: Call) -> vault_pb2.CreateSecretsResponse:
        """Store secrets that are not there yet."""
        request = call.unpack(vault_pb2.CreateSecretsRequest)
        caller = managing_caller_of(call, request.request_id)
        check_count(len(request.encrypted_secrets))
        answer = vault_pb2.CreateSecretsResponse(request_id=request.request_id)
        for item in request.encrypted_secrets:
            error = self._attempt(item.id, caller, partial(self._create, item.encrypted_value))
            answer.responses.add(id=self._named(item.id, caller), success=not error, error=error)
        return answer

    def update(self, call: Call) -> vault_pb2.UpdateSecretsResponse:
        """Replace secrets that are there."""
        request = call.unpack(vault_pb2.UpdateSecretsRequest)
        caller = managing_caller_of(call, request.request_id)
        check_count(len(request.encrypted_secrets))
        answer = vault_pb2.UpdateSecretsResponse(request_id=request.request_id)
        for item in request.encrypted_secrets:
            error = self._attempt(item.id, caller, partial(self._update, item.encrypted_value))
            answer.responses.add(id=self._named(item.id, caller), success=not error, error=error)
        return answer

    def delete(self, call: Call) -> vault_pb2.DeleteSecretsResponse:
        """Remove secrets that are there."""
        request = call.unpack(vault_pb2.DeleteSecretsRequest)
        caller = managing_caller_of(call, request.request_id)
        check_count(len(request.ids))
        answer = vault_pb2.DeleteSecretsResponse(request_id=request.request_id)
        for untrusted in request.ids:
            error = self._attempt(untrusted, caller, self._delete)
            answer.responses.add(id=self._named(untrusted, caller), success=not error, error=error)
        return answer

    def list_identifiers(self, call: Call) -> vault_pb2.ListSecretIdentifiersResponse:
        """The names of an owner's secrets, never a value; of all namespaces when none is named."""
        request = call.unpack(vault_pb2.ListSecretIdentifiersRequest)
        caller = managing_caller_of(call, request.request_id)
        answer = vault_pb2.ListSecretIdentifiersResponse(request_id=request.request_id)
        try:
            owner = normal_owner(request.owner or caller)
            if caller and owner != caller:
                raise SecretRefused("owner is not the caller")
            names = self._shelf.names(owner)
        except SecretRefused as refusal:
            answer.error = str(refusal)
            return answer
        answer.identifiers.extend(name.to_wire() for name in names if request.namespace in {"", name.namespace})
        answer.success = True
        return answer

    def readable(self, call: Call) -> vault_pb2.ListSecretIdentifiersResponse:
        """The secrets that ``workflow_reads`` opens to the workflow in the metadata, whether they are set or not.

        The host asks this before it lets a workflow's own ``vault.secrets.get`` through.
        """
        call.unpack(vault_pb2.ListSecretIdentifiersRequest)
        names = self._reads.open_to(call.metadata, caller_of(call))
        return vault_pb2.ListSecretIdentifiersResponse(identifiers=[name.to_wire() for name in names], success=True)

    def status(self, call: Call) -> strongroom_vault_pb2.SecretStatusResponse:
        """Whether secrets are there, and what they ask of a run that reads them. Never a value."""
        request = call.unpack(strongroom_vault_pb2.SecretStatusRequest)
        caller = caller_of(call)
        check_count(len(request.ids))
        return strongroom_vault_pb2.SecretStatusResponse(statuses=[self._status(each, caller) for each in request.ids])

    def _status(self, untrusted: vault_pb2.SecretIdentifier, caller: str) -> strongroom_vault_pb2.SecretStatus:
        answer = strongroom_vault_pb2.SecretStatus(id=self._named(untrusted, caller))
        try:
            stored = self._shelf.get(SecretName.from_wire(untrusted, caller=caller))
        except SecretRefused as refusal:
            answer.error = str(refusal)
        except Tampered:
            answer.error = UNREADABLE
        else:
            if stored is not None:
                answer.present, answer.version = True, stored.version
                answer.min_assurance, answer.test_only = stored.entry.min_assurance, stored.entry.is_test_only
        return answer

    def _release(self, item: vault_pb2.SecretRequest, caller: str, execution_id: str) -> vault_pb2.SecretResponse:
        try:
            name = SecretName.from_wire(item.id, caller=caller)
            if not item.encryption_keys:
                raise SecretRefused("no encryption key is named: a secret is released only sealed")
            if (count := len(item.encryption_keys)) > ENCRYPTION_KEYS_MAX:
                raise SecretRefused(f"encryption keys: {count} is more than {ENCRYPTION_KEYS_MAX}")
            stored = self._shelf.get(name)
            if stored is None:
                raise SecretRefused(NOT_FOUND)
            if stored.entry.min_assurance != LOCAL:
                raise SecretRefused(_for_attested_runs(name, stored.entry.min_assurance))
            data = vault_pb2.SecretData()
            for untrusted_key in item.encryption_keys:
                share = _sealed_to(untrusted_key, stored.entry.value)
                data.encrypted_decryption_key_shares.add(shares=[share], encryption_key=untrusted_key)
        except SecretRefused as refusal:
            return vault_pb2.SecretResponse(id=self._named(item.id, caller), error=str(refusal))
        except Tampered:
            self._log.error("a stored secret failed authentication", extra={"owner": name.owner})
            return vault_pb2.SecretResponse(id=name.to_wire(), error=UNREADABLE)
        self._log.info(
            "released a secret",
            extra={
                "owner": name.owner,
                "secret": f"{name.namespace}/{name.key}",
                "version": stored.version,
                "keys": len(item.encryption_keys),
                "execution_id": execution_id,
            },
        )
        return vault_pb2.SecretResponse(id=name.to_wire(), data=data)

    def _attempt(self, untrusted: vault_pb2.SecretIdentifier, caller: str, job: Callable[[SecretName], None]) -> str:
        """Run ``job`` for one secret under the lock. Returns why it was refused, or an empty text."""
        try:
            name = SecretName.from_wire(untrusted, caller=caller)
            with self._writing:
                job(name)
        except SecretRefused as refusal:
            return str(refusal)
        except Tampered:
            return UNREADABLE
        return ""

    def _create(self, untrusted_hex: str, name: SecretName) -> None:
        entry = self._opened(untrusted_hex, name)
        if self._shelf.holds(name):
            raise SecretRefused(ALREADY_EXISTS)
        if (count := len(self._shelf.names(name.owner))) >= SECRETS_PER_OWNER_MAX:
            raise SecretRefused(f"secrets of this owner: {count} are stored, and {SECRETS_PER_OWNER_MAX} is the limit")
        self._shelf.put(name, entry, previous=None, now_ms=self._now_ms())

    def _update(self, untrusted_hex: str, name: SecretName) -> None:
        entry = self._opened(untrusted_hex, name)
        previous = self._shelf.get(name)
        if previous is None:
            raise SecretRefused(NOT_FOUND)
        self._shelf.put(name, entry, previous=previous, now_ms=self._now_ms())

    def _delete(self, name: SecretName) -> None:
        if not self._shelf.holds(name):
            raise SecretRefused(NOT_FOUND)
        previous: StoredSecret | None
        try:
            previous = self._shelf.get(name)
        except Tampered:
            previous = None  # its version is lost with it; removing it is still what the owner asked for
        self._shelf.delete(name, previous=previous)

    def _opened(self, untrusted_hex: str, name: SecretName) -> SecretEntry:
        sealed = sealed_bytes(untrusted_hex)
        try:
            opened = self._key.box.open(sealed)
        except StrongroomError:
            raise SecretRefused("encrypted_value was not sealed to this vault's public key") from None
        return entry_of(opened, name, sealed_bytes=len(sealed), store=self._store)

    @staticmethod
    def _named(untrusted: vault_pb2.SecretIdentifier, caller: str) -> vault_pb2.SecretIdentifier:
        """The identifier for an answer: checked if it can be, else as it came."""
        try:
            return SecretName.from_wire(untrusted, caller=caller).to_wire()
        except SecretRefused:
            namespace = untrusted.namespace or DEFAULT_NAMESPACE
            return vault_pb2.SecretIdentifier(key=untrusted.key, namespace=namespace, owner=untrusted.owner)


def _for_attested_runs(name: SecretName, min_assurance: str) -> str:
    return (
        f"{name.namespace}/{name.key} asks for assurance {min_assurance}, so only a confidential run that proves "
        "as much gets it: require a TEE, or set it again with --min-assurance local"
    )


def _sealed_to(untrusted_key: str, value: bytes) -> str:
    try:
        return seal_to(untrusted_key, value).hex()
    except StrongroomError:
        raise SecretRefused("an encryption key is not a usable X25519 public key in hex") from None
