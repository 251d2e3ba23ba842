"""A credential that only one TPM opens, and only beside one of its keys: TPM2_MakeCredential, in software.

Rule 1: the credential is encrypted to the endorsement key, and its integrity covers the Name of the other key. The TPM
opens it with TPM2_ActivateCredential, which needs both keys loaded in that TPM: this is what proves where a key lives.
Rule 2: the endorsement key is on P-256, of the default template: it stores with AES-128-CFB and is named by SHA-256.
Source: TPM 2.0 Library, part 1, 11.4.10 (KDFa, KDFe), 24 (credentials) and C.6.4; contracts/attestation.md 9.3.
"""

import hashlib
import hmac
import struct
from typing import Final

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from strongroom.crypto.public_keys import ECDSA_P256, PublicKey
from strongroom.errors import InvalidInput

__all__ = ["CREDENTIAL_BYTES_MAX", "make_credential"]

CREDENTIAL_BYTES_MAX: Final = 32
"""A TPM takes no more than a digest of the endorsement key's name algorithm."""
NAME_BYTES: Final = 34
_COORDINATE_BYTES: Final = 32
_SEED_BITS: Final = 256
_AES_BITS: Final = 128
_ZERO_IV: Final = bytes(16)


def make_credential(ek: PublicKey, name: bytes, credential: bytes) -> tuple[bytes, bytes]:
    """``credential`` for the TPM of ``ek``, to be opened beside the key called ``name`` (34 bytes).

    The result are two of a TPM's sized structures, each with its length in front: the TPM2B_ID_OBJECT and the
    TPM2B_ENCRYPTED_SECRET. Raises ``InvalidInput`` for another key than one on P-256, and for wrong sizes.
    """
    point = ek.ec_point
    if ek.kind != ECDSA_P256 or point is None:
        raise InvalidInput(
            "SR-TPM-001", f"an endorsement key of {ek.kind} cannot be used, only {ECDSA_P256}", field="ek"
        )
    if len(name) != NAME_BYTES:
        raise InvalidInput("SR-TPM-002", f"a Name has {NAME_BYTES} bytes", field="name", size=len(name))
    if not 0 < len(credential) <= CREDENTIAL_BYTES_MAX:
        what = f"a credential has between 1 and {CREDENTIAL_BYTES_MAX} bytes"
        raise InvalidInput("SR-TPM-003", what, field="credential", size=len(credential))
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    theirs = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    shared = ephemeral.exchange(ec.ECDH(), theirs)
    numbers = ephemeral.public_key().public_numbers()
    x, y, ek_x = (each.to_bytes(_COORDINATE_BYTES, "big") for each in (numbers.x, numbers.y, point[0]))
    seed = _kdf_e(shared, "IDENTITY", x, ek_x)
    symmetric = _kdf_a(seed, "STORAGE", name, _AES_BITS)
    # The IV is zero because the key encrypts this one message; CFB because the TPM expects it. The HMAC authenticates.
    encryptor = Cipher(algorithms.AES(symmetric), CFB(_ZERO_IV)).encryptor()
    identity = encryptor.update(_sized(credential)) + encryptor.finalize()
    integrity = hmac.digest(_kdf_a(seed, "INTEGRITY", b"", _SEED_BITS), identity + name, "sha256")
    return _sized(_sized(integrity) + identity), _sized(_sized(x) + _sized(y))


def _kdf_e(shared: bytes, label: str, party_u: bytes, party_v: bytes) -> bytes:
    """32 bytes: one round is as much as is needed here."""
    return hashlib.sha256(struct.pack(">I", 1) + shared + label.encode() + b"\0" + party_u + party_v).digest()


def _kdf_a(key: bytes, label: str, context: bytes, bits: int) -> bytes:
    """``bits`` / 8 bytes, at most 32: one round, as above."""
    message = struct.pack(">I", 1) + label.encode() + b"\0" + context + struct.pack(">I", bits)
    return hmac.digest(key, message, "sha256")[: bits // 8]


def _sized(raw: bytes) -> bytes:
    return struct.pack(">H", len(raw)) + raw
