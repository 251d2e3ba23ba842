"""Nitro documents whose structure, algorithm or signature is another than the one form that there is."""

import cbor2
import pytest

from strongroom.attest import codes
from tests.fakes.pki_nitro import Signed, document, evidence, payload, refused

P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


@pytest.mark.parametrize(
    "changes",
    [{name: ...} for name in payload()]
    + [{"another": 1}]
    + [
        {"module_id": value}
        for value in (1, b"i-1-enc2", "", "i-1", "-enc2", "i-1-enc", "i-1-encXY", "i-\n1-enc2", "i" * 97 + "-enc2")
    ]
    + [{"digest": 1}, {"digest": None}]
    + [{"timestamp": value} for value in (0, -1, True, None, 1.5, "1", b"1")]
    + [{"pcrs": value} for value in (None, [], {}, {True: bytes(48)}, {-1: bytes(48)}, {32: bytes(48)})]
    + [{"pcrs": {0: value}} for value in (None, "", b"", bytes(31), bytes(47), bytes(49), bytes(65))]
    + [{"pcrs": {"0": bytes(48)}}]
    + [{"certificate": value} for value in (None, "", b"", b"\x30" * 1025, b"no DER")]
    + [{"cabundle": value} for value in (None, b"", [], {}, [None], [b""], [b"\x30" * 1025], [b"no DER"])]
    + [{name: value} for name in ("public_key", "user_data", "nonce") for value in (1, "text", bytes(1025), [])],
    ids=lambda changes: " ".join(f"{name}={str(value)[:24]!a}" for name, value in changes.items()),
)
def test_a_field_that_is_not_as_it_must_be_is_malformed(changes):
    refused(document(**changes), codes.MALFORMED, "nitro/3", expected=None)


@pytest.mark.parametrize(
    "untrusted",
    [
        b"",
        b"\xd2",
        b"\xd2\xd2" + document().body,
        b"\xd8\x12" + document().body,
        b"\xd1" + document().body,
        document().body + b"\0",
        b"\x98\x04" + document().body[1:],
        b"\x9f" + document().body[1:] + b"\xff",
        document().body.replace(b"\xa0", b"\xbf\xff", 1),
        document().body.replace(b"\xa0", b"\xa1\x01\x02", 1),
        document().body.replace(b"\xa0", b"\x80", 1),
        document().body.replace(b"\x44\xa1", b"\x58\x04\xa1", 1),
        cbor2.dumps([1, {}, b"", b""]),
        cbor2.dumps([b"", {}, None, b""]),
        cbor2.dumps([b"", {}, b""]),
        cbor2.dumps([b"", {}, b"", b"", b""]),
        cbor2.dumps({}),
        cbor2.dumps(b""),
        b"\x81" * 4000,
        b"\x5b" + b"\xff" * 8,
        b"\x9b" + b"\xff" * 8,
    ],
    ids=[
        "empty",
        "tag only",
        "two tags",
        "tag in two bytes",
        "another tag",
        "a byte after it",
        "long array",
        "indefinite array",
        "indefinite header",
        "unprotected header",
        "header is an array",
        "long string",
        "header is a number",
        "no payload",
        "three items",
        "five items",
        "map",
        "string",
        "deep",
        "endless string",
        "endless array",
    ],
)
def test_what_is_no_document_is_malformed(untrusted):
    refused(evidence(untrusted), codes.MALFORMED, "nitro/1")


@pytest.mark.parametrize(
    "inner",
    [
        b"\xf6",
        cbor2.dumps([]),
        cbor2.dumps(payload()) + b"\0",
        b"\xc0" + cbor2.dumps(payload()),
        b"\xaa" + cbor2.dumps(payload())[1:] + cbor2.dumps("nonce") + cbor2.dumps(b"n" * 32),
        cbor2.dumps(payload()).replace(b"\x64pcrs\xb0\x00", b"\x64pcrs\xb0\x01", 1),
        b"\xa1" + b"\x81" * 20 + b"\x01",
    ],
    ids=["null", "array", "a byte after it", "tag", "key twice", "register twice", "deep"],
)
def test_a_payload_that_is_no_map_of_its_own_is_malformed(inner):
    refused(evidence(Signed(inner).body()), codes.MALFORMED, "nitro/3")


@pytest.mark.parametrize(
    "header",
    [{1: -7}, {1: -36}, {1: -8}, {1: "ES384"}, {1: -35, 4: b""}, {}, {2: -35}],
    ids=["ES256", "ES512", "EdDSA", "as text", "key id", "none", "another label"],
)
def test_another_algorithm_is_refused(header):
    refused(evidence(Signed(protected=cbor2.dumps(header)).body()), codes.ALGORITHM, "nitro/2")


def test_an_algorithm_in_another_form_is_refused():
    refused(evidence(Signed(protected=b"\xb8\x01" + cbor2.dumps(1) + b"\x38\x22").body()), codes.ALGORITHM, "nitro/2")


def test_another_digest_is_refused():
    refused(document(digest="SHA256"), codes.ALGORITHM, "nitro/3")


@pytest.mark.parametrize(
    "signature",
    [
        bytes(96),
        bytes(48) + b"\1" * 48,
        b"\1" * 48 + bytes(48),
        P384_ORDER.to_bytes(48, "big") * 2,
        b"\xff" * 96,
        Signed().signature[48:] + Signed().signature[:48],
    ],
    ids=["zero", "r zero", "s zero", "the order", "above the order", "r and s swapped"],
)
def test_a_signature_of_bad_numbers_is_refused(signature):
    refused(evidence(Signed().body(signature=signature)), codes.SIGNATURE, "nitro/8")


@pytest.mark.parametrize("size", [1, 64, 95, 97, 132])
def test_a_signature_of_another_size_is_malformed(size):
    refused(evidence(Signed().body(signature=b"\1" * size)), codes.MALFORMED, "nitro/8")
