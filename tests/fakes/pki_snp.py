"""A PKI in the shape of AMD's, and SEV-SNP reports signed by it: what no public sample has.

Keys come from seeds; the signatures of the issuers are RSASSA-PSS and so differ from run to run. Each argument makes
one thing other than it should be.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.snp import verify_snp
from strongroom.errors import EvidenceRejected
from tests.fakes.seeded_rsa import rsa_key

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
AMD = "1.3.6.1.4.1.3704.1"
CHIP = bytes(range(64))
CSP_ID = "CN=cc-test.example"
TCB = {"bl": 4, "tee": 0, "snp": 23, "ucode": 213, "fmc": 2}
OIDS = {"bl": f"{AMD}.3.1", "tee": f"{AMD}.3.2", "snp": f"{AMD}.3.3", "ucode": f"{AMD}.3.8", "fmc": f"{AMD}.3.9"}
CPUS = {"Milan": (0x19, 0x01, 1), "Genoa": (0x19, 0x11, 1), "Turin": (0x1A, 0x02, 1)}
TCB_PLACES = {
    "Milan": {"bl": 0, "tee": 1, "snp": 6, "ucode": 7},
    "Genoa": {"bl": 0, "tee": 1, "snp": 6, "ucode": 7},
    "Turin": {"fmc": 0, "bl": 1, "tee": 2, "snp": 3, "ucode": 7},
}
SIGNED_BYTES = 0x2A0
_UNCHANGED = {}

# Field -> offset and size; every other byte of a report is zero.
LAYOUT = {
    "version": (0x00, 4),
    "guest_svn": (0x04, 4),
    "policy": (0x08, 8),
    "family_id": (0x10, 16),
    "image_id": (0x20, 16),
    "vmpl": (0x30, 4),
    "algorithm": (0x34, 4),
    "current_tcb": (0x38, 8),
    "platform_info": (0x40, 8),
    "key_info": (0x48, 4),
    "report_data": (0x50, 64),
    "measurement": (0x90, 48),
    "host_data": (0xC0, 32),
    "id_key_digest": (0xE0, 48),
    "author_key_digest": (0x110, 48),
    "report_id": (0x140, 32),
    "report_id_ma": (0x160, 32),
    "reported_tcb": (0x180, 8),
    "cpu": (0x188, 3),
    "chip_id": (0x1A0, 64),
    "committed_tcb": (0x1E0, 8),
    "current_firmware": (0x1E8, 3),
    "committed_firmware": (0x1EC, 3),
    "launch_tcb": (0x1F0, 8),
}


@cache
def leaf_key(name="vcek", curve=ec.SECP384R1):
    """The private key of this name on this curve."""
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest(), "big") >> 8, curve())


def certificate(
    subject,
    issuer,
    public,
    signer,
    *,
    ca,
    fields=(),
    begins=NOW - timedelta(days=1),
    lives=timedelta(days=2),
    **signing,
):
    """A certificate in DER; ``fields`` are bytes by their object identifiers."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + lives)
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for oid, value in dict(fields).items():
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(oid), value), critical=False)
    hashed = signing.get("hashed", SHA384())
    pss = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
    scheme = {"rsa_padding": signing.get("rsa_padding", pss)} if isinstance(signer, rsa.RSAPrivateKey) else {}
    return builder.sign(signer, hashed, **scheme).public_bytes(Encoding.DER)


def root(product="Milan", **changes):
    """ARK, the anchor of a product."""
    key = rsa_key("snp ark")
    settings = {"public": key.public_key(), "signer": key, "ca": True}
    return _made(f"ARK-{product}", f"ARK-{product}", settings, changes)


def issuer(product="Milan", *, is_vlek=False, **changes):
    """ASK, or with ``is_vlek`` ASVK."""
    name = f"SEV-VLEK-{product}" if is_vlek else f"SEV-{product}"
    settings = {"public": rsa_key("snp issuer").public_key(), "signer": rsa_key("snp ark"), "ca": True}
    return _made(name, f"ARK-{product}", settings, changes)


def _made(subject, issuer, settings, changes):
    """A certificate. The unchanged one is made once: a PSS signature would be another each time."""
    if changes:
        return certificate(subject, issuer, **{**settings, **changes})
    if (subject, issuer) not in _UNCHANGED:
        _UNCHANGED[subject, issuer] = certificate(subject, issuer, **settings)
    return _UNCHANGED[subject, issuer]


def integer(value):
    """A DER INTEGER."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((2, len(raw))) + raw


def text(value):
    """An IA5String."""
    return bytes((0x16, len(value))) + value.encode()


def leaf_fields(product="Milan", *, is_vlek=False):
    """What a VCEK or VLEK says of its chip: object identifier -> bytes."""
    if product not in CPUS:
        return {}
    fields = {f"{AMD}.2": text(product if product != "Milan" else "Milan-B0")}
    fields |= {OIDS[name]: integer(TCB[name]) for name in TCB_PLACES[product]}
    if is_vlek:
        return fields | {f"{AMD}.5": text(CSP_ID)}
    return fields | {f"{AMD}.4": CHIP[:8] if product == "Turin" else CHIP}


def leaf(product="Milan", *, is_vlek=False, **changes):
    """A VCEK, or with ``is_vlek`` a VLEK."""
    settings = {
        "public": leaf_key().public_key(),
        "signer": rsa_key("snp issuer"),
        "ca": False,
        "fields": leaf_fields(product, is_vlek=is_vlek),
    }
    issued_by = f"SEV-VLEK-{product}" if is_vlek else f"SEV-{product}"
    return _made("SEV-VLEK" if is_vlek else "SEV-VCEK", issued_by, settings, changes)


def chain(product="Milan", *, is_vlek=False, **changes):
    """Leaf, issuer and root."""
    return leaf(product, is_vlek=is_vlek, **changes), issuer(product, is_vlek=is_vlek), root(product)


def tcb(product="Milan", **changes):
    """Eight bytes of a TCB, its components in the order of the product."""
    found = bytearray(8)
    for name, place in TCB_PLACES[product].items():
        found[place] = {**TCB, **changes}[name]
    return bytes(found)


def unsigned(product="Milan", **changes):
    """The signed part of a report, from its fields: numbers or bytes, by the names of ``LAYOUT``."""
    fields = {
        "version": 3,
        "guest_svn": 1,
        "policy": 0x30000,
        "algorithm": 1,
        "report_data": BOUND.report_data,
        "measurement": b"m" * 48,
        "host_data": b"h" * 32,
        "report_id": b"i" * 32,
        "cpu": bytes(CPUS[product]),
        "chip_id": CHIP[:8] if product == "Turin" else CHIP,
        "current_firmware": bytes((29, 55, 1)),
        "committed_firmware": bytes((28, 55, 1)),
        **{name: tcb(product) for name in ("current_tcb", "reported_tcb", "committed_tcb", "launch_tcb")},
        **changes,
    }
    report = bytearray(SIGNED_BYTES)
    for name, value in fields.items():
        offset, size = LAYOUT[name]
        raw = value.to_bytes(size, "little") if isinstance(value, int) else value.ljust(size, b"\0")
        assert len(raw) == size, name
        report[offset : offset + size] = raw
    return bytes(report)


def sign(report, *, by=None, r=None, s=None):
    """The whole report: its signed part, the signature, and zeros. ``r`` and ``s`` stand in for the true ones."""
    der = (by or leaf_key()).sign(report, ec.ECDSA(SHA384(), deterministic_signing=True))
    true_r, true_s = utils.decode_dss_signature(der)
    scalars = [(true_r if r is None else r), (true_s if s is None else s)]
    return report + b"".join(each.to_bytes(72, "little") for each in scalars) + bytes(368)


@dataclass(frozen=True, slots=True)
class Made:
    """A report with the chain that suits it."""

    body: bytes
    chain: tuple[bytes, ...]

    def evidence(self, **changes):
        """As evidence of this kind."""
        settings = {"body": self.body, "endorsements": self.chain, **changes}
        return Evidence(**{"kind": "sev-snp", "media_type": "application/octet-stream", **settings})


def made(product="Milan", **changes):
    """A good report of a product, apart from the fields that are changed."""
    return Made(sign(unsigned(product, **changes)), chain(product))


def made_by_vlek(**changes):
    """A good report signed by a VLEK, which is of no chip."""
    fields = {"key_info": 1 << 2, "chip_id": b"", **changes}
    return Made(sign(unsigned("Milan", **fields)), chain(is_vlek=True))


ANCHORS = frozenset(sha256(root(product)).hexdigest() for product in CPUS)


def verified(untrusted, *, expected=BOUND, now=NOW, anchors=ANCHORS, limits=None):
    """The claims of the production verifier, under the anchors of this PKI."""
    return verify_snp(untrusted, expected=expected, now=now, anchors=anchors, limits=limits or EvidenceLimits())


def refused(untrusted, code, check="", **changes):
    """The refusal, which has this code and a check that begins so."""
    with pytest.raises(EvidenceRejected) as caught:
        verified(untrusted, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return caught.value
