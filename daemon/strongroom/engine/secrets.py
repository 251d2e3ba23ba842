"""Fetches secrets for local runs: sealed by the vault to this host's key, opened here, handed to the one guest.

The key exists only in this process's memory and only for its life. Source: contracts, "confidential" section 12 and
"capability-wire" section 11.5.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message

from strongroom.attest.assurance import LOCAL
from strongroom.crypto.box import BoxKey
from strongroom.engine.auditing import Audit, NoAudit
from strongroom.errors import CapabilityError, PluginAway, PluginFault, StrongroomError, Unavailable
from strongroom.guest.ids import owner_checksum
from strongroom.modules.attributes import DEFAULT_NAMESPACE, SecretName
from strongroom.modules.capabilities import Capabilities
from strongroom.modules.vault_reads import NOT_FOUND, Names, not_listed, opened_by
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.pb.vault import vault_pb2

__all__ = ["VAULT_ID", "SecretReader"]

VAULT_ID: Final = "vault@1.0.0"
REQUESTS_MAX: Final = 10
"""The vault takes this many in one call; longer lists are split."""
TIMEOUT_S: Final = 30.0
"""A local vault answers in milliseconds; a remote one within its own limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    key: str
    namespace: str


class SecretReader:
    """Reads secrets of owners through the vault capability."""

    def __init__(self, capabilities: Capabilities, audit: Audit | None = None) -> None:
        self._capabilities = capabilities
        self._audit = audit or NoAudit()
        self._box = BoxKey.generate()

    def fetch(
        self,
        metadata: capabilities_pb2.RequestMetadata,
        requests: Sequence[sdk_pb2.SecretRequest],
        listed: Collection[SecretName] = (),
    ) -> sdk_pb2.SecretResponses:
        """One answer for each request, in order. Raises ``Unavailable`` or ``PluginFault`` when the fetch fails.

        A workflow gets what its attributes list and what the vault's configuration opens to it, and nothing else; the
        vault is asked for no other value.
        """
        owner = owner_checksum(metadata.workflow_owner)
        asked = [_Asked(key=r.id, namespace=r.namespace or DEFAULT_NAMESPACE) for r in requests]
        names = {(name.namespace, name.key) for name in listed}
        if any((a.namespace, a.key) not in names for a in asked):
            names |= self._opened(metadata, owner)
        given = [a for a in dict.fromkeys(asked) if (a.namespace, a.key) in names]
        answers: dict[tuple[str, str], vault_pb2.SecretResponse] = {}
        if given:
            # Before the first of them is here: what was given cannot be taken back.
            self._audit.record(
                "secret.release",
                subject=metadata.workflow_execution_id,
                owner=metadata.workflow_owner,
                workflow_id=metadata.workflow_id,
                secret_names=", ".join(f"{a.namespace}/{a.key}" for a in given),
            )
        for start in range(0, len(given), REQUESTS_MAX):
            for answer in self._ask(metadata, owner, given[start : start + REQUESTS_MAX]):
                answers[answer.id.namespace or DEFAULT_NAMESPACE, answer.id.key] = answer
        return sdk_pb2.SecretResponses(
            responses=[
                self._response(owner, a, answers.get((a.namespace, a.key)))
                if (a.namespace, a.key) in names
                else _error(owner, a, not_listed(a.namespace, a.key))
                for a in asked
            ]
        )

    def missing(self, metadata: capabilities_pb2.RequestMetadata, names: Sequence[tuple[str, str]]) -> list[str]:
        """Those of ``names`` (namespace, key) that the vault does not hold, as ``namespace/key``; no value is read."""
        held: set[tuple[str, str]] = set()
        for namespace in sorted({namespace for namespace, _ in names}):
            listed = vault_pb2.ListSecretIdentifiersResponse()
            question = vault_pb2.ListSecretIdentifiersRequest(
                owner=owner_checksum(metadata.workflow_owner), namespace=namespace
            )
            self._call(metadata, "vault.secrets.list", question, listed)
            held |= {(identifier.namespace or DEFAULT_NAMESPACE, identifier.key) for identifier in listed.identifiers}
        return [f"{namespace}/{key}" for namespace, key in names if (namespace, key) not in held]

    def not_for_local_runs(
        self, metadata: capabilities_pb2.RequestMetadata, names: Sequence[tuple[str, str]]
    ) -> list[str]:
        """A warning for each of ``names`` that is there and asks for more than a local run is; no value is read.

        A vault that does not know the question says nothing, and is as good as before.
        """
        owner = owner_checksum(metadata.workflow_owner)
        warnings: list[str] = []
        for start in range(0, len(names), REQUESTS_MAX):
            ids = [
                vault_pb2.SecretIdentifier(key=key, namespace=namespace, owner=owner)
                for namespace, key in names[start : start + REQUESTS_MAX]
            ]
            answer = strongroom_vault_pb2.SecretStatusResponse()
            try:
                self._call(metadata, "vault.secrets.status", strongroom_vault_pb2.SecretStatusRequest(ids=ids), answer)
            except PluginFault:
                return warnings
            warnings += [_too_high(each) for each in answer.statuses if each.present and each.min_assurance != LOCAL]
        return warnings

    def _opened(self, metadata: capabilities_pb2.RequestMetadata, owner: str) -> Names:
        with _faults_of_the_vault():
            return opened_by(self._capabilities.get_executable(VAULT_ID), metadata, owner)

    def _ask(
        self, metadata: capabilities_pb2.RequestMetadata, owner: str, asked: Sequence[_Asked]
    ) -> Sequence[vault_pb2.SecretResponse]:
        question = vault_pb2.GetSecretsRequest(
            requests=[
                vault_pb2.SecretRequest(
                    id=vault_pb2.SecretIdentifier(key=a.key, namespace=a.namespace, owner=owner),
                    encryption_keys=[self._box.public_hex],
                )
                for a in asked
            ]
        )
        answer = vault_pb2.GetSecretsResponse()
        self._call(metadata, "vault.secrets.get", question, answer)
        return answer.responses

    def _call(
        self, metadata: capabilities_pb2.RequestMetadata, method: str, question: Message, answer: Message
    ) -> None:
        payload = any_pb2.Any()
        payload.Pack(question)
        request = capabilities_pb2.CapabilityRequest(
            metadata=metadata, payload=payload, method=method, capabilityId=VAULT_ID
        )
        with _faults_of_the_vault():
            response = self._capabilities.get_executable(VAULT_ID).execute(request, timeout_s=TIMEOUT_S)
        if not response.payload.Unpack(answer):
            raise PluginFault(
                "SR-SECRET-003",
                f"the vault answered {method} with {response.payload.type_url or 'nothing'}",
                fix="update the vault plugin",
                plugin="vault",
            )

    def _response(self, owner: str, asked: _Asked, answer: vault_pb2.SecretResponse | None) -> sdk_pb2.SecretResponse:
        if answer is None:
            return _error(owner, asked, NOT_FOUND)
        if answer.WhichOneof("result") != "data":
            return _error(owner, asked, answer.error or NOT_FOUND)
        shares = [
            share
            for sealed in answer.data.encrypted_decryption_key_shares
            if sealed.encryption_key == self._box.public_hex
            for share in sealed.shares
        ]
        if len(shares) != 1:
            return _error(owner, asked, "the vault's answer is not sealed to this host")
        try:
            value = self._box.open(bytes.fromhex(shares[0])).decode("utf-8")
        except (StrongroomError, ValueError):
            # One text for damage and for bytes that no guest could take as a string: neither may be guessed from it.
            return _error(owner, asked, "the vault's answer cannot be opened")
        return sdk_pb2.SecretResponse(
            secret=sdk_pb2.Secret(id=asked.key, namespace=asked.namespace, owner=owner, value=value)
        )


def _too_high(secret: strongroom_vault_pb2.SecretStatus) -> str:
    name = f"{secret.id.namespace or DEFAULT_NAMESPACE}/{secret.id.key}"
    return (
        f"secret {name} asks for assurance {secret.min_assurance}, so a local run does not get it and fails:"
        " require a TEE, or set it again with --min-assurance local"
    )


@contextmanager
def _faults_of_the_vault() -> Iterator[None]:
    try:
        yield
    except PluginAway as error:
        raise Unavailable(
            "SR-SECRET-002", "the vault is not available", why=error.message, fix=error.fix, plugin="vault"
        ) from error
    except CapabilityError as error:
        raise PluginFault(
            "SR-SECRET-001",
            "the vault refused the request",
            why=error.message,
            fix="strongroom plugin list shows the state of the vault",
            plugin="vault",
        ) from error
    except StrongroomError as error:
        raise Unavailable(
            "SR-SECRET-002",
            "the vault is not available",
            why=str(error),
            fix="enable the plugin vault in plugins.yaml; strongroom plugin list shows its state",
        ) from error


def _error(owner: str, asked: _Asked, text: str) -> sdk_pb2.SecretResponse:
    return sdk_pb2.SecretResponse(
        error=sdk_pb2.SecretError(id=asked.key, namespace=asked.namespace, owner=owner, error=text)
    )
