"""Certificates: which was issued by which, which may issue at all, and that all of the bytes are one certificate."""

from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from strongroom.crypto.certificates import load_certificate, load_pem_certificates
from strongroom.crypto.public_keys import ECDSA_P384
from strongroom.errors import InvalidInput
from tests.fakes.pki_nitro import NOW, bundle, certificate, key, leaf

ROOT, REGION, ZONE, INSTANCE = map(load_certificate, bundle())
LEAF = load_certificate(leaf())


def pem(*found):
    return b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in found)


def bare(*extensions):
    """A certificate of the root's key that says of itself only what is given."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    builder = x509.CertificateBuilder(name, name, key("root").public_key(), 1, NOW, NOW + timedelta(days=1))
    for each in extensions:
        builder = builder.add_extension(each, critical=True)
    return load_certificate(builder.sign(key("root"), SHA256()).public_bytes(Encoding.DER))


def test_a_certificate_says_what_stands_in_it():
    assert LEAF.der == leaf()
    assert LEAF.fingerprint == sha256(leaf()).hexdigest()
    assert LEAF.key.kind == ECDSA_P384
    assert LEAF.signature_hash == "sha384"
    assert not LEAF.is_signed_with_pss
    assert LEAF.not_after - LEAF.not_before == timedelta(hours=3)
    assert [LEAF.is_valid_at(at) for at in (LEAF.not_before, NOW, LEAF.not_after)] == [True] * 3
    second = timedelta(seconds=1)
    assert [LEAF.is_valid_at(at) for at in (LEAF.not_before - second, LEAF.not_after + second)] == [False] * 2


def test_only_the_issuer_issued_it():
    path = [ROOT, REGION, ZONE, INSTANCE, LEAF]
    for number, subject in enumerate(path):
        issuers = [candidate for candidate in path if subject.is_issued_by(candidate)]
        assert issuers == [path[max(number - 1, 0)]]


@pytest.mark.parametrize(
    "other",
    [
        {"signed_by": key("foreign")},
        {"issuer": "another", "signed_by": key("instance")},
        {"signed_by": ec.derive_private_key(7, ec.SECP256R1())},
    ],
    ids=["another key", "another name", "a key of another kind"],
)
def test_name_and_key_must_both_be_those_of_the_issuer(other):
    arguments = {"subject": "enclave", "issuer": "instance", "is_authority": False, **other}
    assert not load_certificate(certificate(**arguments)).is_issued_by(INSTANCE)


def test_an_authority_issues_within_its_path_length():
    lengths = {"root": ROOT, "region": REGION, "zone": ZONE, "instance": INSTANCE, "leaf": LEAF}
    allowed = {name: [each.may_issue(authorities_below=n) for n in range(4)] for name, each in lengths.items()}
    assert allowed == {
        "root": [True, True, True, True],
        "region": [True, True, True, False],
        "zone": [True, True, False, False],
        "instance": [True, False, False, False],
        "leaf": [False, False, False, False],
    }


def test_without_constraints_it_is_no_authority_and_without_usage_nothing_is_forbidden():
    assert not bare().is_authority
    assert not bare().may_issue(authorities_below=0)
    assert bare(x509.BasicConstraints(ca=True, path_length=None)).may_issue(authorities_below=0)


def test_an_authority_whose_key_may_not_sign_certificates_issues_nothing():
    other = load_certificate(certificate("zone", "region", is_authority=True, may_sign=False))
    assert other.is_authority
    assert not other.may_issue(authorities_below=0)


def test_a_field_is_read_only_where_the_library_does_not_know_it():
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.3704.1.2"), b"\x16\x05Milan")
    assert bare(unknown).field("1.3.6.1.4.1.3704.1.2") == b"\x16\x05Milan"
    assert bare(unknown).field("1.3.6.1.4.1.3704.1.3") is None
    assert LEAF.field("2.5.29.19") is None


def test_a_certificate_is_all_of_its_bytes():
    whole = leaf()
    for untrusted in [*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + whole, pem(whole)]:
        with pytest.raises(InvalidInput) as caught:
            load_certificate(untrusted)
        assert caught.value.code == "SR-CERT-001"


def test_a_subject_that_cannot_be_read_has_no_name_and_no_issuer():
    # The library looks at names only when they are asked for: here a text whose bytes are no UTF-8.
    broken = leaf().replace(b"\x0c\x07enclave", b"\x0c\x07" + b"\xff" * 7, 1)
    assert broken != leaf()
    found = load_certificate(broken)
    assert found.common_name == ""
    assert not found.is_issued_by(INSTANCE)


def test_pem_text_is_read_in_its_order():
    assert [each.der for each in load_pem_certificates(pem(leaf(), *bundle()))] == [leaf(), *bundle()]


@pytest.mark.parametrize(
    "untrusted",
    [b"", b"text", pem(leaf()).replace(b"MII", b"MIJ", 1), pem(leaf())[:200], b"\xff" * 100],
    ids=["empty", "no PEM", "broken", "cut", "no text"],
)
def test_pem_text_without_a_whole_certificate_is_refused(untrusted):
    with pytest.raises(InvalidInput) as caught:
        load_pem_certificates(untrusted)
    assert caught.value.code in {"SR-CERT-001", "SR-CERT-002"}
