"""The secrets of one execution: asked for sealed to its own key, opened here, dropped with the process.

What the request names is fetched before the guest starts; when restrictions count secrets, as the guest asks, because
what was never asked for must not be counted, nor leave the vault. What the vault's configuration opens to the workflow
is fetched as the guest asks too. Nothing else leaves the vault: a request that names nothing gives nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from strongroom.crypto.box import BoxKey
from strongroom.guest.ids import normal_owner, owner_checksum
from strongroom.modules.vault_reads import NOT_FOUND, not_listed
from strongroom.plugin import CapabilityError, InvalidInput, Tampered
from strongroom.plugin.messages import sdk_pb2, vault_pb2
from strongroom_confidential_workflows.limits import (
    SECRETS_BYTES_MAX,
    SECRETS_FETCHED_MAX,
    SECRETS_PER_VAULT_CALL,
)
from strongroom_confidential_workflows.request import DEFAULT_NAMESPACE, ConfidentialExecution, NamedSecret, refused

__all__ = ["ReleasedSecrets"]

_ERROR_CHARACTERS_MAX: Final = 200


class RelayedVault(Protocol):
    """The vault, by way of the plugin; ``enclave.link.Link`` has it. Both raise ``CapabilityError``."""

    def call_vault(self, request: vault_pb2.GetSecretsRequest) -> vault_pb2.GetSecretsResponse:
        """Secrets, each sealed to the keys that ``request`` names."""

    def call_opened(self) -> vault_pb2.ListSecretIdentifiersResponse:
        """The names that the vault's configuration opens to the workflow."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one secret: a value, or why there is none."""

    value: bytes = field(default=b"", repr=False)
    error: str = ""


class ReleasedSecrets:
    """Answers the guest. ``key`` belongs to this execution alone."""

    def __init__(self, execution: ConfidentialExecution, key: BoxKey, vault: RelayedVault) -> None:
        self._execution = execution
        self._key = key
        self._vault = vault
        self._outcomes: dict[NamedSecret, _Outcome] = {}
        self._opened: frozenset[NamedSecret] | None = None
        self.failure: CapabilityError | None = None
        """What must fail the run although the guest may go on."""

    def fetch_named(self) -> None:
        """Fetch what the request names. In a run each must be there; during subscribe the guest is told instead.

        Raises ``CapabilityError`` naming the first secret that is missing, or when the vault cannot be asked.
        """
        if self._is_counted():
            return
        self._fetch(self._execution.secrets)
        if not self._execution.subscribing:
            self._check(self._execution.secrets)

    def answer(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """One response for each request of the guest, in order. Raises ``CapabilityError`` as ``fetch_named``."""
        names = [NamedSecret(asked.namespace or DEFAULT_NAMESPACE, asked.id) for asked in request.requests]
        named = frozenset(self._execution.secrets)
        wanted = [name for name in dict.fromkeys(names) if name in named or self._is_opened(name)]
        self._fetch(name for name in wanted if name not in self._outcomes)
        if self._is_counted():
            self._check(name for name in wanted if name in named)
        return sdk_pb2.SecretResponses(responses=[self._response(name) for name in names])

    def _is_opened(self, name: NamedSecret) -> bool:
        """Whether the vault's configuration opens it, which is asked for once, and only when something hangs on it."""
        if self._opened is None:
            opened = self._vault.call_opened().identifiers
            self._opened = frozenset(NamedSecret(one.namespace or DEFAULT_NAMESPACE, one.key) for one in opened)
        return name in self._opened

    def _is_counted(self) -> bool:
        return self._execution.restrictions is not None and self._execution.restrictions.HasField("secrets")

    def _check(self, names: Iterable[NamedSecret]) -> None:
        """A secret that the request names is there, or the run fails."""
        for name in names:
            error = self._outcomes[name].error
            if not error:
                continue
            if error == NOT_FOUND:
                self.failure = refused("NotFound", f"{NOT_FOUND}: {name}")
            else:
                self.failure = refused("FailedPrecondition", f"the vault does not release {name}: {error}")
            raise self.failure

    def _response(self, name: NamedSecret) -> sdk_pb2.SecretResponse:
        outcome = self._outcomes.get(name) or _Outcome(error=not_listed(name.namespace, name.key))
        owner = owner_checksum(self._execution.owner)
        if outcome.error:
            error = sdk_pb2.SecretError(id=name.key, namespace=name.namespace, owner=owner, error=outcome.error)
            return sdk_pb2.SecretResponse(error=error)
        value = outcome.value.decode()
        return sdk_pb2.SecretResponse(
            secret=sdk_pb2.Secret(id=name.key, namespace=name.namespace, owner=owner, value=value)
        )

    def _fetch(self, wanted: Iterable[NamedSecret]) -> None:
        names = list(wanted)
        if (count := len(self._outcomes) + len(names)) > SECRETS_FETCHED_MAX:
            raise refused("LimitExceeded", f"secrets of one execution: {count} is more than {SECRETS_FETCHED_MAX}")
        for start in range(0, len(names), SECRETS_PER_VAULT_CALL):
            self._fetch_batch(names[start : start + SECRETS_PER_VAULT_CALL])
        if (size := sum(len(outcome.value) for outcome in self._outcomes.values())) > SECRETS_BYTES_MAX:
            raise refused("LimitExceeded", f"secrets of one execution: {size} bytes is more than {SECRETS_BYTES_MAX}")

    def _fetch_batch(self, names: Sequence[NamedSecret]) -> None:
        owner = owner_checksum(self._execution.owner)
        request = vault_pb2.GetSecretsRequest()
        for name in names:
            identifier = vault_pb2.SecretIdentifier(key=name.key, namespace=name.namespace, owner=owner)
            request.requests.add(id=identifier, encryption_keys=[self._key.public_hex])
        answers = {self._name_of(response.id): response for response in self._vault.call_vault(request).responses}
        for name in names:
            self._outcomes[name] = self._outcome(answers.get(name))

    def _name_of(self, identifier: vault_pb2.SecretIdentifier) -> NamedSecret | None:
        """The name that an answer is for; None when it is for another owner."""
        try:
            if normal_owner(identifier.owner) != self._execution.owner:
                return None
        except InvalidInput:
            return None
        return NamedSecret(identifier.namespace or DEFAULT_NAMESPACE, identifier.key)

    def _outcome(self, response: vault_pb2.SecretResponse | None) -> _Outcome:
        if response is None:
            return _Outcome(error="the vault did not answer for this secret")
        if response.WhichOneof("result") != "data":
            return _Outcome(error=response.error[:_ERROR_CHARACTERS_MAX] or "the vault gave no reason")
        shares = [
            share
            for sealed in response.data.encrypted_decryption_key_shares
            if sealed.encryption_key == self._key.public_hex
            for share in sealed.shares
        ]
        if len(shares) != 1:
            return _Outcome(error=f"the vault answered with {len(shares)} shares, this enclave takes exactly one")
        try:
            value = self._key.open(bytes.fromhex(shares[0]))
            value.decode()
        except (Tampered, ValueError):
            return _Outcome(error="the vault's answer was not sealed to this execution")
        return _Outcome(value=value)
