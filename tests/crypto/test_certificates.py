"""Certificates of others: what is refused, and the one warning that is not shown."""

import threading
import warnings
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from strongroom.crypto import certificates
from strongroom.crypto.certificates import UNKNOWN_KEY, load_certificate
from strongroom.errors import InvalidInput

SERIAL = 1
P256_OID = bytes.fromhex("06082a8648ce3d030107")


def certificate(*names):
    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each) for each in names])
    builder = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=SERIAL)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.1")]), critical=False)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def numbered_zero():
    """AMD's own way, which no builder makes. The signature no longer holds, which parsing does not look at."""
    version_and_number = bytes.fromhex("a003020102020101")
    assert certificate("a").count(version_and_number) == 1
    return certificate("a").replace(version_and_number, version_and_number[:-1] + b"\0")


def test_a_common_name_counts_only_where_there_is_one():
    assert [load_certificate(certificate(*names)).common_name for names in (["a"], ["a", "b"], [])] == ["a", "", ""]


def test_a_name_of_a_type_that_no_name_has_is_no_name():
    as_text, as_bits = bytes.fromhex("0c0161"), bytes.fromhex("030100")
    assert certificate("a").count(as_text) == 2
    assert load_certificate(certificate("a").replace(as_text, as_bits)).common_name == ""


def test_what_a_key_may_be_used_for_is_read():
    assert load_certificate(certificate("a")).extended_usages == {"2.23.133.8.1"}


def test_every_flipped_byte_is_refused_in_our_words_or_no_longer_signed():
    der = certificate("a")
    survivors = []
    for position in range(len(der)):
        flipped = bytearray(der)
        flipped[position] ^= 0x81
        try:
            found = load_certificate(bytes(flipped))
        except InvalidInput:
            continue
        assert isinstance(found.signature_hash, str)
        assert isinstance(found.extended_usages, frozenset)
        survivors += [position] if found.is_issued_by(found) else []
    assert survivors == []


def test_a_key_on_an_unknown_curve_is_refused_with_its_own_code():
    der = certificate("a")
    assert der.count(P256_OID) == 1
    with pytest.raises(InvalidInput) as refused:
        load_certificate(der.replace(P256_OID, P256_OID[:-1] + b"\x70"))
    assert refused.value.code == UNKNOWN_KEY


def test_the_library_does_not_warn_of_the_number_zero_whoever_parses_at_the_same_time():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=load_certificate, args=(numbered_zero(),)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert [str(each.message) for each in seen] == []


def test_the_library_still_warns_others_of_the_number_zero():
    load_certificate(numbered_zero())
    with pytest.warns(UserWarning, match="serial number which wasn't positive"):
        x509.load_der_x509_certificate(numbered_zero())


def test_silencing_adds_one_filter_however_often_it_is_done():
    with warnings.catch_warnings():
        certificates._accept_serial_zero()
        before = list(warnings.filters)
        certificates._accept_serial_zero()
        assert warnings.filters == before
