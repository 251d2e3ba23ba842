"""What an enclave asks a relay for: the parameters of both methods, what is wrong with them, and what is attested.

Rule 1: an attestation covers the JSON of the parameters without the attestation itself: compact, members in the order
of the contract, optional ones left out when empty.
Rule 2: what is required is said by name: ``<name> is required``.
Source: contracts/confidential.md 11.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.plugin import InvalidInput
from strongroom_confidential_workflows.dialect.go_json import Members, from_base64, to_base64, written
from strongroom_confidential_workflows.dialect.hashes import CAPABILITY_EXECUTE_TAG, SECRETS_GET_TAG, domain_hash
from strongroom_confidential_workflows.dialect.json_forms import read_signed_request
from strongroom_confidential_workflows.dialect.limits import (
    BODY_BYTES_MAX,
    DOCUMENT_BYTES_MAX,
    SECRETS_MAX,
    SIGNED_REQUESTS_MAX,
    SIGNERS_MAX,
)
from strongroom_confidential_workflows.dialect.messages import U32_END, EnclaveConfig, SignedComputeRequest, malformed

__all__ = [
    "CapabilityParams",
    "ExecutionRef",
    "SecretRef",
    "SecretsParams",
    "read_capability_params",
    "read_secrets_params",
]

_COMMON: Final = {"workflow_id", "owner", "execution_id", "org_id", "enclave_config", "attestation"}
_SECRETS: Final = frozenset({*_COMMON, "secrets", "enclave_public_key", "signed_compute_requests"})
_CAPABILITY: Final = frozenset({*_COMMON, "reference_id", "capability_id", "payload"})
_CONFIG: Final = frozenset({"signers", "master_public_key", "t", "f"})
_OWNER: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True, order=True)
class SecretRef:
    """A secret by name. They are ordered by namespace, then key, as the bytes of their texts are."""

    namespace: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRef:
    """For which execution an enclave asks."""

    workflow_id: str
    owner: str
    execution_id: str
    org_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsParams:
    """``confidential.secrets.get``. ``signed_compute_requests`` is JSON as it came: that is what was attested, and a
    list that was never made is ``null`` in one program and ``[]`` in another."""

    execution: ExecutionRef
    secrets: tuple[SecretRef, ...]
    enclave_public_key: str
    enclave_config: EnclaveConfig | None = None
    attestation: bytes = field(default=b"", repr=False)
    signed_compute_requests: tuple[object, ...] = field(default=(), repr=False)

    def signed_requests(self) -> tuple[SignedComputeRequest, ...]:
        """The signed requests, read. Raises ``InvalidInput`` or ``LimitExceeded``."""
        return tuple(
            read_signed_request(f"signed_compute_requests[{index}]", each)
            for index, each in enumerate(self.signed_compute_requests)
        )

    def form(self) -> dict[str, object]:
        """The parameters as JSON, before they are written."""
        return {
            **_execution_form(self.execution),
            "secrets": [{"key": each.key, "namespace": each.namespace} for each in self.secrets],
            "enclave_public_key": self.enclave_public_key,
            **_config_member(self.enclave_config),
            "attestation": to_base64(self.attestation),
            **({"signed_compute_requests": list(self.signed_compute_requests)} if self.signed_compute_requests else {}),
        }

    def user_data(self) -> bytes:
        """What a document about these parameters must hold."""
        return _attested_hash(SECRETS_GET_TAG, self.form())


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityParams:
    """``confidential.capability.execute``. ``payload`` is base64 of a ``sdk.v1alpha.CapabilityRequest``."""

    execution: ExecutionRef
    reference_id: str
    capability_id: str
    payload: str = field(repr=False)
    enclave_config: EnclaveConfig | None = None
    attestation: bytes = field(default=b"", repr=False)

    def form(self) -> dict[str, object]:
        """The parameters as JSON, before they are written."""
        return {
            **_execution_form(self.execution),
            "reference_id": self.reference_id,
            "capability_id": self.capability_id,
            "payload": self.payload,
            **_config_member(self.enclave_config),
            "attestation": to_base64(self.attestation),
        }

    def user_data(self) -> bytes:
        """What a document about these parameters must hold."""
        return _attested_hash(CAPABILITY_EXECUTE_TAG, self.form())


def read_secrets_params(untrusted: object) -> SecretsParams:
    """The parameters of ``confidential.secrets.get``. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members("", untrusted, _SECRETS)
    execution = _read_execution(members)
    params = SecretsParams(
        execution=execution,
        secrets=members.each("secrets", _read_secret, count_max=SECRETS_MAX),
        enclave_public_key=_required(members, "enclave_public_key"),
        enclave_config=_read_config(members),
        attestation=members.data("attestation", bytes_max=DOCUMENT_BYTES_MAX),
        signed_compute_requests=members.each(
            "signed_compute_requests", lambda _place, found: found, count_max=SIGNED_REQUESTS_MAX
        ),
    )
    if not _HEX.fullmatch(params.enclave_public_key):
        raise malformed("enclave_public_key", "hex")
    if not params.secrets:
        raise _is_required("secrets")
    params.signed_requests()
    return params


def read_capability_params(untrusted: object) -> CapabilityParams:
    """The parameters of ``confidential.capability.execute``. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members("", untrusted, _CAPABILITY)
    execution = _read_execution(members)
    params = CapabilityParams(
        execution=execution,
        reference_id=_required(members, "reference_id"),
        capability_id=_required(members, "capability_id"),
        payload=_required(members, "payload", bytes_max=BODY_BYTES_MAX),
        enclave_config=_read_config(members),
        attestation=members.data("attestation", bytes_max=DOCUMENT_BYTES_MAX),
    )
    from_base64("payload", params.payload)
    return params


def _read_execution(members: Members) -> ExecutionRef:
    execution = ExecutionRef(
        workflow_id=_required(members, "workflow_id"),
        owner=_required(members, "owner"),
        execution_id=_required(members, "execution_id"),
        org_id=members.text("org_id"),
    )
    if not _OWNER.fullmatch(execution.owner):
        raise malformed("owner", "0x and 40 hex digits")
    return execution


def _read_secret(place: str, untrusted: object) -> SecretRef:
    members = Members(place, untrusted, frozenset({"key", "namespace"}))
    key = _required(members, "key")
    return SecretRef(_required(members, "namespace"), key)


def _read_config(members: Members) -> EnclaveConfig | None:
    if members.get("enclave_config") is None:
        return None
    inner = Members(members.path("enclave_config"), members.get("enclave_config"), _CONFIG)
    signers = inner.datas("signers", count_max=SIGNERS_MAX)
    if not signers:
        raise _is_required(inner.path("signers"))
    for index, signer in enumerate(signers):
        if not signer:
            raise _is_required(f"{inner.path('signers')}[{index}]")
    master = inner.data("master_public_key")
    if not master:
        raise _is_required(inner.path("master_public_key"))
    config = EnclaveConfig(
        signers=signers, master_public_key=master, t=inner.number("t", end=U32_END), f=inner.number("f", end=U32_END)
    )
    if config.f == 0:
        raise malformed(inner.path("f"), "greater than 0")
    return config


def _required(members: Members, name: str, **limits: int) -> str:
    found = members.text(name, **limits)
    if not found:
        raise _is_required(members.path(name))
    return found


def _is_required(name: str) -> InvalidInput:
    return InvalidInput("SR-DIAL-005", f"{name} is required", fix="send it", field=name)


def _execution_form(execution: ExecutionRef) -> dict[str, object]:
    form: dict[str, object] = {
        "workflow_id": execution.workflow_id,
        "owner": execution.owner,
        "execution_id": execution.execution_id,
    }
    return form | ({"org_id": execution.org_id} if execution.org_id else {})


def _config_member(config: EnclaveConfig | None) -> dict[str, Any]:  # Any: whatever JSON can hold
    if config is None:
        return {}
    signers = [to_base64(each) for each in config.signers]
    master = to_base64(config.master_public_key)
    return {"enclave_config": {"signers": signers, "master_public_key": master, "t": config.t, "f": config.f}}


def _attested_hash(tag: str, form: dict[str, object]) -> bytes:
    return domain_hash(tag, written({name: value for name, value in form.items() if name != "attestation"}))
