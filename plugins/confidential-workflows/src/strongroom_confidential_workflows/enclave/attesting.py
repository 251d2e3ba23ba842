"""Evidence before secrets: challenge, fresh keys, runtime data, evidence, release. All of it for one execution.

Rule 1: the keys are made here, after the binary was checked, and die with the process.
Rule 2: what the vault signs is opened with the key that is pinned in the runner's configuration, and with no other.
Rule 3: a challenge that went stale on the way is asked for once more; every other refusal is final, and is passed on.
Source: contracts/attestation.md 13 and 14.1.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message

from strongroom.attest.codes import BINDING, NONCE_EXPIRED, NONCE_UNKNOWN, POLICY_EPOCH
from strongroom.attest.ear import Ear, check_ear
from strongroom.attest.evidence import Evidence, is_same
from strongroom.attest.release import Envelope, Opened, Signed, open_challenge, open_envelope
from strongroom.attest.runtime_data import ChallengeRef, Execution, RuntimeData, prove_possession
from strongroom.crypto import hpke
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import CapabilityError, EvidenceRejected, LimitExceeded
from strongroom_confidential_workflows.enclave.setup import RunnerSetup
from strongroom_confidential_workflows.limits import SECRETS_BYTES_MAX
from strongroom_confidential_workflows.messages import ChallengeAnswer, ChallengeCall, ReleaseAnswer, ReleaseCall
from strongroom_confidential_workflows.request import ConfidentialExecution, NamedSecret

__all__ = ["Attested", "RelayedVault", "attest"]

ROUNDS_MAX: Final = 2
_STALE: Final = (NONCE_UNKNOWN, NONCE_EXPIRED)

Answer = TypeVar("Answer", ChallengeAnswer, ReleaseAnswer)


class RelayedVault(Protocol):
    """The vault, by way of the plugin; ``enclave.link.Link`` has it. An error of the vault is in the answer."""

    def challenge(self, call: ChallengeCall) -> ChallengeAnswer:
        """A challenge for an execution."""

    def release(self, call: ReleaseCall) -> ReleaseAnswer:
        """The secrets of an execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """An execution that its vault has appraised: what it is bound to, its signing key, and what was released to it.

    ``vault`` is where the vault says that it runs.
    """

    data: RuntimeData
    encoded: bytes
    key: SigningKey
    evidence: Evidence
    envelope: Envelope
    ear: Ear
    vault_public_key: bytes
    vault: str
    values: Mapping[NamedSecret, bytes] = field(repr=False)


def attest(
    execution: ConfidentialExecution, names: frozenset[NamedSecret], setup: RunnerSetup, vault: RelayedVault
) -> Attested:
    """Attest and take the secrets ``names``, all of them.

    Raises ``CapabilityError`` with the vault's words, ``EvidenceRejected`` when what comes back is not the vault's or
    is about something else, ``Tampered`` when it was not sealed to this execution, ``LimitExceeded`` for too much.
    """
    ordered = tuple(sorted(names, key=lambda name: (name.namespace.encode(), name.key.encode())))
    for rounds_left in reversed(range(ROUNDS_MAX)):
        try:
            return _round(execution, ordered, setup, vault)
        except CapabilityError as error:
            if not rounds_left or not error.message.startswith(_STALE):
                raise
    raise AssertionError("every round returns or raises")


def _round(
    execution: ConfidentialExecution, names: tuple[NamedSecret, ...], setup: RunnerSetup, vault: RelayedVault
) -> Attested:
    owner, public = f"0x{execution.owner}", setup.config.vault_public_key
    ids = {"execution_id": execution.execution_id, "workflow_id": execution.workflow_id, "owner": owner}
    asked = _answered(vault.challenge(ChallengeCall(**ids)))
    challenge = open_challenge(Signed(asked.body, asked.signature), vault_public=public, **ids)
    kem, key = hpke.KemKey.generate(), SigningKey.generate()
    data = RuntimeData(
        kind=setup.provider.kind,
        challenge=ChallengeRef(nonce=challenge.nonce, exp_s=challenge.exp_s, vault_key_id=challenge.vault_key_id),
        execution=Execution(
            **ids,
            attempt=asked.attempt,
            binary_sha256=execution.binary_hash,
            config_sha256=_sha256(execution.config),
            request_sha256=_sha256(execution.execute_request),
            requirements_sha256=_sha256(_bytes_of(execution.requirements)),
            restrictions_sha256=_sha256(_bytes_of(execution.restrictions)),
        ),
        kem_pub=kem.public,
        sig_pub=key.public,
        runner=setup.runner,
        enclave_config_sha256=setup.config_sha256,
        secrets=tuple((name.namespace, name.key) for name in names),
    )
    encoded, bound = data.encode(), data.binding()
    evidence = setup.provider.collect(bound.report_data, bound.nonce, bound.kem_spki)
    call = ReleaseCall(
        runtime_data=encoded,
        evidence_kind=evidence.kind,
        media_type=evidence.media_type,
        evidence=evidence.body,
        endorsements=evidence.endorsements,
        pop_sig=prove_possession(encoded, key),
    )
    released = _answered(vault.release(call))
    opened = open_envelope(Signed(released.body, released.signature), vault_public=public, data=data, key=kem)
    return Attested(
        data=data,
        encoded=encoded,
        key=key,
        evidence=evidence,
        envelope=opened.envelope,
        ear=_checked_ear(opened, data, setup),
        vault_public_key=public,
        vault=released.vault,
        values=_checked_values(opened, setup),
    )


def _checked_ear(opened: Opened, data: RuntimeData, setup: RunnerSetup) -> Ear:
    """The attestation result in the envelope, which is about this execution, under a policy that is new enough."""
    epoch, oldest = opened.envelope.policy_epoch, setup.config.policy_epoch
    if epoch < oldest:
        raise EvidenceRejected(POLICY_EPOCH, "envelope policy_epoch", got=str(epoch), wanted=f"at least {oldest}")
    ear = check_ear(opened.envelope.ear, vault_public=setup.config.vault_public_key)
    for name, got, wanted in (
        ("nonce", ear.nonce, data.challenge.nonce),
        ("report_data", ear.report_data, data.report_data()),
    ):
        if not is_same(got, wanted):
            raise EvidenceRejected(BINDING, f"ear {name}", got=got.hex(), wanted=wanted.hex())
    return ear


def _checked_values(opened: Opened, setup: RunnerSetup) -> Mapping[NamedSecret, bytes]:
    size = sum(len(each.value) for each in opened.secrets)
    most = min(SECRETS_BYTES_MAX, setup.config.limits["secrets_bytes_max"])
    if size > most:
        raise LimitExceeded(
            "SR-ENCL-006",
            f"the secrets of one execution have {size} bytes, and {most} is the limit",
            fix="name fewer secrets, or smaller ones",
            size=size,
            limit=most,
        )
    return {NamedSecret(each.namespace, each.key): each.value for each in opened.secrets}


def _answered(answer: Answer) -> Answer:
    if answer.error_name:
        raise CapabilityError("Public", answer.error_origin, answer.error_name, answer.error)
    return answer


def _bytes_of(message: Message | None) -> bytes:
    return b"" if message is None else message.SerializeToString(deterministic=True)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
