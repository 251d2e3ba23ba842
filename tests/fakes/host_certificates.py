"""A CA for hosts and vaults, and certificates of it as files: good ones, and ones whose time is over."""

import datetime
import hashlib
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


class HostAuthority:
    """Certifies keys. ``path`` is its own certificate."""

    def __init__(self, directory: Path, name: str = "hosts") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = directory / f"{name}-ca.pem"
        signed = self._builder(self._name, self._key, days=2, ca=True).sign(self._key, hashes.SHA256())
        self.path.write_bytes(signed.public_bytes(PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int, ca: bool
    ) -> x509.CertificateBuilder:
        start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=3 + days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )

    def issue(self, name: str, *, days: int = 2, alternative: str = "") -> "Certified":
        """A certificate for ``name`` at the loopback that ends in ``days``; below 0 it has ended.

        ``alternative`` is its other name where that is another one.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName(
            [x509.DNSName(alternative or name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        builder = self._builder(subject, key, days=days, ca=False).add_extension(names, critical=False)
        certificate, private = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        signed = builder.sign(self._key, hashes.SHA256())
        certificate.write_bytes(signed.public_bytes(PEM))
        private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        private.chmod(0o600)
        return Certified(certificate, private, signed.public_bytes(serialization.Encoding.DER))


class Certified:
    """A certificate with its key, as files, and its fingerprint."""

    def __init__(self, certificate: Path, key: Path, der: bytes) -> None:
        self.certificate = certificate
        self.key = key
        self.fingerprint = hashlib.sha256(der).hexdigest()
