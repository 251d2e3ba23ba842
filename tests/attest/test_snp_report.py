"""The 1184 bytes of an SEV-SNP report: every field that is empty, every length, every flipped byte."""

from dataclasses import replace

import pytest

from strongroom.attest import codes
from tests.fakes.pki_snp import (
    CPUS,
    LAYOUT,
    SIGNED_BYTES,
    leaf_key,
    made,
    made_by_vlek,
    refused,
    sign,
    unsigned,
    verified,
)

GOOD = made().evidence()
R, S, SCALAR_BYTES = 0x2A0, 0x2E8, 48
FIELDS = [place for offset, size in LAYOUT.values() for place in range(offset, offset + size)]
EMPTY = sorted(set(range(SIGNED_BYTES)) - set(FIELDS))


def with_byte(body, place, value=1):
    return body[:place] + bytes((body[place] ^ value,)) + body[place + 1 :]


def test_the_contract_leaves_as_many_bytes_empty_as_are_tested_here():
    assert len(EMPTY) == 4 + 21 + 1 + 1 + 168


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("first", [EMPTY[0], 0x18B, 0x1EB, 0x1EF, 0x1F8])
def test_a_byte_in_a_place_that_is_empty_is_malformed_also_where_it_is_signed(first, version):
    whole = unsigned(version=version, cpu=bytes(CPUS["Milan"]) if version == 3 else b"")
    places = [first] if first + 1 not in EMPTY else [first, first + 1]
    last = next(place for place in range(first, SIGNED_BYTES + 1) if place not in EMPTY) - 1
    for place in {*places, last}:
        refused(replace(GOOD, body=sign(with_byte(whole, place))), codes.MALFORMED, "snp/1 zero fields")


def test_a_processor_in_version_2_is_malformed():
    for place in (0x188, 0x189, 0x18A):
        body = sign(with_byte(unsigned(version=2, cpu=b""), place))
        refused(replace(GOOD, body=body), codes.MALFORMED, "snp/1 zero fields")


def test_every_byte_behind_the_signed_part_that_is_not_the_signature_is_zero():
    scalars = {*range(R, R + SCALAR_BYTES), *range(S, S + SCALAR_BYTES)}
    for place in range(SIGNED_BYTES, len(GOOD.body)):
        wanted = (codes.SIGNATURE, "snp/4") if place in scalars else (codes.MALFORMED, "snp/1 zero fields")
        refused(replace(GOOD, body=with_byte(GOOD.body, place)), *wanted)


def test_no_flipped_byte_of_the_signed_part_is_taken():
    for place in range(SIGNED_BYTES):
        error = refused(replace(GOOD, body=with_byte(GOOD.body, place, 0x80)), _code_at(place))
        assert error.check.startswith("snp/")


def _code_at(place):
    """What the flipped top bit of a byte is refused for."""
    if place in range(4):
        return codes.UNSUPPORTED_VERSION
    if place in range(0x34, 0x38):
        return codes.ALGORITHM
    return codes.MALFORMED if place in EMPTY else codes.SIGNATURE


def test_every_other_length_is_malformed():
    for length in (*range(len(GOOD.body)), len(GOOD.body) + 1, 2 * len(GOOD.body)):
        refused(replace(GOOD, body=(GOOD.body * 2)[:length]), codes.MALFORMED, "snp/1 length")


@pytest.mark.parametrize("version", [0, 1, 4, 5, 2**32 - 1])
def test_other_versions_are_refused(version):
    refused(made(version=version).evidence(), codes.UNSUPPORTED_VERSION, "snp/1 version")


@pytest.mark.parametrize("algorithm", [0, 2, 0x101])
def test_other_algorithms_are_refused(algorithm):
    refused(made(algorithm=algorithm).evidence(), codes.ALGORITHM, "snp/1 algorithm")


def test_a_policy_without_its_constant_bit_is_malformed():
    refused(made(policy=0x10000).evidence(), codes.MALFORMED, "snp/1 policy")


@pytest.mark.parametrize(
    ("key_info", "code"),
    [(2, codes.SIGNATURE), (7 << 2, codes.SIGNATURE), (2 << 2, codes.MALFORMED), (6 << 2, codes.MALFORMED)],
    ids=["masked", "nobody", "reserved", "the last reserved"],
)
def test_a_report_that_no_known_key_signed_is_refused(key_info, code):
    refused(made(key_info=key_info).evidence(), code, "snp/1 key_info")


def test_a_chip_beside_a_vlek_is_malformed():
    refused(made_by_vlek(chip_id=b"\1").evidence(), codes.MALFORMED, "snp/1 chip_id")


def test_an_author_key_is_a_fact():
    assert verified(made(key_info=1).evidence()).facts["has_author_key"]


@pytest.mark.parametrize("cpu", [(0x19, 0x20, 0), (0x1A, 0x12, 0), (0x17, 0x01, 0), (0, 0, 0)], ids=str)
def test_a_processor_of_an_unknown_product_is_refused(cpu):
    refused(made(cpu=bytes(cpu)).evidence(), codes.UNSUPPORTED_VERSION, "snp/7")


@pytest.mark.parametrize("cpu", [(0x19, 0x0F, 0), (0x19, 0xA0, 0), (0x19, 0xAF, 2), (0x1A, 0x11, 0)], ids=str)
def test_the_ends_of_each_range_of_processors_belong_to_it(cpu):
    product = {0x0F: "Milan", 0xA0: "Genoa", 0xAF: "Genoa", 0x11: "Turin"}[cpu[1]]
    assert verified(made(product, cpu=bytes(cpu)).evidence()).facts["product"] == product


def test_a_processor_of_another_product_than_the_chain_is_refused():
    refused(made(cpu=bytes(CPUS["Genoa"])).evidence(), codes.CHAIN, "snp/7")


def test_what_is_unsigned_is_not_judged_before_the_signature():
    body = sign(unsigned(cpu=bytes(CPUS["Genoa"])), by=leaf_key("another"))
    refused(replace(GOOD, body=body), codes.SIGNATURE, "snp/4")
