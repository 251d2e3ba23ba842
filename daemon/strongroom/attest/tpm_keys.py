"""Attestation keys of a TPM: their public area, their Name, and who a quote says has signed it.

Rule 1: a Name is the digest of the whole public area, so it fixes the attributes as well as the key.
Rule 2: an attestation key is one that the TPM made itself, keeps, and uses only for what the TPM itself produced:
``restricted`` is why nobody can have it sign a quote of their own making.
Source: TPM 2.0 Library, part 1, 16 (Names) and 26 (qualified names), part 2, 12.2.4; contracts/attestation.md 9.2, 9.3.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from strongroom.attest.codes import ALGORITHM, IDENTITY
from strongroom.attest.evidence import malformed
from strongroom.attest.tpm_structures import ECC, ECDSA, RSA, RSASSA, SHA256_ALG, TpmReader
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected, InvalidInput

__all__ = ["EXPONENT", "TpmKey", "endorsed_signers", "parse_public", "qualified_name", "rsa_2048_key"]

ENDORSEMENT_HIERARCHY: Final = bytes.fromhex("4000000b")
COORDINATE_BYTES: Final = 32
MODULUS_BYTES: Final = 256
RSA_BITS: Final = 2048
EXPONENT: Final = 65537
NULL_ALG: Final = 0x0010
P256_CURVE: Final = 0x0003
_AUTH_POLICY_BYTES: Final = frozenset({0, 32})

_MUST: Final = {"fixedTPM": 1, "fixedParent": 4, "sensitiveDataOrigin": 5, "restricted": 16, "sign": 18}
_MUST_NOT: Final = {"decrypt": 17}

# The default templates of an endorsement key up to its public numbers (TCG EK Credential Profile, L-1 and L-2).
_EK_POLICY: Final = bytes.fromhex("0020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
_EK_SYMMETRIC: Final = bytes.fromhex("000600800043")
_RSA_EK: Final = bytes.fromhex("0001000b000300b2") + _EK_POLICY + _EK_SYMMETRIC + bytes.fromhex("0010080000000000")
_ECC_EK: Final = bytes.fromhex("0023000b000300b2") + _EK_POLICY + _EK_SYMMETRIC + bytes.fromhex("001000030010")


@dataclass(frozen=True, slots=True)
class TpmKey:
    """An attestation key: ``name`` is 000B and the SHA-256 of its public area, ``key_type`` is ``ECC`` or ``RSA``."""

    key: PublicKey
    key_type: int
    name: bytes


def parse_public(place: str, untrusted: bytes) -> TpmKey:
    """The attestation key in a TPMT_PUBLIC, all of it. ``place`` is the prefix of the checks that refuse.

    Raises ``EvidenceRejected`` for another algorithm or curve, and for attributes that an attestation key cannot have.
    """
    reader = TpmReader(f"{place}/1 ak_public", untrusted)
    key_type, name_algorithm, attributes = struct.unpack(">HHI", reader.raw(8))
    if key_type not in {ECC, RSA} or name_algorithm != SHA256_ALG:
        got = f"type {key_type:04x}, name algorithm {name_algorithm:04x}"
        raise EvidenceRejected(ALGORITHM, f"{place}/1 ak_public", got=got, wanted="ECC or RSA, named by SHA-256")
    policy = reader.sized()
    if len(policy) not in _AUTH_POLICY_BYTES:
        raise malformed(f"{place}/1 ak_public", got=f"a policy of {len(policy)} bytes", wanted="none or 32 bytes")
    key = _ecc_key(place, reader) if key_type == ECC else _rsa_key(place, reader)
    _check_attributes(place, attributes)
    return TpmKey(key, key_type, struct.pack(">H", SHA256_ALG) + hashlib.sha256(untrusted).digest())


def qualified_name(parent: bytes, name: bytes) -> bytes:
    """The qualified name of a key below ``parent``: a hierarchy's handle, or the qualified name of another key."""
    return struct.pack(">H", SHA256_ALG) + hashlib.sha256(parent + name).digest()


def endorsed_signers(ak_name: bytes, ek: PublicKey | None) -> frozenset[bytes]:
    """What the signer of a quote may be called: a primary key of the endorsement hierarchy or, where ``ek`` is the
    endorsement key and made by a default template, a key below it."""
    signers = {qualified_name(ENDORSEMENT_HIERARCHY, ak_name)}
    ek_public = _ek_public(ek) if ek is not None else None
    if ek_public is not None:
        ek_name = struct.pack(">H", SHA256_ALG) + hashlib.sha256(ek_public).digest()
        signers.add(qualified_name(qualified_name(ENDORSEMENT_HIERARCHY, ek_name), ak_name))
    return frozenset(signers)


def _ek_public(ek: PublicKey) -> bytes | None:
    if ek.ec_point is not None and ek.kind == "ECDSA P-256":
        return _ECC_EK + b"".join(struct.pack(">H32s", 32, each.to_bytes(32, "big")) for each in ek.ec_point)
    if ek.rsa_numbers is not None and ek.kind == f"RSA-{RSA_BITS}" and ek.rsa_numbers[1] == EXPONENT:
        return _RSA_EK + struct.pack(">H", MODULUS_BYTES) + ek.rsa_numbers[0].to_bytes(MODULUS_BYTES, "big")
    return None


def _ecc_key(place: str, reader: TpmReader) -> PublicKey:
    symmetric, scheme, hash_algorithm, curve, kdf = (reader.number(2) for _ in range(5))
    wanted = (NULL_ALG, ECDSA, SHA256_ALG, P256_CURVE, NULL_ALG)
    _check_parameters(place, (symmetric, scheme, hash_algorithm, curve, kdf), wanted)
    x, y = reader.sized(), reader.sized()
    reader.finish()
    if max(len(x), len(y)) > COORDINATE_BYTES:
        raise malformed(f"{place}/1 ak_public", got=f"{len(x)} and {len(y)} bytes", wanted="at most 32 bytes each")
    try:
        return PublicKey.of_p256_point(int.from_bytes(x, "big"), int.from_bytes(y, "big"))
    except InvalidInput as error:
        raise malformed(f"{place}/1 ak_public", got=error.what, wanted="a point on P-256") from error


def _rsa_key(place: str, reader: TpmReader) -> PublicKey:
    symmetric, scheme, hash_algorithm, bits = (reader.number(2) for _ in range(4))
    _check_parameters(place, (symmetric, scheme, hash_algorithm, bits), (NULL_ALG, RSASSA, SHA256_ALG, RSA_BITS))
    exponent = reader.number(4) or EXPONENT  # a TPM writes 0 for the usual one
    modulus = reader.sized()
    reader.finish()
    if exponent != EXPONENT or len(modulus) != MODULUS_BYTES:
        got = f"exponent {exponent}, {len(modulus)} bytes"
        raise EvidenceRejected(ALGORITHM, f"{place}/1 ak_public", got=got, wanted=f"{EXPONENT}, {MODULUS_BYTES} bytes")
    return rsa_2048_key(f"{place}/1 ak_public", modulus)


def rsa_2048_key(check: str, modulus: bytes) -> PublicKey:
    """The key with this modulus and exponent 65537. Raises ``EvidenceRejected`` unless it has exactly 2048 bits."""
    try:
        key = PublicKey.of_rsa_numbers(int.from_bytes(modulus, "big"), EXPONENT)
    except InvalidInput as error:
        raise malformed(check, got=error.what, wanted="an RSA key") from error
    if key.kind != f"RSA-{RSA_BITS}":
        raise EvidenceRejected(ALGORITHM, check, got=f"a key of {key.kind}", wanted=f"RSA-{RSA_BITS}")
    return key


def _check_parameters(place: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        got, spelled = (" ".join(f"{each:04x}" for each in values) for values in (found, wanted))
        raise EvidenceRejected(ALGORITHM, f"{place}/1 ak_public", got=f"parameters {got}", wanted=spelled)


def _check_attributes(place: str, attributes: int) -> None:
    wrong = [f"not {name}" for name, bit in _MUST.items() if not attributes >> bit & 1]
    wrong += [name for name, bit in _MUST_NOT.items() if attributes >> bit & 1]
    if wrong:
        wanted = f"{', '.join(_MUST)}, and not {', '.join(_MUST_NOT)}"
        raise EvidenceRejected(
            IDENTITY, f"{place}/2 attributes", got=f"a key that is {', '.join(wrong)}", wanted=wanted
        )
