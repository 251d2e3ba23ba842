"""A development certificate authority: it certifies keys of attesters that prove nothing, on one installation.

Rule 1: every name in its certificates says INSECURE, so that no list of certificates can be misread.
Rule 2: its private half is a file of its owner; whoever reads it can make evidence of the insecure kinds.
Source: contracts/attestation.md 11.
"""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.key_text import private_bytes, private_line
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import InvalidInput, Misconfigured

__all__ = ["DevelopmentAuthority"]

AUTHORITY_LIVES: Final = timedelta(days=3650)
LEAF_LIVES: Final = timedelta(days=1)
"""As long as a runner may stand ready before its execution comes."""
BACKDATED: Final = timedelta(minutes=5)
"""The clocks of maker and verifier may differ by this much."""
FILE_BYTES_MAX: Final = 4096
_FILE_LABEL: Final = "development-ca-1"
_AUTHORITY_NAME: Final = "strongroom development CA (INSECURE)"
_LEAF_NAME: Final = "strongroom simulated attester (INSECURE)"
_SEED_BYTES: Final = 32


class DevelopmentAuthority:
    """The private half, which certifies. It shows nothing and cannot be pickled.

    ``certificate`` is its own, in DER; ``fingerprint`` the SHA-256 of that in hex, which a policy names as an anchor.
    """

    __slots__ = ("_private", "certificate", "fingerprint")

    def __init__(self, private: Ed25519PrivateKey, certificate: bytes) -> None:
        """``generate`` and ``load`` make one."""
        self._private = private
        self.certificate = certificate
        self.fingerprint: str = hashlib.sha256(certificate).hexdigest()

    @classmethod
    def generate(cls, *, now: datetime) -> "DevelopmentAuthority":
        """A fresh one, good for ten years from ``now``."""
        private = Ed25519PrivateKey.generate()
        key = PublicKey(private.public_key())
        name = _named(_AUTHORITY_NAME)
        return cls(private, _signed(private, key, name, name, now=now, lives=AUTHORITY_LIVES, is_authority=True))

    @classmethod
    def load(cls, path: Path) -> "DevelopmentAuthority":
        """The one that ``save`` wrote. Raises ``Misconfigured`` when group or others may read it, or it is none."""
        content = read_private_file(path, bytes_max=FILE_BYTES_MAX, code="SR-DEVCA-001", what="development CA")
        try:
            line, hex_certificate = content.decode("ascii").splitlines()
            certificate = bytes.fromhex(hex_certificate)
            private = Ed25519PrivateKey.from_private_bytes(private_bytes(_FILE_LABEL, line) or b"")
            is_its_own = load_certificate(certificate).key.spki() == PublicKey(private.public_key()).spki()
        except (ValueError, InvalidInput):
            is_its_own = False
        if not is_its_own:
            raise Misconfigured(
                "SR-DEVCA-002",
                f"{path} holds no development CA",
                why="it is not a private key and a certificate, in two lines that belong together",
                fix="remove it and make a new one, and name the fingerprint of that in your test policies",
                where=str(path),
            )
        return cls(private, certificate)

    def save(self, path: Path) -> None:
        """Write it to a new file with mode 0600. Raises ``FileExistsError`` rather than replace one."""
        line = private_line(_FILE_LABEL, self._private.private_bytes_raw())
        content = f"{line}\n{self.certificate.hex()}\n"
        write_private_file(path, content.encode())

    def certify(self, key: PublicKey, *, now: datetime, lives: timedelta = LEAF_LIVES) -> bytes:
        """A certificate of ``key``, in DER, good from ``now`` on for ``lives``. It may issue nothing."""
        issuer, subject = _named(_AUTHORITY_NAME), _named(_LEAF_NAME)
        return _signed(self._private, key, issuer, subject, now=now, lives=lives, is_authority=False)

    def __repr__(self) -> str:
        """The fingerprint, which is public."""
        return f"<DevelopmentAuthority {self.fingerprint}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to pickle or copy: either would spread the bytes."""
        raise TypeError("a DevelopmentAuthority cannot be pickled or copied")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signed(
    private: Ed25519PrivateKey,
    key: PublicKey,
    issuer: x509.Name,
    subject: x509.Name,
    *,
    now: datetime,
    lives: timedelta,
    is_authority: bool,
) -> bytes:
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key._key)  # noqa: SLF001 - keys are looked at inside this package
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lives)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(usage, critical=True)
        .sign(private, None)
        .public_bytes(Encoding.DER)
    )
