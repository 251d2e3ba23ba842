"""COSE_Sign1: the golden result, one form around the items, and a signature over what came."""

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.cose import Sign1, check_eddsa, make_sign1, parse_sign1
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected
from tests.fakes.golden_release import EXECUTION_KEY, golden

GOLDEN = golden("result", "cose_sign1")
PUBLIC = PublicKey.of_ed25519(EXECUTION_KEY.public)


def refused(untrusted, **changes):
    with pytest.raises(EvidenceRejected) as caught:
        parse_sign1("here", untrusted, **changes)
    assert (caught.value.code, caught.value.check) == (codes.MALFORMED, "here")


def test_the_golden_result_is_taken_apart_verified_and_made_again():
    document = parse_sign1("here", GOLDEN, needs_tag=True)
    check_eddsa("here", document, PUBLIC)
    header = cbor2.loads(document.protected)
    assert header.pop(1) == -8
    assert make_sign1(EXECUTION_KEY, header, document.payload) == GOLDEN


def test_the_tag_may_be_absent_only_where_it_need_not_be_there():
    assert parse_sign1("here", GOLDEN[1:]) == parse_sign1("here", GOLDEN)
    refused(GOLDEN[1:], needs_tag=True)
    refused(b"\xd2" + GOLDEN)


def test_what_is_verified_are_the_bytes_that_came():
    header, payload = b"\xb8\x01\x18\x01\x27", b"\xbf\xff"
    unsigned = Sign1(header, payload, b"")
    assert unsigned.to_be_signed == b"\x84\x6aSignature1\x45" + header + b"\x40\x42" + payload
    signature = EXECUTION_KEY.sign_raw(unsigned.to_be_signed)
    found = parse_sign1("here", cbor2.dumps([header, {}, payload, signature]))
    assert found == Sign1(header, payload, signature)
    check_eddsa("here", found, PUBLIC)


def test_every_flipped_bit_is_refused():
    for bit in range(len(GOLDEN) * 8):
        flipped = bytearray(GOLDEN)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceRejected) as caught:
            check_eddsa("here", parse_sign1("here", bytes(flipped), needs_tag=True), PUBLIC)
        assert caught.value.code in {codes.MALFORMED, codes.SIGNATURE}


def test_every_cut_and_every_byte_after_it_is_refused():
    for length in range(len(GOLDEN)):
        refused(GOLDEN[:length])
    refused(GOLDEN + b"\0")


def test_another_key_verifies_nothing():
    other = PublicKey.of_ed25519(bytes(31) + b"\1")
    with pytest.raises(EvidenceRejected) as caught:
        check_eddsa("there", parse_sign1("here", GOLDEN), other)
    assert (caught.value.code, caught.value.check) == (codes.SIGNATURE, "there")


@pytest.mark.parametrize(
    "items",
    [[b"", {}, b""], [b"", {1: 2}, b"", b""], [b"", [], b"", b""], [b"", {}, None, b""], ["", {}, b"", b""], {}, 1],
    ids=["three", "unprotected", "array", "no payload", "text", "map", "number"],
)
def test_other_items_are_malformed(items):
    refused(cbor2.dumps(items))
    refused(b"\xd2" + cbor2.dumps(items))
