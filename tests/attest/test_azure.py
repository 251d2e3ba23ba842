"""Azure's SEV-SNP with a vTPM, of a test PKI: every link from AMD's root to the quote, and what breaks each."""

import builtins
import socket
import time
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.errors import EvidenceRejected
from tests.fakes import pki_snp
from tests.fakes.pki_azure import BOUND, HCL_BYTES, NOW, PCRS, body, evidence, hcl, jwk, refused, runtime, verified
from tests.fakes.pki_tpm import ecdsa, rsassa
from tests.fakes.seeded_rsa import rsa_key

OTHER_AK = rsa_key("tpm other ak")
FLIP_STRIDE_BYTES = 5
JSON_OFFSET = 0x4D4


def test_a_quote_is_bound_and_its_facts_are_those_of_report_and_quote():
    claims = verified(evidence())
    assert (claims.kind, claims.assurance, claims.is_bound) == ("az-snp-vtpm", "hardware", True)
    assert claims.facts["extra_data"] == BOUND.report_data
    assert claims.facts["report_data"] == sha256(runtime()).digest() + bytes(32)
    assert claims.facts["measurement"] == b"m" * 48
    assert claims.facts["product"] == "Milan"
    assert claims.facts["pcrs"] == PCRS


def test_what_is_kept_is_the_same_with_and_without_padding():
    claims = [verified(evidence(body(report=hcl(size=size)))) for size in (HCL_BYTES, HCL_BYTES - 1, 0)]
    assert {each.evidence for each in claims} == {body(report=hcl(size=0))}
    assert verified(evidence(claims[0].evidence)).evidence == claims[0].evidence


def test_version_1_of_the_report_around_is_taken_and_without_a_binding_nothing_is_bound():
    assert not verified(evidence(body(report=hcl(header={"version": 1}), extra_data=b"")), expected=None).is_bound


@pytest.mark.parametrize("extra_data", [b"", b"x" * 32, BOUND.report_data + bytes(16)], ids=["none", "other", "longer"])
def test_a_quote_about_something_else_is_refused(extra_data):
    refused(evidence(body(extra_data=extra_data)), codes.BINDING, "azure tpm/5")


def test_a_report_that_is_bound_itself_does_not_bind_the_quote():
    """The report's data vouches for the JSON and for nothing else."""
    report = hcl(report_data=BOUND.report_data)
    refused(evidence(body(report=report)), codes.BINDING, "azure/2")


def test_a_quote_by_another_key_than_the_json_names_is_refused():
    def by_other(message):
        return rsassa(message, OTHER_AK)

    refused(evidence(body(sign=by_other)), codes.SIGNATURE, "azure tpm/4")
    assert verified(evidence(body(sign=by_other, report=hcl(runtime(jwk(OTHER_AK)))))).is_bound


def test_a_json_that_the_report_does_not_vouch_for_is_refused():
    vouched = hcl()
    forged = hcl(runtime(jwk(OTHER_AK)), snp=vouched[0x20:0x4C0])
    refused(evidence(body(report=forged, sign=lambda message: rsassa(message, OTHER_AK))), codes.BINDING, "azure/2")
    tail = sha256(runtime()).digest() + b"\1"
    refused(evidence(body(report=hcl(report_data=tail))), codes.BINDING, "azure/2")


def test_the_report_is_verified_as_any_other():
    other = pki_snp.leaf_key("another chip")
    snp = pki_snp.sign(pki_snp.unsigned(report_data=sha256(runtime()).digest()), by=other)
    refused(evidence(body(report=hcl(snp=snp))), codes.SIGNATURE, "azure snp/4")
    refused(evidence(body(report=hcl(version=5))), codes.UNSUPPORTED_VERSION, "azure snp/1")
    refused(evidence(body(report=hcl(chip_id=b"c" * 64))), codes.IDENTITY, "azure snp/6")
    refused(evidence(), codes.ANCHOR, "azure snp/2", anchors=frozenset())
    refused(evidence(), codes.EXPIRED, "azure snp/2", now=NOW + timedelta(days=2))
    refused(evidence(endorsements=()), codes.CHAIN, "azure snp/2")
    refused(evidence(endorsements=pki_snp.chain()), codes.CHAIN, "azure snp/2")
    refused(evidence(endorsements=(pki_snp.root(), pki_snp.issuer())), codes.CHAIN, "azure snp/2")


def test_the_quote_is_verified_as_any_other():
    refused(evidence(body(safe=0)), codes.STALE, "azure tpm/7")
    refused(evidence(body(digest=b"d" * 32)), codes.MEASUREMENT, "azure tpm/6")
    refused(evidence(body(magic=1)), codes.MALFORMED, "azure tpm/1")
    refused(evidence(body(sign=ecdsa)), codes.ALGORITHM, "azure tpm/1 key")
    refused(evidence(body(more={"attest": bytes(4097)})), codes.TOO_LARGE, "azure tpm/1")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"header": {"magic": b"HCLB"}}, codes.MALFORMED),
        ({"header": {"version": 0}}, codes.UNSUPPORTED_VERSION),
        ({"header": {"version": 3}}, codes.UNSUPPORTED_VERSION),
        ({"header": {"size": 0}}, codes.MALFORMED),
        ({"header": {"size": HCL_BYTES}}, codes.MALFORMED),
        ({"header": {"type": 1}}, codes.MALFORMED),
        ({"header": {"status": 1}}, codes.MALFORMED),
        ({"header": {"empty": bytes(11) + b"\1"}}, codes.MALFORMED),
        ({"runtime_header": {"size": 0}}, codes.MALFORMED),
        ({"runtime_header": {"version": 2}}, codes.UNSUPPORTED_VERSION),
        ({"runtime_header": {"type": 4}}, codes.ALGORITHM),
        ({"runtime_header": {"digest": 2}}, codes.ALGORITHM),
        ({"runtime_header": {"json": 0}}, codes.MALFORMED),
        ({"runtime_header": {"json": 2**32 - 1}}, codes.MALFORMED),
        ({"tail": b"\1"}, codes.MALFORMED),
        ({"size": HCL_BYTES + 1}, codes.MALFORMED),
    ],
    ids=str,
)
def test_a_report_around_of_another_layout_is_refused(changes, code):
    refused(evidence(body(report=hcl(**changes))), code, "azure/1")


def test_sizes_that_fit_each_other_and_nothing_else_are_refused():
    size = len(runtime()) + 3000
    changes = {"header": {"size": JSON_OFFSET + size}, "runtime_header": {"size": size + 20, "json": size}}
    refused(evidence(body(report=hcl(**changes))), codes.MALFORMED, "azure/1 header")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", codes.MALFORMED),
        (b"[]", codes.MALFORMED),
        (b"{}", codes.MALFORMED),
        (b"\xff", codes.MALFORMED),
        (b'{"keys":[NaN]}', codes.MALFORMED),
        (b"[" * 1300, codes.MALFORMED),
        (b'{"keys":' + b"9" * 1300 + b"}", codes.MALFORMED),
        (b'{"keys":[],"keys":[]}', codes.MALFORMED),
        (runtime() + b"x", codes.MALFORMED),
        (b'{"keys":[1]}', codes.MALFORMED),
        (b'{"keys":{}}', codes.MALFORMED),
        (runtime(jwk(kid="HCLEkPub")), codes.MALFORMED),
        (runtime(jwk(), jwk()), codes.MALFORMED),
        (runtime(jwk(n=...)), codes.MALFORMED),
        (runtime(jwk(n=1)), codes.MALFORMED),
        (runtime(jwk(n="")), codes.MALFORMED),
        (runtime(jwk(n="a+/b")), codes.MALFORMED),
        (runtime(jwk(n="A")), codes.MALFORMED),
        (runtime(jwk(n=jwk()["n"] + "AAAA")), codes.MALFORMED),
        (runtime(jwk(n=jwk()["n"][:-4])), codes.ALGORITHM),
        (runtime(jwk(n="A" * 100 + jwk()["n"][100:])), codes.ALGORITHM),
        (runtime(jwk(e="Aw")), codes.ALGORITHM),
        (runtime(jwk(e=...)), codes.ALGORITHM),
        (runtime(jwk(kty="EC")), codes.ALGORITHM),
    ],
    ids=lambda each: "" if isinstance(each, str) else each[:40].decode(errors="replace"),
)
def test_a_json_that_names_no_key_is_refused_though_the_report_vouches_for_it(document, code):
    refused(evidence(body(report=hcl(document))), code, "azure/3")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"v": 2}, codes.UNSUPPORTED_VERSION),
        ({"v": ...}, codes.MALFORMED),
        ({"vcek": ...}, codes.MALFORMED),
        ({"ak_public": b""}, codes.MALFORMED),
        ({"hcl_report": "text"}, codes.MALFORMED),
        ({"hcl_report": b""}, codes.MALFORMED),
        ({"pcrs": {0: b""}}, codes.MALFORMED),
    ],
    ids=str,
)
def test_a_body_with_other_keys_and_values_is_refused(more, code):
    refused(evidence(body(more=more)), code, "azure/1")


def test_a_body_in_another_encoding_or_of_another_kind_is_refused():
    good = body()
    backwards = cbor2.dumps(dict(reversed(cbor2.loads(good).items())))
    for raw in (backwards, good + b"\0", good[:-1], b"\x80"):
        refused(evidence(raw), codes.MALFORMED, "azure/1")
    refused(evidence(kind="sev-snp"), codes.UNSUPPORTED_KIND, "azure/1")
    refused(evidence(bytes(65537)), codes.TOO_LARGE, "azure/1")


def test_every_cut_of_the_report_around_is_malformed():
    whole = hcl(size=0)
    for length in range(0, len(whole), 3):
        refused(evidence(body(report=whole[:length])), codes.MALFORMED, "azure/1")


def test_no_flipped_byte_of_a_body_is_taken():
    whole = evidence()
    for position in range(0, len(whole.body), FLIP_STRIDE_BYTES):
        flipped = bytearray(whole.body)
        flipped[position] ^= 0x41
        with pytest.raises(EvidenceRejected) as caught:
            verified(replace(whole, body=bytes(flipped)))
        assert caught.value.check.startswith("azure"), position


def test_verifying_touches_neither_clock_nor_network_nor_files(monkeypatch):
    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is a function of its arguments")

    untrusted = evidence()
    with monkeypatch.context() as patched:
        for place, name in (
            *((time, each) for each in ("time", "time_ns", "monotonic", "perf_counter")),
            *((socket, each) for each in ("socket", "create_connection", "getaddrinfo")),
        ):
            patched.setattr(place, name, touched)
        patched.setattr(builtins, "open", touched)
        assert verified(untrusted).is_bound
