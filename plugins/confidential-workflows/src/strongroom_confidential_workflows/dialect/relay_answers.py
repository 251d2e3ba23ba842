"""What a relay node answers, the hash of it that the node signs, and what makes several answers one.

Rule 1: a hash binds the request as well as the answer, and says the same in whatever order secrets, shares and signers
come. Attestation and signed requests are not in it.
Rule 2: ours: a secret that cannot be given has its error beside the others. Such an answer has a name of its own in its
hash, which covers the errors; an enclave that does not know them finds no valid signature and takes nothing.
Source: contracts/confidential.md 11, "Response hash", and 12.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.crypto.framing import length_prefixed
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.dialect.go_json import Members, from_base64, to_base64
from strongroom_confidential_workflows.dialect.hashes import framed_list, labelled
from strongroom_confidential_workflows.dialect.limits import (
    BODY_BYTES_MAX,
    CIPHERTEXTS_MAX,
    NAME_BYTES_MAX,
    SECRETS_MAX,
    TEXT_BYTES_MAX,
)
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig, malformed
from strongroom_confidential_workflows.dialect.relay_params import (
    CapabilityParams,
    ExecutionRef,
    SecretRef,
    SecretsParams,
)
from strongroom_confidential_workflows.dialect.signatures import Signature

__all__ = [
    "CapabilityAnswer",
    "SecretAnswer",
    "SecretsAnswer",
    "capability_answer_hash",
    "read_capability_answer",
    "read_secrets_answer",
    "secrets_answer_hash",
    "signed_form",
    "without_report_signatures",
]

_REPORT: Final = sdk_pb2.ReportResponse.DESCRIPTOR.full_name


@dataclass(frozen=True, slots=True)
class SecretAnswer:
    """One secret: its ciphertext and the shares for the enclave's key, each base64; or an error instead of both."""

    secret: SecretRef
    ciphertext: str = field(default="", repr=False)
    shares: tuple[str, ...] = field(default=(), repr=False)
    error: str = ""


@dataclass(frozen=True, slots=True)
class SecretsAnswer:
    """The result of ``confidential.secrets.get``."""

    secrets: tuple[SecretAnswer, ...]

    def form(self) -> dict[str, object]:
        """The result as JSON, before it is written."""
        return {"secrets": [_secret_form(each) for each in self.secrets]}


@dataclass(frozen=True, slots=True)
class CapabilityAnswer:
    """The result of ``confidential.capability.execute``: base64 of a ``CapabilityResponse`` of the SDK, or an error."""

    payload: str = field(default="", repr=False)
    error: str = ""

    def form(self) -> dict[str, object]:
        """The result as JSON, before it is written; what is empty is left out."""
        return {name: value for name, value in (("payload", self.payload), ("error", self.error)) if value}


def secrets_answer_hash(params: SecretsParams, answer: SecretsAnswer) -> bytes:
    """What a node signs for secrets."""
    has_errors = any(each.error for each in answer.secrets)
    requested = [length_prefixed(each.key, each.namespace) for each in sorted(params.secrets)]
    answered = [
        length_prefixed(each.secret.key, each.secret.namespace, each.ciphertext)
        + framed_list(sorted(each.shares))
        + (length_prefixed(each.error) if has_errors else b"")
        for each in sorted(answer.secrets, key=_place)
    ]
    return _sha256(
        labelled("SecretsResponseResultWithErrors" if has_errors else "SecretsResponseResult"),
        _framed_execution(params.execution),
        len(requested).to_bytes(8, "big"),
        *requested,
        length_prefixed(params.enclave_public_key),
        _framed_config(params.enclave_config),
        len(answered).to_bytes(8, "big"),
        *answered,
    )


def capability_answer_hash(params: CapabilityParams, answer: CapabilityAnswer) -> bytes:
    """What a node signs for a call."""
    return _sha256(
        labelled("CapabilityResponseResult"),
        _framed_execution(params.execution),
        length_prefixed(params.reference_id, params.capability_id, params.payload),
        _framed_config(params.enclave_config),
        length_prefixed(answer.payload, answer.error),
    )


def without_report_signatures(answer: CapabilityAnswer) -> CapabilityAnswer:
    """What answers of several nodes are grouped by: each node's report has other signatures, for the same report."""
    try:
        response = sdk_pb2.CapabilityResponse.FromString(from_base64("payload", answer.payload))
        if response.payload.type_url.rsplit("/", 1)[-1] != _REPORT:
            return answer
        report = sdk_pb2.ReportResponse.FromString(response.payload.value)
    except DecodeError:
        return answer
    del report.sigs[:]
    response.payload.value = report.SerializeToString(deterministic=True)
    return CapabilityAnswer(to_base64(response.SerializeToString(deterministic=True)), answer.error)


def signed_form(result: dict[str, object], signature: Signature) -> dict[str, object]:
    """A node's answer: the result, and who signed its hash."""
    signed = {"signer": to_base64(signature.signer), "signature": to_base64(signature.signature)}
    return {"result": result, "signature": signed}


def read_secrets_answer(untrusted: object) -> tuple[SecretsAnswer, Signature]:
    """A node's answer with secrets, its signature not yet verified. Raises ``InvalidInput`` or ``LimitExceeded``."""
    result, signature = _read_signed(untrusted, frozenset({"secrets"}))
    return SecretsAnswer(result.each("secrets", _read_secret, count_max=SECRETS_MAX)), signature


def read_capability_answer(untrusted: object) -> tuple[CapabilityAnswer, Signature]:
    """A node's answer to a call, its signature not yet verified. Raises ``InvalidInput`` or ``LimitExceeded``."""
    result, signature = _read_signed(untrusted, frozenset({"payload", "error"}))
    payload = result.text("payload", bytes_max=BODY_BYTES_MAX)
    from_base64("result.payload", payload)
    return CapabilityAnswer(payload, result.text("error", bytes_max=TEXT_BYTES_MAX)), signature


def _read_signed(untrusted: object, names: frozenset[str]) -> tuple[Members, Signature]:
    """The result and the signature; older nodes send a list of exactly one."""
    members = Members("", untrusted, frozenset({"result", "signature", "signatures"}))
    listed = members.each("signatures", lambda _place, found: found, count_max=1)
    if (members.get("signature") is None) == (not listed):
        raise malformed("signature", "one signature, or a list of one")
    place = "signatures[0]" if listed else "signature"
    made = Members(place, listed[0] if listed else members.get("signature"), frozenset({"signer", "signature"}))
    signer, signature = (made.data(name, bytes_max=NAME_BYTES_MAX) for name in ("signer", "signature"))
    return Members("result", members.get("result"), names), Signature(signer, signature)


def _read_secret(place: str, untrusted: object) -> SecretAnswer:
    members = Members(place, untrusted, frozenset({"id", "ciphertext", "encrypted_shares", "error"}))
    name = Members(members.path("id"), members.get("id"), frozenset({"key", "namespace"}))
    ciphertext = members.text("ciphertext", bytes_max=BODY_BYTES_MAX)
    from_base64(members.path("ciphertext"), ciphertext)
    shares = members.datas("encrypted_shares", count_max=CIPHERTEXTS_MAX)
    return SecretAnswer(
        SecretRef(name.text("namespace"), name.text("key")),
        ciphertext,
        tuple(to_base64(each) for each in shares),
        members.text("error", bytes_max=TEXT_BYTES_MAX),
    )


def _secret_form(answer: SecretAnswer) -> dict[str, object]:
    name = {"key": answer.secret.key, "namespace": answer.secret.namespace}
    form: dict[str, object] = {"id": name, "ciphertext": answer.ciphertext, "encrypted_shares": list(answer.shares)}
    return form | ({"error": answer.error} if answer.error else {})


def _framed_execution(execution: ExecutionRef) -> bytes:
    return length_prefixed(execution.workflow_id, execution.owner, execution.execution_id, execution.org_id)


def _framed_config(config: EnclaveConfig | None) -> bytes:
    if config is None:
        return b""
    numbers = config.t.to_bytes(4, "big") + config.f.to_bytes(4, "big")
    return framed_list(sorted(config.signers)) + length_prefixed(config.master_public_key) + numbers


def _place(answer: SecretAnswer) -> tuple[SecretRef, str, list[str], str]:
    """Where a secret stands among the others; shares in any order give the same place."""
    return answer.secret, answer.ciphertext, sorted(answer.shares), answer.error


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
