"""X.509 certificates, validated by explicit path: each step names its issuer, and nothing is looked up.

Rule 1: a chain is a list that the caller orders, from the anchor down to the leaf; the anchor is compared by the
SHA-256 of its DER, never by a name.
Rule 2: the time is an argument, and there is no way to ignore it.
Source: contracts/attestation.md 5, rule 6.
"""

import hashlib
import re
import warnings
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID, ObjectIdentifier

from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import InvalidInput

__all__ = ["UNKNOWN_KEY", "Certificate", "load_certificate", "load_pem_certificates"]

UNKNOWN_KEY: Final = "SR-CERT-007"
"""The code of a certificate whose key is of a kind, or on a curve, that the library does not know."""
PSS_OID: Final = "1.2.840.113549.1.1.10"
# Basic constraints and both usages are checked. Other names of a subject, and policies that permit, restrict nothing.
_UNDERSTOOD: Final = frozenset({"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32", "2.5.29.37"})
_SERIAL_ZERO: Final = re.compile("Parsed a serial number which wasn't positive", re.IGNORECASE)


class Certificate:
    """One certificate, parsed once. ``der`` is what was parsed, byte for byte."""

    __slots__ = ("_parsed", "der", "fingerprint", "key", "not_after", "not_before")

    def __init__(self, der: bytes, parsed: x509.Certificate) -> None:
        """``load_certificate`` makes one."""
        self.der = der
        self.fingerprint: str = hashlib.sha256(der).hexdigest()
        self.key = PublicKey(parsed.public_key())
        self.not_before: datetime = parsed.not_valid_before_utc
        self.not_after: datetime = parsed.not_valid_after_utc
        self._parsed = parsed

    @property
    def signature_hash(self) -> str:
        """The hash that its issuer signed it with, such as ``sha384``; empty for Ed25519 and for an unknown one."""
        try:
            algorithm = self._parsed.signature_hash_algorithm
        except UnsupportedAlgorithm:
            return ""
        return algorithm.name if algorithm is not None else ""

    @property
    def is_signed_with_pss(self) -> bool:
        """Whether its issuer signed it with RSASSA-PSS."""
        return self._parsed.signature_algorithm_oid.dotted_string == PSS_OID

    @property
    def is_authority(self) -> bool:
        """Whether basicConstraints say that it may issue others."""
        constraints = self._constraints()
        return constraints is not None and constraints.ca

    def may_issue(self, *, authorities_below: int) -> bool:
        """Whether it may issue an authority or leaf, with ``authorities_below`` further authorities down the path.

        Source: RFC 5280 4.2.1.9 (path length) and 4.2.1.3 (key usage, which need not be there).
        """
        constraints = self._constraints()
        if constraints is None or not constraints.ca:
            return False
        if constraints.path_length is not None and authorities_below > constraints.path_length:
            return False
        try:
            return self._parsed.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        except x509.ExtensionNotFound:
            return True

    @property
    def common_name(self) -> str:
        """The common name of its subject; empty where there is none, more than one, or a subject that is none."""
        try:
            found = self._parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except (ValueError, TypeError):
            return ""
        return str(found[0].value) if len(found) == 1 else ""

    @property
    def extended_usages(self) -> frozenset[str]:
        """The object identifiers of what its key may be used for beyond the basic usages."""
        try:
            found = self._parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return frozenset()
        return frozenset(each.dotted_string for each in found)

    @property
    def not_understood(self) -> tuple[str, ...]:
        """The object identifiers of what it says must be understood and is not looked at here (RFC 5280 4.2)."""
        critical = (each.oid.dotted_string for each in self._parsed.extensions if each.critical)
        return tuple(sorted(each for each in critical if each not in _UNDERSTOOD))

    def field(self, oid: str) -> bytes | None:
        """The field with this object identifier, as its bytes stand there, where the library does not know it."""
        try:
            found = self._parsed.extensions.get_extension_for_oid(ObjectIdentifier(oid)).value
        except (x509.ExtensionNotFound, ValueError):
            return None
        return found.value if isinstance(found, x509.UnrecognizedExtension) else None

    def is_issued_by(self, issuer: "Certificate") -> bool:
        """Whether ``issuer``'s key signed this one and its name is the one that this one gives."""
        try:
            self._parsed.verify_directly_issued_by(issuer._parsed)  # noqa: SLF001 - the same class
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    def is_valid_at(self, now: datetime) -> bool:
        """Whether ``now``, which has a time zone, is within its validity, both ends included."""
        return self.not_before <= now <= self.not_after

    def _constraints(self) -> x509.BasicConstraints | None:
        try:
            return self._parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return None


def load_certificate(untrusted_der: bytes) -> Certificate:
    """The certificate in ``untrusted_der``, all of it. Raises ``InvalidInput`` for anything else."""
    _accept_serial_zero()
    try:
        parsed = x509.load_der_x509_certificate(untrusted_der)
        certificate = Certificate(bytes(untrusted_der), parsed)
        # Its fields are read when they are asked for; a certificate that repeats one is refused here and now.
        _ = parsed.extensions
    except UnsupportedAlgorithm as error:
        raise InvalidInput(UNKNOWN_KEY, "the key of this certificate is of an unknown kind", field="key") from error
    except (ValueError, TypeError, OverflowError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise InvalidInput("SR-CERT-001", "this is no X.509 certificate in DER", field="certificate") from error
    return certificate


def load_pem_certificates(untrusted_pem: bytes) -> list[Certificate]:
    """The certificates in PEM text, in their order. Raises ``InvalidInput`` when there are none, or one is broken."""
    _accept_serial_zero()
    try:
        found = x509.load_pem_x509_certificates(untrusted_pem)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise InvalidInput("SR-CERT-002", "this PEM text holds no X.509 certificate", field="certificate") from error
    return [load_certificate(each.public_bytes(Encoding.DER)) for each in found]


def _accept_serial_zero() -> None:
    """Silence one warning of the library, by its text, its class and this module, for good.

    AMD numbers every VCEK and VLEK 0, which RFC 5280 forbids and the library says each time it parses one. Nothing can
    be done about it here, and serial numbers decide nothing: chains are explicit, revocation is by the platform's TCB.
    ``catch_warnings`` would restore a filter list that other threads have changed meanwhile. This adds one entry and
    never takes any away; where it is there already, nothing happens.
    """
    if not any(each[:2] == ("ignore", _SERIAL_ZERO) for each in warnings.filters):
        warnings.filterwarnings(
            "ignore", _SERIAL_ZERO.pattern, category=CryptographyDeprecationWarning, module=re.escape(__name__)
        )
