"""A deterministic PKI in the shape of AWS Nitro's, and documents signed by it: what no public sample has.

Keys come from seeds and signatures are deterministic (RFC 6979), so two runs make the same bytes. ``Nitro`` is one
enclave; each argument of it and of ``document`` makes one thing other than it should be.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.nitro import verify_nitro
from strongroom.errors import EvidenceRejected

NOW = datetime(2027, 1, 15, 8, 0, 0, 250_000, tzinfo=UTC)
MODULE_ID = "i-0123456789abcdef0-enc0123456789abcdef"
ES384 = bytes.fromhex("a1013822")
AUTHORITIES = ("root", "region", "zone", "instance")
MEDIA_TYPE = 'application/cose; cose-type="cose-sign1"'


@cache
def key(name, curve=ec.SECP384R1):
    """The private key of this name on this curve."""
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest(), "big") >> 8, curve())


def certificate(
    subject,
    issuer,
    *,
    is_authority,
    path_length=None,
    of=None,
    signed_by=None,
    hashed_with=None,
    begins=NOW - timedelta(hours=1),
    lives=timedelta(hours=3),
    is_named=None,
    may_sign=True,
    critical=None,
):
    """A certificate in DER. ``of`` and ``signed_by`` are private keys; without them those of the names. ``critical`` is
    a further extension that must be understood."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, is_named or subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key((of or key(subject)).public_key())
        .serial_number(1 + sha256(subject.encode()).digest()[0])
        .not_valid_before(begins)
        .not_valid_after(begins + lives)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority and may_sign,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=is_authority,
        )
    )
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    signer = signed_by or key(issuer)
    return builder.sign(signer, (hashed_with or SHA384)(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


@cache
def bundle():
    """Root, region, zone and instance, as AWS has them."""
    root = certificate("root", "root", is_authority=True, lives=timedelta(days=10_000))
    lower = [
        certificate(subject, issuer, is_authority=True, path_length=length, lives=timedelta(days=length + 1))
        for subject, issuer, length in (("region", "root", 2), ("zone", "region", 1), ("instance", "zone", 0))
    ]
    return (root, *lower)


@cache
def leaf(**changes):
    """The certificate of the enclave."""
    return certificate("enclave", "instance", **{"is_authority": False, **changes})


ANCHORS = frozenset({sha256(bundle()[0]).hexdigest()})


def payload(**changes):
    """The fields of a production document at ``NOW``; a change to ``...`` leaves the field out."""
    fields = {
        "module_id": MODULE_ID,
        "digest": "SHA384",
        "timestamp": int(NOW.timestamp() * 1000),
        "pcrs": {index: bytes([index + 1]) * 48 for index in range(16)},
        "certificate": leaf(),
        "cabundle": list(bundle()),
        "public_key": bytes.fromhex("302a300506032b656e032100") + b"k" * 32,
        "user_data": b"r" * 32,
        "nonce": b"n" * 32,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not ...}


@dataclass(frozen=True, slots=True)
class Signed:
    """The four items of a document, before they are put together."""

    payload: bytes = field(default_factory=lambda: cbor2.dumps(payload()))
    protected: bytes = ES384
    signer: ec.EllipticCurvePrivateKey = field(default_factory=lambda: key("enclave"))

    @property
    def signature(self):
        """r and s, each as wide as the curve."""
        data = cbor2.dumps(["Signature1", self.protected, b"", self.payload])
        der = self.signer.sign(data, ec.ECDSA(SHA384(), deterministic_signing=True))
        width = (self.signer.curve.key_size + 7) // 8
        return b"".join(each.to_bytes(width, "big") for each in utils.decode_dss_signature(der))

    def body(self, *, signature=None):
        """The document, untagged as those of AWS are."""
        return cbor2.dumps([self.protected, {}, self.payload, signature or self.signature])


def evidence(body, **changes):
    """Evidence of this kind around ``body``."""
    return Evidence(**{"kind": "nitro", "media_type": MEDIA_TYPE, "body": body, **changes})


def document(**changes):
    """Evidence with these fields, signed as it should be."""
    return evidence(Signed(cbor2.dumps(payload(**changes))).body())


FOREIGN = key("foreign")
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=payload()["public_key"])


def verified(untrusted, *, expected=BOUND, now=NOW, anchors=ANCHORS, limits=None):
    """The claims of the production verifier, under the anchors of this PKI."""
    return verify_nitro(untrusted, expected=expected, now=now, anchors=anchors, limits=limits or EvidenceLimits())


def refused(untrusted, code, check="", **changes):
    """The refusal, which has this code and a check that begins so."""
    with pytest.raises(EvidenceRejected) as caught:
        verified(untrusted, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return caught.value
