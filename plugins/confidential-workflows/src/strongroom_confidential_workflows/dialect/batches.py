"""What an enclave checks of a batch before it executes anything, and what it does when the request has ended.

A batch is one request as several nodes signed it, each with its own shares. Nothing here does I/O: a host hands over
the body of POST ``/requests``, runs the app, has the answer's hash attested, and sends it back.
Source: contracts/confidential.md 10.3 and the beginning of 13.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from strongroom.crypto.box import BoxKey
from strongroom.plugin import InvalidInput, LimitExceeded, Tampered
from strongroom_confidential_workflows.dialect.config_votes import ConfigVotes
from strongroom_confidential_workflows.dialect.enclave_keys import EnclaveKeys
from strongroom_confidential_workflows.dialect.hashes import compute_request_hash, execute_response_hash
from strongroom_confidential_workflows.dialect.json_forms import read_batch
from strongroom_confidential_workflows.dialect.messages import (
    ComputeRequest,
    EnclaveConfig,
    ExecuteResponse,
    SignedComputeRequest,
    malformed,
)
from strongroom_confidential_workflows.dialect.request_memory import RequestMemory
from strongroom_confidential_workflows.dialect.signatures import COMPUTE_DOMAIN, check_signers, signer_of

__all__ = ["APP_ID", "EXECUTIONS_MAX", "Admitted", "EnclaveDesk", "Shares", "open_shares"]

APP_ID: Final = "confidential-workflows"
EXECUTIONS_MAX: Final = 64
"""At once; as many as the native protocol's runner takes."""
_T = TypeVar("_T")

Shares = tuple[tuple[bytes, ...], ...]
"""One node's shares: a list for each ciphertext, each share sealed to the enclave's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that F+1 nodes signed, now in progress. ``shares`` are those of the signers, by node."""

    request: ComputeRequest
    request_hash: bytes
    config: EnclaveConfig
    pair: BoxKey
    shares: tuple[Shares, ...] = field(repr=False)


@dataclass(slots=True, kw_only=True)
class EnclaveDesk:
    """The state of one enclave. ``now_s`` never goes back; ``now_ns`` is Unix time. For one thread at a time."""

    votes: ConfigVotes = field(default_factory=ConfigVotes)
    keys: EnclaveKeys = field(default_factory=EnclaveKeys)
    memory: RequestMemory = field(default_factory=RequestMemory)
    executions_max: int = EXECUTIONS_MAX
    _running: int = field(default=0, init=False)

    def admit(self, untrusted_body: bytes, *, now_s: float, now_ns: int) -> Admitted:
        """The request of a batch, in progress from now on: ``ended`` or ``never_started`` must follow.

        Raises ``LimitExceeded`` when too many are in progress, ``InvalidInput`` and ``LimitExceeded`` for a bad body,
        ``Forbidden`` for too few signers, ``Conflict`` for a request that is in progress or was executed.
        """
        if self._running >= self.executions_max:
            raise LimitExceeded(
                "SR-DIAL-026",
                f"{self._running} requests are executed, which is the most",
                fix="send it to another enclave, or later",
                size=self._running,
                limit=self.executions_max,
                setting="executions_max",
            )
        config = self.votes.config
        batch = read_batch(untrusted_body)
        request, request_hash = _one_request(batch)
        shares = _signers_shares(batch, request_hash, config)
        pair = self.keys.pair_for(request.request_id, request.enclave_ephemeral_public_key, now_ns=now_ns)
        self.memory.admit(request.request_id, now_s=now_s)
        self._running += 1
        return Admitted(request=request, request_hash=request_hash, config=config, pair=pair, shares=shares)

    def never_started(self, admitted: Admitted) -> None:
        """The app of that request could not be started: it may come again."""
        self.memory.release(admitted.request.request_id)
        self._running -= 1

    def failed(self, admitted: Admitted, *, now_s: float) -> None:
        """The app of that request was started, and failed: it cannot come again."""
        self.memory.end(admitted.request.request_id, now_s=now_s)
        self._running -= 1

    def answered(self, admitted: Admitted, output: bytes, *, now_s: float) -> tuple[ExecuteResponse, bytes]:
        """The answer without its attestation, and the user data that it must be attested with."""
        self.failed(admitted, now_s=now_s)
        response = ExecuteResponse(
            request_id=admitted.request.request_id,
            application_request_id=admitted.request.application_request_id,
            request_hash=admitted.request_hash,
            output=output,
            config=admitted.config,
        )
        return response, execute_response_hash(response, version=admitted.request.version)


def open_shares(admitted: Admitted, combine: Callable[[BoxKey, Shares], _T]) -> _T:
    """What ``combine`` makes of the first node's shares that open and fit; for others it raises ``Tampered``.

    Raises ``InvalidInput`` when no node's do.
    """
    for shares in admitted.shares:
        try:
            return combine(admitted.pair, shares)
        except Tampered:
            continue
    raise InvalidInput(
        "SR-DIAL-027",
        "no node's shares open",
        why=f"{len(admitted.shares)} nodes signed and sent some",
        fix="seal the shares to the key in the request",
        field="encryptedDecryptionKeyShares",
    )


def _one_request(batch: tuple[SignedComputeRequest, ...]) -> tuple[ComputeRequest, bytes]:
    first = batch[0].request
    hashes = {compute_request_hash(each.request) for each in batch}
    # The version decides what an answer's hash covers, and the hash of a newer request does not hold it.
    if len(hashes) > 1 or any(each.request.version != first.version for each in batch):
        raise malformed("the body", "one request, with an equal hash and version in each entry")
    if first.app_id != APP_ID:
        raise malformed("appID", APP_ID)
    return first, hashes.pop()


def _signers_shares(
    batch: tuple[SignedComputeRequest, ...], request_hash: bytes, config: EnclaveConfig
) -> tuple[Shares, ...]:
    """The shares of each signer, once. Raises ``Forbidden`` for fewer than F+1; bad signatures are skipped."""
    missing = list(dict.fromkeys(config.signers))
    found: list[Shares] = []
    for each in batch:
        signer = signer_of(COMPUTE_DOMAIN, request_hash, each.signature, missing)
        if signer is not None:
            missing.remove(signer)
            found.append(each.request.key_shares)
    check_signers(frozenset(config.signers) - frozenset(missing), f=config.f)
    return tuple(found)
