"""A TPM with keys from seeds, which quotes what a test wants, and the authorities that certify its keys.

Structures are packed here by hand, not by our own readers. Each argument makes one thing other than it should be.
"""

import struct
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.tpm import verify_insecure_swtpm, verify_tpm2
from strongroom.errors import EvidenceRejected
from tests.fakes.seeded_rsa import rsa_key

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
PCRS = {0: b"0" * 32, 7: b"7" * 32, 16: b"a" * 32}
AK_ATTRIBUTES = 0x00050072
ENDORSEMENT = bytes.fromhex("4000000b")
EK_USAGE = "2.23.133.8.1"
EK_TEMPLATE = bytes.fromhex(
    "0023000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa000600800043001000030010"
)
RSA_EK_TEMPLATE = bytes.fromhex(
    "0001000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa0006008000430010080000000000"
)
MEDIA_TYPE = "application/cbor"
DEVELOPMENT_CA = "development CA (INSECURE)"


@cache
def key(name, curve=ec.SECP256R1):
    """The private key of this name on this curve."""
    return ec.derive_private_key(int.from_bytes(sha256(name.encode()).digest(), "big") >> 8, curve())


AK = key("ak")
RSA_AK = rsa_key("tpm ak")
EK = key("ek")


def sized(raw):
    """Bytes behind their length."""
    return struct.pack(">H", len(raw)) + raw


def point(private):
    """x and y of a key, each behind its length."""
    numbers = private.public_key().public_numbers()
    return b"".join(sized(each.to_bytes((private.curve.key_size + 7) // 8, "big")) for each in (numbers.x, numbers.y))


def ecc_public(private=AK, *, attributes=AK_ATTRIBUTES, policy=b"", name_alg=0x000B, parameters=None, unique=None):
    """A TPMT_PUBLIC of a key on a curve. ``parameters``: symmetric, scheme, hash, curve, kdf."""
    found = parameters or (0x0010, 0x0018, 0x000B, 0x0003, 0x0010)
    head = struct.pack(">HHI", 0x0023, name_alg, attributes) + sized(policy)
    return head + struct.pack(f">{len(found)}H", *found) + (point(private) if unique is None else unique)


def rsa_public(private=RSA_AK, *, attributes=AK_ATTRIBUTES, parameters=None, exponent=0, modulus=None):
    """A TPMT_PUBLIC of an RSA key. ``parameters``: symmetric, scheme, hash, bits."""
    found = parameters or (0x0010, 0x0014, 0x000B, 2048)
    if modulus is None:
        modulus = private.public_key().public_numbers().n.to_bytes(256, "big")
    head = struct.pack(">HHIH", 0x0001, 0x000B, attributes, 0)
    return head + struct.pack(f">{len(found)}HI", *found, exponent) + sized(modulus)


def name_of(public):
    """The Name of a public area."""
    return b"\x00\x0b" + sha256(public).digest()


def signer_of(public):
    """The qualified name of a primary key of the endorsement hierarchy."""
    return b"\x00\x0b" + sha256(ENDORSEMENT + name_of(public)).digest()


def signer_below(ek_public, public):
    """The qualified name of a key below an endorsement key."""
    return b"\x00\x0b" + sha256(signer_of(ek_public) + name_of(public)).digest()


def attest(signer, *, pcrs=PCRS, banks=None, **changes):
    """A TPMS_ATTEST of a quote."""
    fields = {
        "magic": 0xFF544347,
        "type": 0x8018,
        "extra_data": BOUND.report_data,
        "clock": 61720,
        "reset_count": 2,
        "restart_count": 1,
        "safe": 1,
        "firmware": 0x2019102300163636,
        "digest": sha256(b"".join(pcrs[register] for register in sorted(pcrs))).digest(),
        **changes,
    }
    if banks is None:
        banks = [(0x000B, sum(1 << register for register in pcrs).to_bytes(3, "little"))]
    return b"".join(
        (
            struct.pack(">IH", fields["magic"], fields["type"]),
            sized(signer),
            sized(fields["extra_data"]),
            struct.pack(">QIIB", *(fields[each] for each in ("clock", "reset_count", "restart_count", "safe"))),
            struct.pack(">QI", fields["firmware"], len(banks)),
            *(struct.pack(">HB", algorithm, len(each)) + each for algorithm, each in banks),
            sized(fields["digest"]),
        )
    )


def ecdsa(message, private=AK, *, r=None, s=None, hash_alg=0x000B, width=32):
    """A TPMT_SIGNATURE by a key on a curve; ``r`` and ``s`` stand in for the true ones."""
    true = utils.decode_dss_signature(private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    found = [true[0] if r is None else r, true[1] if s is None else s]
    return struct.pack(">HH", 0x0018, hash_alg) + b"".join(sized(each.to_bytes(width, "big")) for each in found)


def rsassa(message, private=RSA_AK):
    """A TPMT_SIGNATURE by an RSA key."""
    return struct.pack(">HH", 0x0014, 0x000B) + sized(private.sign(message, padding.PKCS1v15(), SHA256()))


def body(**changes):
    """The map of section 9.5, in its deterministic form; a change to ``...`` leaves the key out."""
    public = changes.get("ak_public", ecc_public())
    message = changes.get("attest", attest(signer_of(public)))
    fields = {
        "v": 1,
        "attest": message,
        "signature": ecdsa(message),
        "ak_public": public,
        "pcrs": PCRS,
        **changes,
    }
    return cbor2.dumps({name: value for name, value in fields.items() if value is not ...}, canonical=True)


def quoted(*, public=None, sign=ecdsa, pcrs=PCRS, signer=None, **changes):
    """The body of a quote with other fields, signed as it should be."""
    public = public or ecc_public()
    message = attest(signer or signer_of(public), pcrs=pcrs, **changes)
    return body(ak_public=public, attest=message, signature=sign(message), pcrs=pcrs)


def certificate(
    subject, issuer, *, of, signed_by, ca=False, usages=(), lives=timedelta(days=2), hashed=None, begins=NOW
):
    """A certificate in DER, valid since a day before ``begins``."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(of.public_key())
        .serial_number(1)
        .not_valid_before(begins - timedelta(days=1))
        .not_valid_after(begins - timedelta(days=1) + lives)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usages:
        found = x509.ExtendedKeyUsage([ObjectIdentifier(each) for each in usages])
        builder = builder.add_extension(found, critical=False)
    return builder.sign(signed_by, hashed or SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


@cache
def maker():
    """The maker of TPMs, an anchor."""
    return certificate("maker", "maker", of=key("maker"), signed_by=key("maker"), ca=True)


def ek_chain(of=EK, **changes):
    """An endorsement key's certificate and its maker's."""
    settings = {"of": of, "signed_by": key("maker"), "usages": (EK_USAGE,), **changes}
    return certificate("ek", "maker", **settings), maker()


@cache
def development():
    """A development CA, an anchor for software TPMs only."""
    return certificate(DEVELOPMENT_CA, DEVELOPMENT_CA, of=key("development"), signed_by=key("development"), ca=True)


def ak_chain(of=AK, **changes):
    """An attestation key's certificate and the development CA's."""
    return certificate("ak", DEVELOPMENT_CA, **{"of": of, "signed_by": key("development"), **changes}), development()


def evidence(raw, *, kind="tpm2", endorsements=()):
    """Evidence around a body."""
    return Evidence(kind, MEDIA_TYPE, raw, tuple(endorsements))


MAKERS = frozenset({sha256(maker()).hexdigest()})
DEVELOPERS = frozenset({sha256(development()).hexdigest()})
VERIFIERS = {"tpm2": (verify_tpm2, MAKERS), "insecure-swtpm": (verify_insecure_swtpm, DEVELOPERS)}


def verified(untrusted, *, expected=BOUND, now=NOW, anchors=None, limits=None):
    """The claims of the production verifier, under the anchors of this PKI."""
    verify, own = VERIFIERS[untrusted.kind]
    anchors = own if anchors is None else anchors
    return verify(untrusted, expected=expected, now=now, anchors=anchors, limits=limits or EvidenceLimits())


def refused(untrusted, code, check="", **changes):
    """The refusal, which has this code and a check that begins so."""
    with pytest.raises(EvidenceRejected) as caught:
        verified(untrusted, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return caught.value
