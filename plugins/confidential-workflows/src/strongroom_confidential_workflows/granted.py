"""What an execution may ask its vault for when its request does not say: what its owner's manifest grants to exactly
this workflow, binary and configuration, as far as the vault holds it.

The vault decides again at the release, with the manifest's signature; this is a question, not a permission.
"""

import hashlib
from typing import Final

from strongroom.attest.manifest import ManifestGrant, read_manifest
from strongroom.guest.ids import owner_checksum
from strongroom.plugin import CapabilityError, EvidenceRejected
from strongroom.plugin.messages import strongroom_vault_pb2, vault_pb2
from strongroom_confidential_workflows.limits import SECRETS_NAMED_MAX, SECRETS_PER_VAULT_CALL
from strongroom_confidential_workflows.request import DEFAULT_NAMESPACE, ConfidentialExecution, NamedSecret, refused
from strongroom_confidential_workflows.vault_relay import VaultCaller

__all__ = ["granted_secrets"]

_UNKNOWN: Final = "Unimplemented"


def granted_secrets(
    execution: ConfidentialExecution, vault: VaultCaller, *, timeout_s: float
) -> frozenset[NamedSecret]:
    """The names to ask for. Empty for a run whose request lists them: that list is asked for, and must be there.

    When subscribing, a listed secret that is missing or not granted is for the guest to judge, so it is left out.
    Raises ``CapabilityError`` when the vault cannot be asked.
    """
    if bool(execution.secrets) != execution.subscribing:
        return frozenset()
    try:
        names = _granted(execution, vault, timeout_s)
        if execution.subscribing:
            names &= frozenset(execution.secrets)
        return _present(execution, names, vault, timeout_s)
    except CapabilityError as error:
        if error.name == _UNKNOWN:
            # Another maker's vault, which knows no manifests.
            return frozenset()
        raise


def _granted(execution: ConfidentialExecution, vault: VaultCaller, timeout_s: float) -> frozenset[NamedSecret]:
    question = strongroom_vault_pb2.GetManifestRequest(owner=execution.owner)
    answer_type = strongroom_vault_pb2.GetManifestResponse
    answer = vault.call("vault.manifests.get", question, answer_type, timeout_s=timeout_s)
    if not answer.manifest:
        return frozenset()
    try:
        grants = read_manifest(answer.manifest).grants
    except EvidenceRejected as error:
        raise CapabilityError("Public", "System", "Internal", f"the vault's manifest is none: {error}") from error
    config_sha256 = hashlib.sha256(execution.config).digest()
    for grant in grants:
        if _identity(grant) == (execution.workflow_id, execution.binary_hash, config_sha256):
            if (count := len(grant.secrets)) > SECRETS_NAMED_MAX:
                raise refused("LimitExceeded", f"the manifest grants {count} secrets, more than {SECRETS_NAMED_MAX}")
            return frozenset(NamedSecret(namespace, key) for namespace, key in grant.secrets)
    return frozenset()


def _identity(grant: ManifestGrant) -> tuple[str, bytes, bytes]:
    return grant.workflow_id, grant.binary_sha256, grant.config_sha256


def _present(
    execution: ConfidentialExecution, names: frozenset[NamedSecret], vault: VaultCaller, timeout_s: float
) -> frozenset[NamedSecret]:
    owner, ordered, found = owner_checksum(execution.owner), sorted(names), set()
    for start in range(0, len(ordered), SECRETS_PER_VAULT_CALL):
        asked = ordered[start : start + SECRETS_PER_VAULT_CALL]
        ids = [vault_pb2.SecretIdentifier(key=name.key, namespace=name.namespace, owner=owner) for name in asked]
        answer = vault.call(
            "vault.secrets.status",
            strongroom_vault_pb2.SecretStatusRequest(ids=ids),
            strongroom_vault_pb2.SecretStatusResponse,
            timeout_s=timeout_s,
        )
        found |= {
            NamedSecret(status.id.namespace or DEFAULT_NAMESPACE, status.id.key)
            for status in answer.statuses
            if status.present
        }
    return names & found
