"""The configuration of an enclave runner: what it believes, how much it takes, and what its guests may call.

Its digest stands in the runtime data, so that a genuine runner with a forged configuration gets no secrets. The vault
that it names is the only one whose challenges and envelopes the runner takes.
Source: contracts/attestation.md 13, ``enclave_config_sha256``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.attest import cbor
from strongroom.attest.codes import UNSUPPORTED_VERSION
from strongroom.attest.evidence import check_size, malformed
from strongroom.attest.fields import Fields, checked_text
from strongroom.errors import EvidenceRejected

__all__ = ["ANY_CAPABILITY", "EnclaveConfig", "decode_enclave_config"]

PROFILE: Final = "strongroom/enclave-config/v1"
ENCLAVE_CONFIG_BYTES_MAX: Final = 64 * 1024
ANY_CAPABILITY: Final = "*"
"""In the list of capabilities: guests may call all that their terms leave them."""
CAPABILITIES_MAX: Final = 256
LIMITS: Final = frozenset({"timeout_ms_max", "calls_max", "secrets_bytes_max", "result_bytes_max"})
_HERE: Final = "enclave-config"
_KEYS: Final = frozenset({"profile", "vault_public_key", "policy_epoch", "limits", "capabilities"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveConfig:
    """What a runner is started with.

    ``vault_public_key`` is the raw Ed25519 key of its vault, ``policy_epoch`` the oldest policy that may have allowed a
    release to it. ``limits`` has every name of ``LIMITS``. ``capabilities`` are ids that guests may call, sorted;
    ``*`` alone means all of them.
    """

    vault_public_key: bytes
    policy_epoch: int
    limits: Mapping[str, int] = field(
        default_factory=lambda: {
            "timeout_ms_max": 3_600_000,
            "calls_max": 10_000,
            "secrets_bytes_max": 1_048_576,
            "result_bytes_max": 5_242_880,
        }
    )
    capabilities: tuple[str, ...] = (ANY_CAPABILITY,)

    def encode(self) -> bytes:
        """The one encoding. Raises ``EvidenceRejected`` for a field that may not be what it is."""
        value = {
            "profile": PROFILE,
            "vault_public_key": self.vault_public_key,
            "policy_epoch": self.policy_epoch,
            "limits": dict(self.limits),
            "capabilities": list(self.capabilities),
        }
        _read(value)
        return cbor.canonical(value)

    def sha256(self) -> bytes:
        """The digest that the runtime data carry, 32 bytes."""
        return hashlib.sha256(self.encode()).digest()

    def allows(self, capability_id: str) -> bool:
        """Whether guests may call it, as far as this configuration goes."""
        return self.capabilities == (ANY_CAPABILITY,) or capability_id in self.capabilities


def decode_enclave_config(untrusted: bytes) -> EnclaveConfig:
    """The configuration in ``untrusted``. Raises ``EvidenceRejected`` unless ``encode`` would give these very bytes."""
    check_size(f"{_HERE} size", untrusted, ENCLAVE_CONFIG_BYTES_MAX)
    return _read(cbor.decode_canonical(_HERE, untrusted))


def _read(value: object) -> EnclaveConfig:
    found = Fields(_HERE, value, _KEYS)
    profile = found.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    limits = found.of("limits", LIMITS)
    return EnclaveConfig(
        vault_public_key=found.raw("vault_public_key"),
        policy_epoch=found.uint("policy_epoch"),
        limits={name: limits.uint(name, minimum=1) for name in sorted(LIMITS)},
        capabilities=_capabilities(found.items("capabilities", CAPABILITIES_MAX)),
    )


def _capabilities(untrusted: list[Any]) -> tuple[str, ...]:  # Any: whatever CBOR can hold
    place = f"{_HERE} capabilities"
    for number, each in enumerate(untrusted):
        checked_text(f"{place} {number}", each)
    if untrusted != sorted(set(untrusted)):
        raise malformed(place, got="another order, or one twice", wanted="sorted, each once")
    if ANY_CAPABILITY in untrusted and len(untrusted) > 1:
        raise malformed(place, got=f"{ANY_CAPABILITY} among others", wanted=f"{ANY_CAPABILITY} alone, or ids")
    return tuple(untrusted)
