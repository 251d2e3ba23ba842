"""Revocation lists: who signed one, whom it names, and what is none."""

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding

from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.revocation import load_revocation_list
from strongroom.errors import InvalidInput
from tests.fakes.der import wrapped
from tests.fakes.pki_dcap import ISSUED, NEXT, Platform, certificate, key, revocations


def loaded(subject, issuer, **named):
    return load_certificate(certificate(subject, issuer, **named).public_bytes(Encoding.DER))


def listed(*arguments):
    return load_revocation_list(bytes.fromhex(revocations(*arguments)))


def test_a_list_says_from_when_to_when_it_speaks_and_whom_it_revokes():
    found = listed("Root", ("Bad", "Worse"))
    assert (found.this_update, found.next_update) == (ISSUED, NEXT)
    assert found.revokes(loaded("Bad", "Root"))
    assert found.revokes(loaded("Worse", "Root"))
    assert not found.revokes(loaded("Good", "Root"))
    assert not listed("Root").revokes(loaded("Bad", "Root"))


def test_a_list_is_signed_by_one_authority_of_one_name():
    found = listed("Root", ("Bad",))
    assert found.is_signed_by(loaded("Root", "Root"))
    assert not found.is_signed_by(loaded("Other", "Root"))
    same_key = certificate("Other name", "Root", curve_key=key("Root"))
    assert not found.is_signed_by(load_certificate(same_key.public_bytes(Encoding.DER))), "the name is another"


def test_a_key_that_signs_nothing_signed_no_list():
    agreement = x25519.X25519PrivateKey.from_private_bytes(bytes(range(32)))
    assert not listed("Root").is_signed_by(loaded("Root", "Root", curve_key=agreement))


def test_a_list_that_was_changed_is_not_signed():
    raw = bytes.fromhex(revocations("Root", ("Bad",)))
    mutated = raw[:-1] + bytes([raw[-1] ^ 1])
    assert not load_revocation_list(mutated).is_signed_by(loaded("Root", "Root"))


def test_whatever_is_no_list_is_refused():
    raw = bytes.fromhex(revocations("Root", ()))
    leaf = Platform().chain()[0].public_bytes(Encoding.DER)
    for wrong in (b"", b"\0", raw[:-1], raw + b"\0", leaf):
        with pytest.raises(InvalidInput) as caught:
            load_revocation_list(wrong)
        assert caught.value.code == "SR-CERT-008"


def test_a_list_of_an_unknown_version_is_refused():
    raw = bytes.fromhex(revocations("Root", ()))
    version = bytes.fromhex("020101")
    assert raw.index(version) < 10
    with pytest.raises(InvalidInput) as caught:
        load_revocation_list(raw.replace(version, version[:-1] + b"\x11", 1))
    assert caught.value.code == "SR-CERT-008"


def test_a_list_must_say_until_when_it_speaks():
    with pytest.raises(InvalidInput) as caught:
        load_revocation_list(_endless())
    assert caught.value.code == "SR-CERT-009"


def _endless():
    """A list without its optional second time, made by cutting it out of another one."""
    raw = bytes.fromhex(revocations("Root", ()))
    moment = NEXT.strftime("%y%m%d%H%M%SZ").encode()
    element = wrapped(0x17, moment)
    assert raw.count(element) == 1

    def content(data):
        size = data[1]
        start = 2 if size < 0x80 else 2 + (size & 0x7F)
        length = size if size < 0x80 else int.from_bytes(data[2:start], "big")
        return data[start : start + length], data[start + length :]

    outer, _ = content(raw)
    signed, rest = content(outer)
    return wrapped(0x30, wrapped(0x30, signed.replace(element, b"")) + rest)
