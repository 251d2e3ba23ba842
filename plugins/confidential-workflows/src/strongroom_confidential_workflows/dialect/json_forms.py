"""The JSON of the enclave protocol: members by the names of the contract, written and read.

An array of 32 bytes is an array of numbers, other bytes are base64, durations are nanoseconds.
Source: contracts/confidential.md 10.
"""

from collections.abc import Mapping
from typing import Final

from strongroom_confidential_workflows.dialect.go_json import Members, parse, to_base64, written
from strongroom_confidential_workflows.dialect.limits import (
    CIPHERTEXTS_MAX,
    DOCUMENT_BYTES_MAX,
    ENCLAVES_MAX,
    KEYS_MAX,
    SIGNED_REQUESTS_MAX,
    SIGNERS_MAX,
    TEXT_BYTES_MAX,
)
from strongroom_confidential_workflows.dialect.messages import (
    I64_END,
    ID_BYTES,
    U32_END,
    ComputeRequest,
    Enclave,
    EnclaveConfig,
    ExecuteResponse,
    PublicKeyResponse,
    SignedComputeRequest,
    malformed,
)
from strongroom_confidential_workflows.dialect.times import read_time, write_time

__all__ = [
    "config_form",
    "enclave_form",
    "execute_response_form",
    "public_key_response_form",
    "read_batch",
    "read_config",
    "read_enclaves",
    "read_execute_response",
    "read_public_key_response",
    "read_signed_request",
    "signed_request_form",
    "write_batch",
]

_CONFIG: Final = frozenset({"signers", "masterPublicKey", "t", "f"})
_REQUEST: Final = frozenset(
    {
        "requestID",
        "applicationRequestID",
        "publicData",
        "ciphertexts",
        "CiphertextNames",
        "encryptedDecryptionKeyShares",
        "enclaveEphemeralPublicKey",
        "masterPublicKey",
        "appID",
        "version",
        "signature",
        "perNodeData",
    }
)
_EXECUTE_RESPONSE: Final = frozenset(
    {
        "requestID",
        "applicationRequestID",
        "requestHash",
        "output",
        "config",
        "attestation",
        "metrics",
        "metricEvents",
    }
)
_KEYS: Final = frozenset({"publicKey", "creationTimes", "ttls", "config", "attestation"})
_ENCLAVE: Final = frozenset(
    {
        "enclaveId",
        "enclaveURL",
        "trustedValues",
        "enclaveType",
        "enclaveAuthHeader",
        "enclaveExtraData",
        "region",
    }
)

Form = Mapping[str, object]
"""An object of JSON, before it is written."""


def signed_request_form(signed: SignedComputeRequest) -> Form:
    """A signed request; data for one node only where there is some."""
    request = signed.request
    form = {
        "requestID": list(request.request_id),
        "applicationRequestID": request.application_request_id,
        "publicData": to_base64(request.public_data),
        "ciphertexts": _datas(request.ciphertexts),
        "CiphertextNames": list(request.ciphertext_names),
        "encryptedDecryptionKeyShares": [_datas(shares) for shares in request.key_shares],
        "enclaveEphemeralPublicKey": to_base64(request.enclave_ephemeral_public_key),
        "masterPublicKey": to_base64(request.master_public_key),
        "appID": request.app_id,
        "version": request.version,
        "signature": to_base64(signed.signature),
    }
    return form | ({"perNodeData": to_base64(signed.per_node_data)} if signed.per_node_data else {})


def read_signed_request(place: str, untrusted: object) -> SignedComputeRequest:
    """A signed request. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members(place, untrusted, _REQUEST)
    request = ComputeRequest(
        request_id=members.array("requestID", ID_BYTES),
        application_request_id=members.text("applicationRequestID"),
        public_data=members.data("publicData"),
        ciphertexts=members.datas("ciphertexts", count_max=CIPHERTEXTS_MAX),
        ciphertext_names=members.texts("CiphertextNames", count_max=CIPHERTEXTS_MAX),
        key_shares=members.each("encryptedDecryptionKeyShares", _read_shares, count_max=CIPHERTEXTS_MAX),
        enclave_ephemeral_public_key=members.data("enclaveEphemeralPublicKey"),
        master_public_key=members.data("masterPublicKey"),
        app_id=members.text("appID"),
        version=members.text("version"),
    )
    return SignedComputeRequest(
        request=request, signature=members.data("signature"), per_node_data=members.data("perNodeData")
    )


def write_batch(batch: tuple[SignedComputeRequest, ...]) -> bytes:
    """The body of POST ``/requests``."""
    return written([signed_request_form(each) for each in batch])


def read_batch(untrusted: bytes) -> tuple[SignedComputeRequest, ...]:
    """The requests in the body of POST ``/requests``, at least one. Raises ``InvalidInput`` or ``LimitExceeded``."""
    whole = Members("", {"requests": parse("the body", untrusted)}, frozenset({"requests"}))
    found = whole.each("requests", read_signed_request, count_max=SIGNED_REQUESTS_MAX)
    if not found:
        raise malformed("the body", "an array of at least one request")
    return found


def config_form(config: EnclaveConfig) -> Form:
    """A config in the spelling of the enclave; a relay has another (``relay_params``)."""
    return {
        "signers": _datas(config.signers),
        "masterPublicKey": to_base64(config.master_public_key),
        "t": config.t,
        "f": config.f,
    }


def read_config(place: str, untrusted: object) -> EnclaveConfig:
    """A config. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members(place, untrusted, _CONFIG)
    return EnclaveConfig(
        signers=members.datas("signers", count_max=SIGNERS_MAX),
        master_public_key=members.data("masterPublicKey"),
        t=members.number("t", end=U32_END),
        f=members.number("f", end=U32_END),
    )


def execute_response_form(response: ExecuteResponse) -> Form:
    """An enclave's answer."""
    return {
        "requestID": list(response.request_id),
        "applicationRequestID": response.application_request_id,
        "requestHash": list(response.request_hash),
        "output": to_base64(response.output),
        "config": config_form(response.config),
        "attestation": to_base64(response.attestation),
        "metrics": response.metrics,
        "metricEvents": response.metric_events,
    }


def read_execute_response(untrusted: bytes) -> ExecuteResponse:
    """An enclave's answer, not yet attested. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members("", parse("the body", untrusted), _EXECUTE_RESPONSE)
    return ExecuteResponse(
        request_id=members.array("requestID", ID_BYTES),
        application_request_id=members.text("applicationRequestID"),
        request_hash=members.array("requestHash", ID_BYTES),
        output=members.data("output"),
        config=read_config("config", members.get("config")),
        attestation=members.data("attestation", bytes_max=DOCUMENT_BYTES_MAX),
        metrics=members.get("metrics"),
        metric_events=members.get("metricEvents"),
    )


def public_key_response_form(response: PublicKeyResponse) -> Form:
    """The keys of an enclave."""
    return {
        "publicKey": _datas(response.public_keys),
        "creationTimes": [write_time(each) for each in response.creation_times_ns],
        "ttls": list(response.ttls_ns),
        "config": config_form(response.config),
        "attestation": to_base64(response.attestation),
    }


def read_public_key_response(untrusted: bytes) -> PublicKeyResponse:
    """The keys of an enclave, not yet attested. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members("", parse("the body", untrusted), _KEYS)
    return PublicKeyResponse(
        public_keys=members.datas("publicKey", count_max=KEYS_MAX),
        creation_times_ns=members.each("creationTimes", read_time, count_max=KEYS_MAX),
        ttls_ns=members.numbers("ttls", end=I64_END, count_max=KEYS_MAX),
        config=read_config("config", members.get("config")),
        attestation=members.data("attestation", bytes_max=DOCUMENT_BYTES_MAX),
    )


def enclave_form(enclave: Enclave) -> Form:
    """An enclave as a registry lists it."""
    return {
        "enclaveId": list(enclave.enclave_id),
        "enclaveURL": enclave.url,
        "trustedValues": _datas(enclave.trusted_values),
        "enclaveType": enclave.enclave_type,
        "enclaveAuthHeader": enclave.auth_header,
        "enclaveExtraData": to_base64(enclave.extra_data),
        "region": enclave.region,
    }


def read_enclaves(untrusted: bytes) -> tuple[Enclave, ...]:
    """The list in a registry's config, ``{"Enclaves": [...]}``. Raises ``InvalidInput`` or ``LimitExceeded``."""
    whole = Members("", parse("the registry's config", untrusted), frozenset({"Enclaves"}))
    return whole.each("Enclaves", _read_enclave, count_max=ENCLAVES_MAX)


def _read_enclave(place: str, untrusted: object) -> Enclave:
    members = Members(place, untrusted, _ENCLAVE)
    return Enclave(
        enclave_id=members.array("enclaveId", ID_BYTES),
        url=members.text("enclaveURL", bytes_max=TEXT_BYTES_MAX),
        trusted_values=members.datas("trustedValues", count_max=KEYS_MAX),
        enclave_type=members.text("enclaveType"),
        auth_header=members.text("enclaveAuthHeader", bytes_max=TEXT_BYTES_MAX),
        extra_data=members.data("enclaveExtraData"),
        region=members.text("region"),
    )


def _read_shares(place: str, untrusted: object) -> tuple[bytes, ...]:
    return Members("", {place: untrusted}, frozenset({place})).datas(place, count_max=CIPHERTEXTS_MAX)


def _datas(parts: tuple[bytes, ...]) -> list[str]:
    return [to_base64(each) for each in parts]
