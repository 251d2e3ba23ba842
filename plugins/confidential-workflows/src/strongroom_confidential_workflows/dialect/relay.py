"""A relay node: what an enclave asks the outside for, over JSON-RPC 2.0, answered with this node's signature.

Rule 1: nothing is looked up before the attestation holds, and nothing is given before the execution is known, its owner
is the same, and its restrictions allow it.
Rule 2: parameters that are wrong are -32602, an unknown method is -32601, everything else is -32603.
Rule 3: no transport here: a host hands over the bytes of one message and sends back those of the answer, within the
60 s that the contract gives a handler.
What a run of this dialect leaves as a receipt says ``PROTOCOL``: its keys live for hours, so no secret is bound to one
execution.
Source: contracts/confidential.md 11; contracts/attestation.md 24.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from strongroom.attest.evidence import Claims
from strongroom.attest.receipt import RELAY
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Forbidden, InvalidInput, LimitExceeded, NotFound, StrongroomError
from strongroom_confidential_workflows.dialect.go_json import Members, parse, written
from strongroom_confidential_workflows.dialect.hashes import compute_request_hash
from strongroom_confidential_workflows.dialect.limits import NAME_BYTES_MAX
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig, malformed
from strongroom_confidential_workflows.dialect.public_data import check_identity
from strongroom_confidential_workflows.dialect.relay_answers import (
    CapabilityAnswer,
    SecretsAnswer,
    capability_answer_hash,
    secrets_answer_hash,
    signed_form,
)
from strongroom_confidential_workflows.dialect.relay_params import (
    CapabilityParams,
    SecretsParams,
    read_capability_params,
    read_secrets_params,
)
from strongroom_confidential_workflows.dialect.signatures import (
    COMPUTE_DOMAIN,
    RELAY_DOMAIN,
    check_signers,
    sign,
    signers_of,
)

__all__ = [
    "CAPABILITY_EXECUTE",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "METHOD_NOT_FOUND",
    "PROTOCOL",
    "SECRETS_GET",
    "ExecutionDoor",
    "Relay",
    "RequestCheck",
]

PROTOCOL: Final = RELAY
SECRETS_GET: Final = "confidential.secrets.get"
CAPABILITY_EXECUTE: Final = "confidential.capability.execute"
INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
INTERNAL_ERROR: Final = -32603
_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params"})
_Params = TypeVar("_Params")
_LOG: Final = logging.getLogger(__name__)


class RequestCheck(Protocol):
    """Whether a request is attested: ``attested.AttestedRequest`` is the one that is meant."""

    def check(self, untrusted_document: bytes, user_data: bytes) -> Claims:
        """The claims. Raises ``StrongroomError`` for a document that does not hold or is about something else."""


class ExecutionDoor(Protocol):
    """What stands between a relay and the executions of its host; ``registered.RegisteredExecutions`` is one."""

    def secrets(self, params: SecretsParams, *, reference_id: str) -> SecretsAnswer:
        """The secrets, each with its own error. Raises ``StrongroomError`` for an execution that is not registered."""

    def call(self, params: CapabilityParams) -> CapabilityAnswer:
        """The answer of the capability, or its error. Raises ``StrongroomError`` likewise."""


class _BadParams(Exception):
    """Around what is wrong with parameters."""

    def __init__(self, reason: StrongroomError) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One node. ``configs`` gives the enclave configs of its own registry, the one in force first."""

    attested: RequestCheck
    configs: Callable[[], tuple[EnclaveConfig, ...]]
    executions: ExecutionDoor
    key: SigningKey

    def answer(self, untrusted: bytes) -> bytes:
        """The answer to one message; every failure is one as well."""
        message_id: object = None
        try:
            message = Members("", parse("the message", untrusted), _ENVELOPE)
            message_id = _message_id(message)
            if message.text("jsonrpc") != "2.0":
                raise malformed("jsonrpc", "2.0")
            result = self._dispatch(message.text("method"), message.get("params"), str(message_id))
        except _BadParams as error:
            return _failed(message_id, INVALID_PARAMS, error.reason)
        except NotFound as error:
            return _failed(message_id, METHOD_NOT_FOUND if error.code == "SR-DIAL-008" else INTERNAL_ERROR, error)
        except StrongroomError as error:
            return _failed(message_id, INTERNAL_ERROR, error)
        except Exception:
            _LOG.exception("relay: a request failed unexpectedly")
            return _written(message_id, {"error": {"code": INTERNAL_ERROR, "message": "internal error"}})
        return _written(message_id, {"result": result})

    def _dispatch(self, method: str, params: object, message_id: str) -> Mapping[str, object]:
        if method == SECRETS_GET:
            return self._secrets(_checked(read_secrets_params, params), message_id)
        if method == CAPABILITY_EXECUTE:
            return self._call(_checked(read_capability_params, params))
        shown = method[:NAME_BYTES_MAX]
        raise NotFound("SR-DIAL-008", f"unknown method {shown}", fix=f"use {SECRETS_GET} or {CAPABILITY_EXECUTE}")

    def _secrets(self, params: SecretsParams, message_id: str) -> Mapping[str, object]:
        self.attested.check(params.attestation, params.user_data())
        _check_signed_requests(params, self._config_in_force(params.enclave_config))
        found = self.executions.secrets(params, reference_id=message_id)
        return signed_form(found.form(), sign(self.key, RELAY_DOMAIN, secrets_answer_hash(params, found)))

    def _call(self, params: CapabilityParams) -> Mapping[str, object]:
        self.attested.check(params.attestation, params.user_data())
        self._config_in_force(params.enclave_config)
        found = self.executions.call(params)
        return signed_form(found.form(), sign(self.key, RELAY_DOMAIN, capability_answer_hash(params, found)))

    def _config_in_force(self, asked: EnclaveConfig | None) -> EnclaveConfig:
        """The registry's config that is meant. Raises ``Forbidden``: an enclave that believes others is not ours."""
        known = self.configs()
        for each in known:
            if asked is None or _in_any_order(each) == _in_any_order(asked):
                return each
        raise Forbidden(
            "SR-DIAL-009",
            "the enclave's config is not one of the registry",
            why=f"{len(known)} are registered",
            fix="bring enclave and registry to the same signers, master key, T and F",
        )


def _check_signed_requests(params: SecretsParams, config: EnclaveConfig) -> None:
    """Raise ``Forbidden`` unless F+1 nodes signed one request for this execution."""
    signed = params.signed_requests()
    hashes = {compute_request_hash(each.request) for each in signed}
    if len(hashes) > 1:
        raise malformed("signed_compute_requests", "signatures of one request")
    found = [signers_of(COMPUTE_DOMAIN, each, (one.signature for one in signed), config.signers) for each in hashes]
    check_signers(found[0] if found else frozenset(), f=config.f)
    check_identity(signed[0].request, params.execution)


def _checked(read: Callable[[object], _Params], untrusted: object) -> _Params:
    try:
        return read(untrusted)
    except (InvalidInput, LimitExceeded) as error:
        raise _BadParams(error) from error


def _message_id(message: Members) -> str | int:
    found = message.get("id")
    if type(found) is int and 0 <= found < 2**53:
        return found
    text = message.text("id")
    if not text:
        raise malformed("id", "a text or a whole number")
    return text


def _in_any_order(config: EnclaveConfig) -> tuple[list[bytes], bytes, int, int]:
    return sorted(config.signers), config.master_public_key, config.t, config.f


def _failed(message_id: object, code: int, error: StrongroomError) -> bytes:
    return _written(message_id, {"error": {"code": code, "message": str(error), "data": {"code": error.code}}})


def _written(message_id: object, outcome: Mapping[str, object]) -> bytes:
    return written({"jsonrpc": "2.0", "id": message_id, **outcome})
