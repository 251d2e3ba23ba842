"""The hashes of the enclave protocol: what nodes sign, and what an enclave has attested.

All of them are SHA-256 over the label, a name of the structure, and its members with their lengths and counts in front.
Source: contracts/confidential.md 10.1.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from strongroom.crypto.framing import length_prefixed
from strongroom_confidential_workflows.dialect.messages import (
    LEGACY_VERSION,
    ComputeRequest,
    Enclave,
    EnclaveConfig,
    ExecuteResponse,
    PublicKeyResponse,
)

__all__ = [
    "CAPABILITY_EXECUTE_TAG",
    "LABEL",
    "SECRETS_GET_TAG",
    "compute_request_hash",
    "domain_hash",
    "enclave_config_hash",
    "enclaves_list_hash",
    "execute_response_hash",
    "framed_list",
    "gateway_body_hash",
    "labelled",
    "public_key_response_hash",
    "set_config_response_hash",
]

LABEL: Final = b"CONFIDENTIAL_COMPUTE_PAYLOAD"
SECRETS_GET_TAG: Final = "ConfidentialSecretsGet"
CAPABILITY_EXECUTE_TAG: Final = "ConfidentialCapabilityExecute"


def domain_hash(tag: str, data: bytes) -> bytes:
    """What an attestation of ``data`` for the purpose ``tag`` holds as user data."""
    return _sha256(LABEL + length_prefixed(tag, data))


def compute_request_hash(request: ComputeRequest) -> bytes:
    """What a node signs. The version is bound for old requests only, the application's request id for newer ones."""
    is_legacy = request.version == LEGACY_VERSION
    return _sha256(
        labelled("ComputeRequest")
        + request.request_id
        + length_prefixed(request.public_data)
        + framed_list(request.ciphertext_names)
        + framed_list(request.ciphertexts)
        + length_prefixed(request.enclave_ephemeral_public_key, request.master_public_key, request.app_id)
        + length_prefixed(request.version if is_legacy else request.application_request_id)
    )


def enclave_config_hash(config: EnclaveConfig) -> bytes:
    """The hash of a config; the signers count in the order in which they stand."""
    return _sha256(
        labelled("EnclaveConfig")
        + framed_list(config.signers)
        + length_prefixed(config.master_public_key)
        + config.t.to_bytes(4, "big")
        + config.f.to_bytes(4, "big")
    )


def enclaves_list_hash(enclaves: Sequence[Enclave]) -> bytes:
    """The hash of a registry's list."""
    framed = [
        each.enclave_id
        + length_prefixed(each.url)
        + framed_list(each.trusted_values)
        + length_prefixed(each.enclave_type, each.auth_header, each.extra_data, each.region)
        for each in enclaves
    ]
    return _sha256(labelled("EnclavesList") + _count(len(framed)) + b"".join(framed))


def public_key_response_hash(response: PublicKeyResponse) -> bytes:
    """The user data of an enclave's attestation of its keys."""
    return _sha256(
        labelled("PublicKeyResponse")
        + framed_list(response.public_keys)
        + _numbers(response.creation_times_ns)
        + _numbers(response.ttls_ns)
        + enclave_config_hash(response.config)
    )


def execute_response_hash(response: ExecuteResponse, *, version: str) -> bytes:
    """The user data of an enclave's attestation of an answer to a request of this version."""
    is_legacy = version == LEGACY_VERSION
    return _sha256(
        response.request_id
        + labelled("ExecuteResponse")
        + length_prefixed(response.output)
        + enclave_config_hash(response.config)
        + response.request_hash
        + (b"" if is_legacy else length_prefixed(response.application_request_id))
    )


def set_config_response_hash(config: EnclaveConfig) -> bytes:
    """The user data of an enclave's attestation that this is its config."""
    return _sha256(labelled("SetConfigResponse") + enclave_config_hash(config))


def gateway_body_hash(body: bytes) -> bytes:
    """What stands for the body of a request to a gateway."""
    return _sha256(labelled("GatewayRequest") + body)


def labelled(name: str) -> bytes:
    """The label and the name of a structure, which every hash of one begins with."""
    return LABEL + b"\n" + name.encode("ascii") + b"\n"


def framed_list(parts: Sequence[bytes | str]) -> bytes:
    """The count of ``parts``, and each with its length in front."""
    return _count(len(parts)) + b"".join(map(length_prefixed, parts))


def _count(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _numbers(values: Sequence[int]) -> bytes:
    return _count(len(values)) + b"".join(map(_count, values))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
