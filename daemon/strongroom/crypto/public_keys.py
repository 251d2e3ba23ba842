"""Public keys of others and the signatures that they verify, by the name of the key's type.

A signature that does not verify is ``False``, whatever is wrong with it; only the type of the key is the caller's to
check first.
"""

from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from strongroom.errors import InvalidInput

__all__ = ["ECDSA_P256", "ECDSA_P384", "ED25519", "PublicKey", "load_public_key"]

ECDSA_P256: Final = "ECDSA P-256"
ECDSA_P384: Final = "ECDSA P-384"
ED25519: Final = "Ed25519"

_CURVES: Final = {"secp256r1": ECDSA_P256, "secp384r1": ECDSA_P384}
_HASHES: Final[dict[str, HashAlgorithm]] = {"sha256": SHA256(), "sha384": SHA384()}


class PublicKey:
    """A public key. ``kind`` is ``ECDSA P-384``, ``ECDSA P-256``, ``Ed25519``, ``RSA-4096`` (any size) or ``other``."""

    __slots__ = ("_key", "kind")

    def __init__(self, key: Any) -> None:
        """Wrap a key of the library. Any: its classes of public keys have no useful common type."""
        self._key = key
        self.kind: str = _kind(key)

    def verify_ecdsa(self, r: int, s: int, data: bytes, hash_name: str) -> bool:
        """Whether (r, s) is this key's ECDSA signature of ``data`` hashed with ``sha256`` or ``sha384``."""
        if not isinstance(self._key, ec.EllipticCurvePublicKey):
            return False
        try:
            self._key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(_HASHES[hash_name]))
        except (InvalidSignature, ValueError):
            return False
        return True

    def verify_rsa(self, signature: bytes, data: bytes, hash_name: str) -> bool:
        """Whether ``signature`` is this key's RSASSA-PKCS1-v1_5 signature of ``data``."""
        if not isinstance(self._key, rsa.RSAPublicKey):
            return False
        try:
            self._key.verify(signature, data, padding.PKCS1v15(), _HASHES[hash_name])
        except (InvalidSignature, ValueError):
            return False
        return True

    def verify_ed25519(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` is this key's Ed25519 signature of ``data``."""
        if not isinstance(self._key, ed25519.Ed25519PublicKey):
            return False
        try:
            self._key.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def rsa_numbers(self) -> tuple[int, int] | None:
        """Modulus and exponent of an RSA key."""
        if not isinstance(self._key, rsa.RSAPublicKey):
            return None
        numbers = self._key.public_numbers()
        return numbers.n, numbers.e

    @property
    def ec_point(self) -> tuple[int, int] | None:
        """x and y of a key on a curve."""
        if not isinstance(self._key, ec.EllipticCurvePublicKey):
            return None
        numbers = self._key.public_numbers()
        return numbers.x, numbers.y

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        encoded: bytes = self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return encoded

    @classmethod
    def of_p256_point(cls, x: int, y: int) -> "PublicKey":
        """The P-256 key at this point. Raises ``InvalidInput`` for a point that is not on the curve."""
        try:
            return cls(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
        except ValueError as error:
            raise InvalidInput("SR-CERT-004", "this point is not on P-256", field="public key") from error

    @classmethod
    def of_rsa_numbers(cls, modulus: int, exponent: int) -> "PublicKey":
        """The RSA key of these numbers. Raises ``InvalidInput`` for numbers that are no key."""
        try:
            return cls(rsa.RSAPublicNumbers(exponent, modulus).public_key())
        except ValueError as error:
            raise InvalidInput("SR-CERT-005", "these numbers are no RSA key", field="public key") from error

    @classmethod
    def of_ed25519(cls, raw: bytes) -> "PublicKey":
        """The Ed25519 key of these 32 bytes. Raises ``InvalidInput`` for anything else."""
        try:
            return cls(ed25519.Ed25519PublicKey.from_public_bytes(raw))
        except (ValueError, TypeError) as error:
            raise InvalidInput("SR-CERT-006", "an Ed25519 public key has 32 bytes", field="public key") from error


def load_public_key(untrusted_der: bytes) -> PublicKey:
    """The key in a SubjectPublicKeyInfo, in its one encoding. Raises ``InvalidInput`` for anything else."""
    try:
        key = PublicKey(load_der_public_key(untrusted_der))
        # The library also takes a point in the hybrid form, which would give one key two digests.
        if key.spki() != untrusted_der:
            raise ValueError("another encoding")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput("SR-CERT-003", "this is no public key in DER", field="public key") from error
    return key


def _kind(key: Any) -> str:  # Any: see PublicKey
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, "other")
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    return ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else "other"
