"""SEV-SNP reports of a test PKI: what they may hold, to what they are bound, and which chain suits them."""

import builtins
import socket
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_snp import (
    AMD,
    BOUND,
    CHIP,
    CSP_ID,
    NOW,
    OIDS,
    TCB,
    TCB_PLACES,
    chain,
    integer,
    issuer,
    leaf,
    leaf_fields,
    leaf_key,
    made,
    made_by_vlek,
    refused,
    root,
    sign,
    tcb,
    text,
    unsigned,
    verified,
)
from tests.fakes.seeded_rsa import rsa_key

GOOD = made().evidence()


@pytest.mark.parametrize("product", TCB_PLACES)
def test_a_report_of_each_product_is_bound_and_its_facts_are_those_it_holds(product):
    untrusted = made(product, vmpl=2, policy=0xF0000, platform_info=0x11, guest_svn=7).evidence()
    claims = verified(untrusted)
    assert (claims.kind, claims.assurance, claims.is_bound) == ("sev-snp", "hardware", True)
    assert claims.evidence == untrusted.body
    wanted = {
        "product": product,
        "signing_key": "vcek",
        "vmpl": 2,
        "guest_svn": 7,
        "measurement": b"m" * 48,
        "host_data": b"h" * 32,
        "report_data": BOUND.report_data + bytes(32),
        "reported_tcb": {name: TCB[name] for name in TCB_PLACES[product]},
        "current_firmware": (1, 55, 29),
        "committed_firmware": (1, 55, 28),
        "debug": True,
        "migrate_ma": True,
        "smt_allowed": True,
        "single_socket": False,
        "smt_enabled": True,
        "ciphertext_hiding": True,
    }
    assert {name: claims.facts[name] for name in wanted} == wanted
    assert "csp_id" not in claims.facts


def test_each_tcb_is_told_by_itself():
    found = verified(
        made(
            current_tcb=tcb(snp=9), committed_tcb=tcb(snp=8), launch_tcb=tcb(snp=7), reported_tcb=tcb(snp=23)
        ).evidence()
    ).facts
    names = ("current_tcb", "committed_tcb", "launch_tcb", "reported_tcb")
    assert [found[name]["snp"] for name in names] == [9, 8, 7, 23]


def test_a_report_signed_by_a_vlek_names_the_provider():
    claims = verified(made_by_vlek().evidence())
    assert (claims.facts["signing_key"], claims.facts["csp_id"]) == ("vlek", CSP_ID)


def test_version_2_takes_its_product_from_the_leaf():
    claims = verified(made("Genoa", version=2, cpu=b"").evidence())
    assert (claims.facts["product"], claims.facts["cpu"]) == ("Genoa", None)


def test_without_a_binding_nothing_is_bound():
    assert not verified(made(report_data=b"x" * 64).evidence(), expected=None).is_bound


@pytest.mark.parametrize(
    "report_data",
    [b"", b"x" * 32, BOUND.report_data + b"\1", BOUND.report_data * 2, bytes(32) + BOUND.report_data],
    ids=["zero", "other", "tail not zero", "twice", "shifted"],
)
def test_a_report_about_something_else_is_refused(report_data):
    refused(made(report_data=report_data).evidence(), codes.BINDING, "snp/8")


def test_evidence_of_another_kind_and_too_large_evidence_is_refused_before_it_is_read():
    refused(replace(GOOD, kind="nitro"), codes.UNSUPPORTED_KIND, "snp/1")
    refused(replace(GOOD, body=bytes(65537)), codes.TOO_LARGE, "snp/1")


def test_a_signature_by_another_key_is_refused():
    body = sign(unsigned(), by=leaf_key("another chip"))
    refused(replace(GOOD, body=body), codes.SIGNATURE, "snp/4")


@pytest.mark.parametrize("value", [0, 2**384 - 1], ids=["zero", "above the order"])
@pytest.mark.parametrize("name", ["r", "s"])
def test_numbers_that_are_no_signature_are_refused(name, value):
    refused(replace(GOOD, body=sign(unsigned(), **{name: value})), codes.SIGNATURE, "snp/4")


def test_the_chain_must_be_the_one_that_the_report_names():
    refused(replace(GOOD, endorsements=chain(is_vlek=True)), codes.CHAIN, "snp/2 roles")
    refused(replace(made_by_vlek().evidence(), endorsements=chain()), codes.CHAIN, "snp/2 roles")
    mixed = (leaf(), issuer(is_vlek=True), root())
    refused(replace(GOOD, endorsements=mixed), codes.CHAIN, "snp/2 roles")


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0), (0, 1), (0,), (), (0, 1, 1), (0, 1, 2, 2)])
def test_a_chain_in_another_order_or_of_another_length_is_refused(order):
    endorsements = tuple(chain()[place] for place in order)
    refused(replace(GOOD, endorsements=endorsements), codes.CHAIN, "snp/2")


def test_a_chain_of_another_product_is_refused():
    refused(replace(GOOD, endorsements=chain("Genoa")), codes.CHAIN, "snp/7 product")
    refused(replace(GOOD, endorsements=(leaf(), issuer("Genoa"), root("Genoa"))), codes.CHAIN, "snp/2 chain")
    refused(replace(GOOD, endorsements=(leaf(), issuer(), root("Genoa"))), codes.CHAIN, "snp/2 roles")
    refused(replace(GOOD, endorsements=chain("Naples", fields=leaf_fields())), codes.CHAIN, "snp/2 root")
    other = chain(fields={**leaf_fields(), f"{AMD}.2": text("Genoa")})
    refused(replace(GOOD, endorsements=other), codes.CHAIN, "snp/7 product")


def test_a_root_that_is_not_pinned_is_refused_whatever_its_name():
    refused(GOOD, codes.ANCHOR, "snp/2", anchors=frozenset())
    own = (leaf(), issuer(), root(begins=NOW - timedelta(days=3), lives=timedelta(days=9)))
    refused(replace(GOOD, endorsements=own), codes.ANCHOR, "snp/2")


def test_each_certificate_must_be_valid_now():
    refused(GOOD, codes.EXPIRED, "snp/2", now=NOW + timedelta(days=2))
    refused(GOOD, codes.NOT_YET_VALID, "snp/2", now=NOW - timedelta(days=2))
    short = {"begins": NOW - timedelta(hours=2), "lives": timedelta(hours=1)}
    refused(replace(GOOD, endorsements=chain(**short)), codes.EXPIRED, "snp/2")
    refused(replace(GOOD, endorsements=(leaf(), issuer(**short), root())), codes.EXPIRED, "snp/2")


def test_a_leaf_may_not_issue_and_an_issuer_must_be_allowed_to():
    refused(replace(GOOD, endorsements=chain(ca=True)), codes.CHAIN, "snp/2")
    refused(replace(GOOD, endorsements=(leaf(), issuer(ca=False), root())), codes.CHAIN, "snp/2")


def test_a_leaf_signed_by_someone_else_is_refused():
    refused(replace(GOOD, endorsements=chain(signer=rsa_key("snp ark"))), codes.CHAIN, "snp/2 chain")


def test_keys_and_signatures_of_other_algorithms_are_refused():
    p256 = leaf_key("small", ec.SECP256R1).public_key()
    for changes in (
        {"public": p256},
        {"public": rsa_key("snp ark").public_key()},
        {"rsa_padding": padding.PKCS1v15()},
        {"hashed": SHA256()},
        {"signer": leaf_key("an issuer on a curve")},
    ):
        refused(replace(GOOD, endorsements=chain(**changes)), codes.ALGORITHM, "snp/2 algorithm")
    small = issuer(public=rsa_key("tpm ak").public_key())
    refused(replace(GOOD, endorsements=(leaf(), small, root())), codes.ALGORITHM, "snp/2 algorithm")


def test_a_chain_beyond_the_limits_is_refused_before_it_is_read():
    refused(replace(GOOD, endorsements=chain() * 3), codes.TOO_LARGE, "snp/2")
    refused(replace(GOOD, endorsements=(bytes(4097), *chain()[1:])), codes.TOO_LARGE, "snp/2")
    refused(GOOD, codes.TOO_LARGE, "snp/2", limits=EvidenceLimits(endorsements_bytes_max=2000))


def test_what_is_no_certificate_is_malformed():
    for junk in (b"", b"\x30\x00", chain()[0] + b"\0", chain()[0][:-1]):
        refused(replace(GOOD, endorsements=(junk, *chain()[1:])), codes.MALFORMED, "snp/2")


@pytest.mark.parametrize("name", ["bl", "tee", "snp", "ucode"])
def test_a_leaf_for_other_firmware_is_refused(name):
    other = chain(fields={**leaf_fields(), OIDS[name]: integer(TCB[name] + 1)})
    error = refused(replace(GOOD, endorsements=other), codes.TCB, "snp/5")
    assert f"{name} {TCB[name] + 1}" in error.wanted


def test_turin_has_one_more_component():
    fields = leaf_fields("Turin")
    other = chain("Turin", fields={**fields, OIDS["fmc"]: integer(3)})
    refused(replace(made("Turin").evidence(), endorsements=other), codes.TCB, "snp/5")
    del fields[OIDS["fmc"]]
    refused(replace(made("Turin").evidence(), endorsements=chain("Turin", fields=fields)), codes.MALFORMED, "snp/5 fmc")


@pytest.mark.parametrize(
    "value", ["", "0201", "020100ff", "02020004", "020180", "02020100", "040104", "02050000000004"]
)
def test_a_component_that_is_no_small_number_is_malformed(value):
    other = chain(fields={**leaf_fields(), OIDS["bl"]: bytes.fromhex(value)})
    refused(replace(GOOD, endorsements=other), codes.MALFORMED, "snp/5 bl")


def test_a_leaf_of_another_chip_is_refused():
    other = chain(fields={**leaf_fields(), f"{AMD}.4": CHIP[::-1]})
    refused(replace(GOOD, endorsements=other), codes.IDENTITY, "snp/6")
    refused(made(chip_id=b"").evidence(), codes.IDENTITY, "snp/6")
    refused(made("Turin", chip_id=CHIP).evidence(), codes.IDENTITY, "snp/6")


def test_a_chip_may_be_wrapped_in_an_octet_string():
    wrapped = chain(fields={**leaf_fields(), f"{AMD}.4": b"\x04\x40" + CHIP})
    assert verified(replace(GOOD, endorsements=wrapped)).facts["chip_id"] == CHIP
    fields = {**leaf_fields("Turin"), f"{AMD}.4": b"\x04\x08" + CHIP[:8]}
    assert verified(replace(made("Turin").evidence(), endorsements=chain("Turin", fields=fields))).is_bound


@pytest.mark.parametrize(
    "value", [b"", CHIP[:-1], CHIP + b"\0", b"\x04\x3f" + CHIP], ids=["none", "short", "long", "lie"]
)
def test_a_chip_of_another_size_is_malformed(value):
    other = chain(fields={**leaf_fields(), f"{AMD}.4": value})
    refused(replace(GOOD, endorsements=other), codes.MALFORMED, "snp/6")


@pytest.mark.parametrize("value", [None, b"", b"\x16\x00", b"\x0c\x01a", b"\x16\x05ab", b"\x16\x01\xff"])
def test_a_provider_that_is_no_text_is_malformed(value):
    fields = leaf_fields(is_vlek=True)
    fields[f"{AMD}.5"] = value
    fields = {oid: each for oid, each in fields.items() if each is not None}
    other = chain(is_vlek=True, fields=fields)
    refused(replace(made_by_vlek().evidence(), endorsements=other), codes.MALFORMED, "snp/6 CSP id")


def test_no_flipped_byte_of_a_leaf_makes_it_another_that_is_taken():
    der = chain()[0]
    for position in range(0, len(der), 7):
        flipped = bytearray(der)
        flipped[position] ^= 0x41
        with pytest.raises(EvidenceRejected) as caught:
            verified(replace(GOOD, endorsements=(bytes(flipped), *chain()[1:])))
        assert caught.value.code in {codes.MALFORMED, codes.ALGORITHM, codes.CHAIN}, position


def test_verifying_touches_neither_clock_nor_network_nor_files(monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is a function of its arguments")

    evidence = made().evidence()
    with monkeypatch.context() as patched:
        for place, name in (
            *((time, each) for each in ("time", "time_ns", "monotonic", "perf_counter")),
            *((socket, each) for each in ("socket", "create_connection", "getaddrinfo")),
        ):
            patched.setattr(place, name, touched)
        patched.setattr(builtins, "open", touched)
        claims = verified(evidence)
    assert claims.is_bound
