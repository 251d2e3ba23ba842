"""Who a vault is: its keys, its kind of store, where it runs, and the policy in force. Signed by the vault.

An owner compares the signing key with the one that is pinned, and seals values to the other key only then.
Source: contracts/attestation.md 3 and 17. The structure is ours.
"""

from dataclasses import dataclass
from typing import Final

from strongroom.attest import cbor
from strongroom.attest.codes import IDENTITY, SIGNATURE, UNSUPPORTED_VERSION
from strongroom.attest.evidence import check_size, is_same
from strongroom.attest.fields import Fields
from strongroom.attest.receipt import CO_LOCATED, SEPARATE
from strongroom.attest.release import Signed
from strongroom.crypto.signing import SigningKey, is_signed, key_id
from strongroom.errors import EvidenceRejected

__all__ = ["PRODUCTION_STORE", "TEST_STORE", "VaultIdentity", "open_identity", "read_identity", "sign_identity"]

PROFILE: Final = "strongroom/vault-identity/v1"
IDENTITY_TAG: Final = "vault/identity"
IDENTITY_BYTES_MAX: Final = 4096
TEST_STORE: Final = "test"
PRODUCTION_STORE: Final = "production"
_HERE: Final = "vault-identity"
_KEYS: Final = frozenset(
    {"profile", "vault_public_key", "box_public_key", "store", "vault", "policy_sha256", "policy_epoch"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultIdentity:
    """``vault_public_key`` is raw Ed25519, ``box_public_key`` raw X25519; ``store`` is ``test`` or ``production``,
    ``vault`` is ``co-located`` or ``separate``. Without a policy its digest is zero bytes and its epoch 0."""

    vault_public_key: bytes
    box_public_key: bytes
    store: str
    vault: str
    policy_sha256: bytes
    policy_epoch: int


def sign_identity(identity: VaultIdentity, key: SigningKey) -> Signed:
    """The identity as the vault sends it. Raises ``EvidenceRejected`` for a field that may not be what it is."""
    value = {
        "profile": PROFILE,
        "vault_public_key": identity.vault_public_key,
        "box_public_key": identity.box_public_key,
        "store": identity.store,
        "vault": identity.vault,
        "policy_sha256": identity.policy_sha256,
        "policy_epoch": identity.policy_epoch,
    }
    _read(value)
    body = cbor.canonical(value)
    return Signed(body, key.sign(IDENTITY_TAG, body))


def read_identity(untrusted: Signed) -> VaultIdentity:
    """The identity, signed by the key that it names itself: enough to show its fingerprint, never to trust it.

    Raises ``EvidenceRejected``.
    """
    check_size(f"{_HERE} size", untrusted.body, IDENTITY_BYTES_MAX)
    found = _read(cbor.decode_canonical(_HERE, untrusted.body))
    if not is_signed(found.vault_public_key, IDENTITY_TAG, untrusted.body, untrusted.signature):
        raise EvidenceRejected(SIGNATURE, f"{_HERE} signature", got="another signature", wanted="one by its own key")
    return found


def open_identity(untrusted: Signed, *, vault_public: bytes) -> VaultIdentity:
    """The identity of the vault whose key is pinned. Raises ``EvidenceRejected``."""
    found = read_identity(untrusted)
    if not is_same(found.vault_public_key, vault_public):
        got, wanted = (f"the key SHA-256 {key_id(each).hex()}" for each in (found.vault_public_key, vault_public))
        raise EvidenceRejected(IDENTITY, f"{_HERE} vault_public_key", got=got, wanted=wanted)
    return found


def _read(value: object) -> VaultIdentity:
    found = Fields(_HERE, value, _KEYS)
    profile = found.text("profile")
    if profile != PROFILE:
        raise EvidenceRejected(UNSUPPORTED_VERSION, f"{_HERE} profile", got=profile, wanted=PROFILE)
    return VaultIdentity(
        vault_public_key=found.raw("vault_public_key"),
        box_public_key=found.raw("box_public_key"),
        store=found.choice("store", {TEST_STORE, PRODUCTION_STORE}),
        vault=found.choice("vault", {CO_LOCATED, SEPARATE}),
        policy_sha256=found.raw("policy_sha256"),
        policy_epoch=found.uint("policy_epoch"),
    )
