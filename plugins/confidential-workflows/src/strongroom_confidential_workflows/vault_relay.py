"""The vault, on the way from an enclave runner: what may be asked for, challenges, and the release.

What comes back is signed by the vault and sealed to the runner's key: this process can neither open nor change it. What
a runner asks is held against the execution that it was given, because nothing that comes out of one is believed.
Source: contracts/attestation.md 14.
"""

import re
from typing import Final, TypeVar

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message

from strongroom.attest.codes import BACKEND_UNAVAILABLE
from strongroom.attest.runtime_data import RuntimeData, decode_runtime_data
from strongroom.modules.restrictions import Ledger
from strongroom.plugin import CapabilityError, EvidenceRejected, Registry, StrongroomError
from strongroom.plugin.error_text import error_of
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, strongroom_vault_pb2
from strongroom_confidential_workflows.limits import (
    CHALLENGES_MAX,
    ERROR_CHARACTERS_MAX,
    RELEASES_MAX,
    VAULT_TIMEOUT_S,
)
from strongroom_confidential_workflows.messages import (
    ChallengeAnswer,
    ChallengeCall,
    ReleaseAnswer,
    ReleaseCall,
    encode,
)
from strongroom_confidential_workflows.request import ConfidentialExecution, NamedSecret

__all__ = ["AWAY", "BrokenContract", "VaultCaller", "VaultRelay", "backend_away"]

VAULT: Final = "vault@1.0.0"
AWAY: Final = "CONFIDENTIAL_BACKEND_UNAVAILABLE"
_AWAY_NAMES: Final = frozenset({"Unavailable", "DeadlineExceeded", "ResourceExhausted"})
_DRAWN_ID: Final = re.compile(r"[0-9a-f]{64}")
T = TypeVar("T", bound=Message)
Answer = TypeVar("Answer", ChallengeAnswer, ReleaseAnswer)


class BrokenContract(Exception):
    """A runner did what a sound one does not. The text says what."""


def backend_away(why: str) -> CapabilityError:
    """The error of an execution that can run nowhere now. It never runs anywhere else."""
    text = f"{BACKEND_UNAVAILABLE} the confidential backend is away ({AWAY}): {why}; nothing was run"
    return CapabilityError("Public", "System", "Unavailable", text)


class VaultCaller:
    """Calls the vault for one execution, with the metadata that the host stamped."""

    def __init__(self, registry: Registry, metadata: capabilities_pb2.RequestMetadata) -> None:
        self._registry = registry
        self._metadata = metadata

    def call(self, method: str, question: Message, answer_type: type[T], *, timeout_s: float) -> T:
        """The vault's answer. Raises ``CapabilityError``, ``Unavailable`` by name when there is no vault now."""
        payload = any_pb2.Any()
        payload.Pack(question)
        request = capabilities_pb2.CapabilityRequest(capabilityId=VAULT, method=method, payload=payload)
        request.metadata.CopyFrom(self._metadata)
        request.metadata.reference_id = ""  # that of the call of this plugin, which is no step of the guest
        answer = answer_type()
        try:
            vault = self._registry.get_executable(VAULT)
        except StrongroomError as error:
            raise backend_away(f"there is no vault: {error_of(error).message}") from error
        try:
            answered = vault.execute(request, timeout_s=min(timeout_s, VAULT_TIMEOUT_S))
            if answered.payload.Unpack(answer):
                return answer
        except DecodeError:
            pass
        except StrongroomError as error:
            found = error_of(error)
            if found.name in _AWAY_NAMES:
                raise backend_away(f"the vault could not be asked: {found.message}") from error
            raise found from error
        raise CapabilityError("Public", "System", "Internal", f"the vault answered {method} with another message")


class VaultRelay:
    """Relays for one execution. ``granted`` is what it may ask for when its request does not say itself."""

    def __init__(
        self, vault: VaultCaller, execution: ConfidentialExecution, granted: frozenset[NamedSecret] = frozenset()
    ) -> None:
        self._vault = vault
        self._execution = execution
        named = frozenset(execution.secrets)
        self._allowed = granted if execution.subscribing or not named else named
        self._challenges = 0
        self._releases = 0
        self._execution_id = execution.execution_id
        self.sig_pub = b""
        """The key of the execution, once the vault has been asked for a release to it."""

    def check_challenge(self, call: ChallengeCall) -> None:
        """Raise ``BrokenContract`` for one challenge too many, or one for another execution."""
        self._challenges += 1
        if self._challenges > CHALLENGES_MAX:
            raise BrokenContract(f"it asked for more than {CHALLENGES_MAX} challenges")
        if not self._execution_id and _DRAWN_ID.fullmatch(call.execution_id):
            self._execution_id = call.execution_id
        self._check_ids(call.workflow_id, call.owner, call.execution_id)

    def challenge(self, call: ChallengeCall, *, timeout_s: float) -> ChallengeAnswer:
        """The vault's challenge, or its error, for a call that was checked."""
        question = strongroom_vault_pb2.ChallengeRequest(
            execution_id=call.execution_id, workflow_id=call.workflow_id, owner=call.owner
        )
        try:
            answer = self._vault.call(
                "vault.release.challenge", question, strongroom_vault_pb2.ChallengeResponse, timeout_s=timeout_s
            )
            return _fitting(ChallengeAnswer(body=answer.body, signature=answer.signature, attempt=answer.attempt))
        except CapabilityError as error:
            return ChallengeAnswer(error_origin=error.origin, error_name=error.name, error=_cut(error))

    def check_release(self, call: ReleaseCall) -> None:
        """Raise ``BrokenContract`` for one release too many, and for what this execution may not have."""
        self._releases += 1
        if self._releases > RELEASES_MAX:
            raise BrokenContract(f"it asked for more than {RELEASES_MAX} releases")
        self.sig_pub = self._checked(call).sig_pub

    def release(self, call: ReleaseCall, *, timeout_s: float) -> ReleaseAnswer:
        """The vault's envelope, or its error, for a call that was checked."""
        question = strongroom_vault_pb2.ReleaseRequest(
            runtime_data=call.runtime_data,
            evidence=strongroom_vault_pb2.Evidence(
                kind=call.evidence_kind,
                media_type=call.media_type,
                body=call.evidence,
                endorsements=call.endorsements,
            ),
            pop_sig=call.pop_sig,
        )
        try:
            answer = self._vault.call(
                "vault.release.release", question, strongroom_vault_pb2.ReleaseResponse, timeout_s=timeout_s
            )
            return _fitting(ReleaseAnswer(body=answer.body, signature=answer.signature, vault=answer.vault))
        except CapabilityError as error:
            return ReleaseAnswer(error_origin=error.origin, error_name=error.name, error=_cut(error))

    def _checked(self, call: ReleaseCall) -> RuntimeData:
        try:
            data = decode_runtime_data(call.runtime_data)
        except EvidenceRejected as error:
            raise BrokenContract(f"its runtime data are none: {error}") from error
        found = data.execution
        self._check_ids(found.workflow_id, found.owner, found.execution_id)
        if found.binary_sha256 != self._execution.binary_hash:
            raise BrokenContract("it attests another binary")
        ledger = Ledger(self._execution.restrictions or sdk_pb2.Restrictions())
        for namespace, key in data.secrets:
            if NamedSecret(namespace, key) not in self._allowed or not ledger.allows(namespace, key):
                raise BrokenContract("it asks for a secret that is not this execution's to have")
        return data

    def _check_ids(self, workflow_id: str, owner: str, execution_id: str) -> None:
        wanted = (self._execution.workflow_id, f"0x{self._execution.owner}", self._execution_id)
        if (workflow_id, owner, execution_id) != wanted or not execution_id:
            raise BrokenContract("it attests another execution")


def _fitting(answer: Answer) -> Answer:
    """``answer``, which a frame holds. Raises ``CapabilityError`` for one that a runner would break off at."""
    try:
        encode(answer)
    except EvidenceRejected as error:
        raise CapabilityError("Public", "System", "Internal", f"the vault's answer is none: {error}") from error
    return answer


def _cut(error: CapabilityError) -> str:
    return error.message[:ERROR_CHARACTERS_MAX]
