"""The structures that the dialect hashes and signs, each within its limits.

Rule 1: bytes stay bytes and times are whole nanoseconds; JSON is the business of ``json_forms``.
Rule 2: the members are checked here, so that nothing that breaks a limit can be hashed or signed.
Source: contracts/confidential.md 9 (the enclaves of a registry) and 10.
"""

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.limits import (
    CIPHERTEXTS_MAX,
    KEYS_MAX,
    NAME_BYTES_MAX,
    SIGNERS_MAX,
    TEXT_BYTES_MAX,
)

__all__ = [
    "ENCLAVE_TYPES",
    "LEGACY_VERSION",
    "ComputeRequest",
    "Enclave",
    "EnclaveConfig",
    "ExecuteResponse",
    "PublicKeyResponse",
    "SignedComputeRequest",
    "check_at_most",
    "malformed",
]

LEGACY_VERSION: Final = "0.0.6"
"""The version that binds itself and not the application's request id."""
ENCLAVE_TYPES: Final = frozenset({"NITRO", "SGX", "TDX", "SEV", "FAKE"})
ID_BYTES: Final = 32
U32_END: Final = 2**32
I64_END: Final = 2**63


def malformed(place: str, wanted: str) -> InvalidInput:
    """A message of another form: where it is wrong, and what should be there."""
    return InvalidInput(
        "SR-DIAL-001",
        f"{place} must be {wanted}",
        fix="send a message as section 10 or 11 of the contract has it",
        field=place,
    )


def check_at_most(place: str, size: int, limit: int, unit: str = "entries") -> None:
    """Raise ``LimitExceeded`` when there is more of something than a message may hold."""
    if size > limit:
        raise LimitExceeded(
            "SR-DIAL-002",
            f"{place} has {size} {unit}, more than {limit}",
            fix="send less at once",
            field=place,
            size=size,
            limit=limit,
            setting=place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeRequest:
    """What an enclave is asked to execute. The shares travel with it and are not part of its hash."""

    request_id: bytes
    application_request_id: str
    public_data: bytes = field(repr=False)
    ciphertexts: tuple[bytes, ...] = field(default=(), repr=False)
    ciphertext_names: tuple[str, ...] = ()
    key_shares: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)
    enclave_ephemeral_public_key: bytes
    master_public_key: bytes
    app_id: str
    version: str

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` or ``LimitExceeded`` for what cannot be hashed without doubt."""
        _check_size("requestID", self.request_id)
        _check_names(applicationRequestID=self.application_request_id, appID=self.app_id, version=self.version)
        _check_counts(CIPHERTEXTS_MAX, ciphertexts=self.ciphertexts, CiphertextNames=self.ciphertext_names)
        _check_counts(CIPHERTEXTS_MAX, encryptedDecryptionKeyShares=self.key_shares)
        for shares in self.key_shares:
            _check_counts(CIPHERTEXTS_MAX, encryptedDecryptionKeyShares=shares)
        for name in self.ciphertext_names:
            _check_names(CiphertextNames=name)
        if self.version != LEGACY_VERSION and self.application_request_id == LEGACY_VERSION:
            # The last part of the hash is the version of an old request and this id of a newer one: with this text for
            # an id the same signatures would stand for both.
            raise malformed("applicationRequestID", f"another text than the version {LEGACY_VERSION}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedComputeRequest:
    """One node's request with its Ed25519 signature; whose it is shows when it verifies."""

    request: ComputeRequest
    signature: bytes
    per_node_data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveConfig:
    """Whom an enclave believes: the nodes' Ed25519 keys, the master key of the vault, T and F."""

    signers: tuple[bytes, ...]
    master_public_key: bytes
    t: int
    f: int

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` or ``LimitExceeded``."""
        _check_counts(SIGNERS_MAX, signers=self.signers)
        for name, value in (("t", self.t), ("f", self.f)):
            if not 0 <= value < U32_END:
                raise malformed(name, "a whole number of 32 bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """An enclave as the registry of its capability lists it."""

    enclave_id: bytes
    url: str
    trusted_values: tuple[bytes, ...]
    enclave_type: str
    auth_header: str = field(default="", repr=False)
    extra_data: bytes = field(default=b"", repr=False)
    region: str = ""

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` or ``LimitExceeded``."""
        _check_size("enclaveId", self.enclave_id)
        _check_counts(KEYS_MAX, trustedValues=self.trusted_values)
        _check_names(region=self.region)
        check_at_most("enclaveURL", len(self.url), TEXT_BYTES_MAX, "characters")
        check_at_most("enclaveAuthHeader", len(self.auth_header), TEXT_BYTES_MAX, "characters")
        if self.enclave_type not in ENCLAVE_TYPES:
            raise malformed("enclaveType", f"one of {', '.join(sorted(ENCLAVE_TYPES))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeyResponse:
    """The keys of an enclave: what to seal to, when each was made (Unix ns) and how long it lives (ns)."""

    public_keys: tuple[bytes, ...]
    creation_times_ns: tuple[int, ...]
    ttls_ns: tuple[int, ...]
    config: EnclaveConfig
    attestation: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` or ``LimitExceeded``."""
        _check_counts(KEYS_MAX, publicKey=self.public_keys)
        if not len(self.public_keys) == len(self.creation_times_ns) == len(self.ttls_ns):
            raise malformed("publicKey", "as long as creationTimes and ttls")
        for name, values in (("creationTimes", self.creation_times_ns), ("ttls", self.ttls_ns)):
            if any(not 0 <= each < I64_END for each in values):
                raise malformed(name, "nanoseconds of 63 bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteResponse:
    """What an enclave answered. ``metrics`` and ``metric_events`` are JSON that nothing attests: advice only."""

    request_id: bytes
    application_request_id: str
    request_hash: bytes
    output: bytes = field(repr=False)
    config: EnclaveConfig
    attestation: bytes = field(default=b"", repr=False)
    metrics: object = field(default=None, repr=False)
    metric_events: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` or ``LimitExceeded``."""
        _check_size("requestID", self.request_id)
        _check_size("requestHash", self.request_hash)
        _check_names(applicationRequestID=self.application_request_id)


def _check_size(place: str, raw: bytes) -> None:
    if len(raw) != ID_BYTES:
        raise malformed(place, f"{ID_BYTES} bytes")


def _check_counts(limit: int, **members: Sized) -> None:
    for place, found in members.items():
        check_at_most(place, len(found), limit)


def _check_names(**members: str) -> None:
    for place, text in members.items():
        check_at_most(place, len(text.encode(errors="replace")), NAME_BYTES_MAX, "bytes")
