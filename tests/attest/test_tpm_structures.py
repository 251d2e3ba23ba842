"""What a TPM writes, read strictly: every cut, every byte behind the end, every other algorithm and attribute."""

import struct
from contextlib import suppress

import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.tpm_keys import parse_public
from strongroom.attest.tpm_structures import ECC, RSA, parse_attest, parse_signature
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_tpm import (
    AK,
    AK_ATTRIBUTES,
    PCRS,
    attest,
    ecc_public,
    ecdsa,
    evidence,
    name_of,
    point,
    quoted,
    refused,
    rsa_public,
    rsassa,
    signer_of,
    sized,
    verified,
)
from tests.fakes.seeded_rsa import rsa_key

READERS = [
    (parse_attest, attest(signer_of(ecc_public()))),
    (parse_signature, ecdsa(b"message")),
    (parse_signature, rsassa(b"message")),
    (parse_public, ecc_public()),
    (parse_public, rsa_public()),
]
KINDS = ["attest", "ECDSA", "RSASSA", "ECC key", "RSA key"]


def refusal(parse, untrusted):
    with pytest.raises(EvidenceRejected) as caught:
        parse("tpm", untrusted)
    return caught.value


@pytest.mark.parametrize(("parse", "good"), READERS, ids=KINDS)
def test_every_cut_and_everything_behind_the_end_is_malformed(parse, good):
    assert parse("tpm", good)
    for untrusted in (*(good[:length] for length in range(len(good))), good + b"\0", good + good):
        assert refusal(parse, untrusted).code == codes.MALFORMED, len(untrusted)


@pytest.mark.parametrize(("parse", "good"), READERS, ids=KINDS)
def test_every_flipped_byte_is_refused_in_our_words_or_read_as_something_else(parse, good):
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 0x81
        with suppress(EvidenceRejected):
            assert parse("tpm", bytes(flipped)) != parse("tpm", good), position


@pytest.mark.parametrize(
    ("changes", "code", "check"),
    [
        ({"magic": 0xFF544346}, codes.MALFORMED, "tpm/1 magic"),
        ({"type": 0x8014}, codes.MALFORMED, "tpm/1 magic"),
        ({"type": 0x8017}, codes.MALFORMED, "tpm/1 magic"),
        ({"safe": 2}, codes.MALFORMED, "tpm/1 safe"),
        ({"digest": b"d" * 31}, codes.MALFORMED, "tpm/1 pcrDigest"),
        ({"digest": b"d" * 48}, codes.MALFORMED, "tpm/1 pcrDigest"),
        ({"banks": []}, codes.MALFORMED, "tpm/6"),
        ({"banks": [(0x000B, b"\1\0\0"), (0x0004, b"\1\0\0")]}, codes.MALFORMED, "tpm/6"),
        ({"banks": [(0x000B, b"\1\0\0")] * 2}, codes.MALFORMED, "tpm/6"),
        ({"banks": [(0x0004, b"\1\0\0")]}, codes.ALGORITHM, "tpm/6"),
        ({"banks": [(0x000C, b"\1\0\0")]}, codes.ALGORITHM, "tpm/6"),
        ({"banks": [(0x000B, bytes(5))]}, codes.MALFORMED, "tpm/6"),
    ],
    ids=str,
)
def test_a_quote_of_another_shape_is_refused_though_it_is_signed(changes, code, check):
    refused(evidence(quoted(**changes)), code, check)


def test_a_bitmap_may_be_as_short_as_the_registers_it_names_and_four_bytes_long():
    for bitmap in (b"\x81\x00\x01", b"\x81\x00\x01\x00"):
        assert verified(evidence(quoted(banks=[(0x000B, bitmap)]))).facts["pcrs"] == PCRS
    highest = {31: b"h" * 32}
    assert verified(evidence(quoted(pcrs=highest, banks=[(0x000B, b"\0\0\0\x80")]))).facts["pcrs"] == highest


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (struct.pack(">HH", 0x0010, 0x000B), codes.ALGORITHM),
        (struct.pack(">HH", 0x0016, 0x000B) + sized(b"s" * 256), codes.ALGORITHM),
        (struct.pack(">HH", 0x0014, 0x0004) + sized(b"s" * 256), codes.ALGORITHM),
        (struct.pack(">HH", 0x0014, 0x000B) + sized(b"s" * 255), codes.ALGORITHM),
        (struct.pack(">HH", 0x0014, 0x000B) + sized(b"s" * 512), codes.ALGORITHM),
        (ecdsa(b"message", hash_alg=0x000C), codes.ALGORITHM),
        (ecdsa(b"message", width=33), codes.MALFORMED),
    ],
    ids=["null", "RSAPSS", "SHA-1", "255 bytes", "4096 bits", "SHA-384", "33 bytes"],
)
def test_a_signature_of_another_algorithm_is_refused(raw, code):
    assert refusal(parse_signature, raw).code == code


def test_the_limit_of_a_message_is_that_of_the_settings():
    small = EvidenceLimits(tpm_message_bytes_max=60)
    refused(evidence(quoted()), codes.TOO_LARGE, "tpm/1", limits=small)


def test_a_key_is_named_by_all_of_its_public_area():
    key = parse_public("tpm", ecc_public())
    assert (key.key_type, key.name, key.key.kind) == (ECC, name_of(ecc_public()), "ECDSA P-256")
    assert parse_public("tpm", ecc_public(policy=b"p" * 32)).name != key.name
    assert parse_public("tpm", rsa_public()).key_type == RSA


def test_an_exponent_is_written_as_zero_or_in_full():
    short, full = (parse_public("tpm", rsa_public(exponent=each)).key.spki() for each in (0, 65537))
    assert short == full


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        (AK_ATTRIBUTES & ~(1 << 1), "not fixedTPM"),
        (AK_ATTRIBUTES & ~(1 << 4), "not fixedParent"),
        (AK_ATTRIBUTES & ~(1 << 5), "not sensitiveDataOrigin"),
        (AK_ATTRIBUTES & ~(1 << 16), "not restricted"),
        (AK_ATTRIBUTES & ~(1 << 18), "not sign"),
        (AK_ATTRIBUTES | 1 << 17, "decrypt"),
        (0, "not fixedTPM, not fixedParent"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_key_that_could_have_signed_something_else_is_refused(attributes, said):
    for public, sign in ((ecc_public(attributes=attributes), ecdsa), (rsa_public(attributes=attributes), rsassa)):
        error = refused(evidence(quoted(public=public, sign=sign)), codes.IDENTITY, "tpm/2 attributes")
        assert said in error.got


@pytest.mark.parametrize(
    "public",
    [
        ecc_public(name_alg=0x000C),
        ecc_public(parameters=(0x0006, 0x0018, 0x000B, 0x0003, 0x0010)),
        ecc_public(parameters=(0x0010, 0x0010, 0x000B, 0x0003, 0x0010)),
        ecc_public(parameters=(0x0010, 0x0018, 0x000C, 0x0003, 0x0010)),
        ecc_public(parameters=(0x0010, 0x0018, 0x000B, 0x0004, 0x0010)),
        ecc_public(parameters=(0x0010, 0x0018, 0x000B, 0x0003, 0x0020)),
        rsa_public(parameters=(0x0010, 0x0016, 0x000B, 2048)),
        rsa_public(parameters=(0x0010, 0x0014, 0x000B, 4096)),
        rsa_public(exponent=3),
        rsa_public(rsa_key("tpm ak"), modulus=b"\1" + bytes(254)),
        rsa_public(modulus=b"\0" * 128 + b"\xff" * 128),
        b"\x00\x08" + ecc_public()[2:],
    ],
    ids=[
        *("named by SHA-384", "symmetric", "no scheme", "SHA-384", "P-384", "kdf"),
        *("RSAPSS", "4096 bits", "exponent 3", "255 bytes", "1024 bits", "a hash"),
    ],
)
def test_a_key_of_another_algorithm_is_refused(public):
    assert refusal(parse_public, public).code == codes.ALGORITHM


@pytest.mark.parametrize(
    "public",
    [
        ecc_public(unique=sized(b"x" * 32) + sized(b"y" * 32)),
        ecc_public(unique=sized(b"") + sized(b"")),
        ecc_public(unique=sized(b"\0" + b"x" * 32) + point(AK)[34:]),
        ecc_public(policy=b"p" * 31),
    ],
    ids=["not on the curve", "the template", "33 bytes", "half a policy"],
)
def test_a_public_area_that_is_no_key_is_malformed(public):
    assert refusal(parse_public, public).code == codes.MALFORMED


def test_numbers_at_their_limits_are_no_rsa_key():
    assert refusal(parse_public, rsa_public(modulus=bytes(256))).code in {codes.MALFORMED, codes.ALGORITHM}
    assert isinstance(parse_public("tpm", rsa_public(modulus=b"\xff" * 256)).key, PublicKey)
