"""Quotes of a TPM: what they say, to what they are bound, whose key signed them, and how fresh they must be."""

import builtins
import socket
import time

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_tpm import (
    BOUND,
    PCRS,
    attest,
    body,
    ecc_public,
    ecdsa,
    evidence,
    key,
    name_of,
    quoted,
    refused,
    rsa_public,
    rsassa,
    signer_of,
    verified,
)
from tests.fakes.seeded_rsa import rsa_key

OTHER = key("another ak")


@pytest.mark.parametrize(("public", "sign"), [(ecc_public(), ecdsa), (rsa_public(), rsassa)], ids=["ECDSA", "RSASSA"])
def test_a_quote_is_bound_and_its_facts_are_those_it_holds(public, sign):
    untrusted = evidence(quoted(public=public, sign=sign))
    claims = verified(untrusted)
    assert (claims.kind, claims.assurance, claims.is_bound) == ("tpm2", "vtpm-untrusted", True)
    assert claims.evidence == untrusted.body
    assert claims.facts["ak_name"] == name_of(public)
    assert claims.facts["pcrs"] == PCRS
    assert claims.facts["extra_data"] == BOUND.report_data
    assert (claims.facts["reset_count"], claims.facts["restart_count"], claims.facts["clock_ms"]) == (2, 1, 61720)
    assert claims.facts["firmware_version"] == 0x2019102300163636


def test_without_a_binding_nothing_is_bound():
    assert not verified(evidence(quoted(extra_data=b"")), expected=None).is_bound


@pytest.mark.parametrize(
    "extra_data",
    [b"", b"x" * 32, BOUND.report_data + bytes(32), BOUND.report_data[:31], b"\0" + BOUND.report_data],
    ids=["none", "other", "zeros behind", "cut", "shifted"],
)
def test_a_quote_about_something_else_is_refused(extra_data):
    refused(evidence(quoted(extra_data=extra_data)), codes.BINDING, "tpm/5")


def test_a_quote_by_another_key_is_refused():
    def by_other(message):
        return ecdsa(message, OTHER)

    refused(evidence(quoted(sign=by_other)), codes.SIGNATURE, "tpm/4")

    def by_other_rsa(message):
        return rsassa(message, rsa_key("tpm other ak"))

    refused(evidence(quoted(public=rsa_public(), sign=by_other_rsa)), codes.SIGNATURE, "tpm/4")


@pytest.mark.parametrize("value", [0, 2**256 - 1], ids=["zero", "above the order"])
@pytest.mark.parametrize("name", ["r", "s"])
def test_numbers_that_are_no_signature_are_refused(name, value):
    refused(evidence(quoted(sign=lambda message: ecdsa(message, **{name: value}))), codes.SIGNATURE, "tpm/4")


def test_the_scheme_must_be_that_of_the_key():
    message = attest(signer_of(ecc_public()))
    refused(evidence(body(attest=message, signature=rsassa(message))), codes.ALGORITHM, "tpm/1 key")
    message = attest(signer_of(rsa_public()))
    mixed = body(attest=message, signature=ecdsa(message), ak_public=rsa_public())
    refused(evidence(mixed), codes.ALGORITHM, "tpm/1 key")


@pytest.mark.parametrize(
    "signer",
    [b"", signer_of(ecc_public(OTHER)), b"\x00\x04" + signer_of(ecc_public())[2:], name_of(ecc_public())],
    ids=["none", "of another key", "another digest", "of no hierarchy"],
)
def test_a_signer_that_is_not_the_key_is_refused(signer):
    public = ecc_public()
    message = attest(signer)
    refused(evidence(body(ak_public=public, attest=message, signature=ecdsa(message))), codes.IDENTITY, "tpm/3")


def test_a_clock_that_may_repeat_itself_is_refused():
    refused(evidence(quoted(safe=0)), codes.STALE, "tpm/7")


def test_values_that_were_not_quoted_are_refused():
    for pcrs, code in (
        ({**PCRS, 16: b"b" * 32}, codes.MEASUREMENT),
        ({**PCRS, 17: b"b" * 32}, codes.MALFORMED),
        ({0: PCRS[0], 7: PCRS[7]}, codes.MALFORMED),
        ({0: PCRS[7], 7: PCRS[0], 16: PCRS[16]}, codes.MEASUREMENT),
    ):
        refused(evidence(body(pcrs=pcrs)), code, "tpm/6")
    refused(evidence(quoted(digest=b"d" * 32)), codes.MEASUREMENT, "tpm/6 pcrDigest")


def test_a_quote_of_no_register_is_about_nothing_and_says_so():
    assert verified(evidence(quoted(pcrs={}))).facts["pcrs"] == {}


def test_the_highest_register_is_quoted_like_any_other():
    pcrs = {23: b"z" * 32}
    assert verified(evidence(quoted(pcrs=pcrs))).facts["pcrs"] == pcrs


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"v": 2}, codes.UNSUPPORTED_VERSION),
        ({"v": True}, codes.MALFORMED),
        ({"v": "1"}, codes.MALFORMED),
        ({"v": ...}, codes.MALFORMED),
        ({"pcrs": ...}, codes.MALFORMED),
        ({"more": 1}, codes.MALFORMED),
        ({"signature": "text"}, codes.MALFORMED),
        ({"ak_public": None}, codes.MALFORMED),
        ({"pcrs": []}, codes.MALFORMED),
        ({"pcrs": {"0": b"0" * 32}}, codes.MALFORMED),
        ({"pcrs": {-1: b"0" * 32}}, codes.MALFORMED),
        ({"pcrs": {32: b"0" * 32}}, codes.MALFORMED),
        ({"pcrs": {0: b"0" * 31}}, codes.MALFORMED),
        ({"pcrs": {0: "0" * 32}}, codes.MALFORMED),
        ({"pcrs": dict.fromkeys(range(33), b"0" * 32)}, codes.MALFORMED),
        ({"attest": bytes(4097)}, codes.TOO_LARGE),
        ({"signature": bytes(4097)}, codes.TOO_LARGE),
        ({"ak_public": bytes(4097)}, codes.TOO_LARGE),
    ],
    ids=str,
)
def test_a_body_with_other_keys_and_values_is_refused(changes, code):
    good = cbor2.loads(body())
    fields = {name: value for name, value in {**good, **changes}.items() if value is not ...}
    refused(evidence(cbor2.dumps(fields, canonical=True)), code, "tpm/1")


def test_a_body_in_another_encoding_is_malformed():
    good = body()
    fields = cbor2.loads(good)
    backwards = cbor2.dumps(dict(reversed(fields.items())))
    assert backwards != good
    twice = b"\xa6" + good[1:] + cbor2.dumps("v") + cbor2.dumps(1)
    long_number = good.replace(cbor2.dumps("v") + b"\x01", cbor2.dumps("v") + b"\x18\x01")
    assert long_number != good
    for raw in (backwards, twice, long_number, good + b"\0", good + good, b"\xbf" + good[1:] + b"\xff", b"\x80", b""):
        refused(evidence(raw), codes.MALFORMED, "tpm/1")
    for length in range(len(good)):
        refused(evidence(good[:length]), codes.MALFORMED, "tpm/1")


def test_no_flipped_byte_of_a_body_is_taken():
    good = body()
    seen = set()
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 0x41
        with pytest.raises(EvidenceRejected) as caught:
            verified(evidence(bytes(flipped)))
        seen.add(caught.value.code)
    assert {codes.SIGNATURE, codes.MALFORMED, codes.ALGORITHM, codes.MEASUREMENT} <= seen


def test_too_large_evidence_and_another_kind_are_refused_before_they_are_read():
    refused(evidence(bytes(65537)), codes.TOO_LARGE, "tpm/1 size")
    small = EvidenceLimits(evidence_bytes_max=10)
    refused(evidence(body()), codes.TOO_LARGE, "tpm/1 size", limits=small)


def test_verifying_touches_neither_clock_nor_network_nor_files(monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is a function of its arguments")

    untrusted = evidence(body())
    with monkeypatch.context() as patched:
        for place, name in (
            *((time, each) for each in ("time", "time_ns", "monotonic", "perf_counter")),
            *((socket, each) for each in ("socket", "create_connection", "getaddrinfo")),
        ):
            patched.setattr(place, name, touched)
        patched.setattr(builtins, "open", touched)
        assert verified(untrusted).is_bound
