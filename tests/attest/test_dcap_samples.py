"""Real quotes of TDX and SGX, where they are at hand: each at its time, later, changed, and cut."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import dcap_qvl
import pytest

from strongroom.attest.anchors import PINNED
from strongroom.attest.dcap import verify_sgx, verify_tdx
from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.quote import SGX, TDX, parse_quote
from strongroom.errors import EvidenceRejected
from tests.fakes.attestation_samples import SAMPLES, sample_cases

EXPECTED = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
VERIFIERS = {"tdx": verify_tdx, "sgx": verify_sgx}


def cases():
    return [*sample_cases("tdx", 7), *sample_cases("sgx", 2)]


def case_of(name):
    return next(each for each in cases() if each["name"] == name)


def evidence(case):
    endorsements = ((SAMPLES / case["collateral"]).read_bytes(),) if "collateral" in case else ()
    body = (SAMPLES / case["body"]["file"]).read_bytes()
    return Evidence(case["kind"], "application/octet-stream", body, endorsements)


def outcome(untrusted, at, expected=None, kind=None):
    """The claims, or the code of the refusal."""
    verify = VERIFIERS[kind or untrusted.kind]
    now = datetime.fromisoformat(at) if isinstance(at, str) else at
    anchors = PINNED[untrusted.kind]
    try:
        return verify(untrusted, expected=expected, now=now, anchors=anchors, limits=EvidenceLimits())
    except EvidenceRejected as error:
        return error.code


def plain(value):
    return value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value


def test_every_sample_is_what_it_should_be_at_its_time_and_later():
    for case in cases():
        found = outcome(evidence(case), case["at"])
        if case["outcome"] != "accept":
            assert found == case["outcome"], case["name"]
            continue
        assert (found.kind, found.assurance, found.is_bound) == (case["kind"], "hardware", False), case["name"]
        for name, wanted in case["claims"].items():
            assert plain(found.facts[name]) == wanted, (case["name"], name)
        padding = case["body"].get("zero_padding", 0)
        assert len(found.evidence) + padding == len(evidence(case).body), "the padding is cut off"
        assert outcome(evidence(case), case["late"]["at"]) == case["late"]["outcome"], case["name"]


def test_what_cannot_be_verified_is_read_all_the_same():
    seen = {}
    for case in cases():
        body = evidence(case).body
        if case["name"] == "tdx-trailing-text":
            body = body[:-39]
        if "claims" in case and "collateral" not in case:
            quote = parse_quote(case["kind"], body, SGX if case["kind"] == "sgx" else TDX)
            for name, wanted in case["claims"].items():
                seen[case["name"]] = quote.fields[name].hex() == wanted
    assert seen == {"tdx-no-collateral": True, "tdx-trailing-text": True, "sgx-debug-no-collateral": True}


def test_our_reading_of_a_quote_is_that_of_the_library():
    for case in cases():
        if case["outcome"] == "SR-ATTEST-001":
            continue
        quote = parse_quote(case["kind"], evidence(case).body, SGX if case["kind"] == "sgx" else TDX)
        theirs = dcap_qvl.parse_quote(quote.raw)
        assert theirs.header.version == quote.version
        assert (theirs.header.qe_svn, theirs.header.pce_svn) == (quote.qe_svn, quote.pce_svn)
        for name, value in quote.fields.items():
            found = getattr(theirs.report, name.replace("rtmr", "rt_mr"), None)
            assert found is None or found == value, (case["name"], name)
        assert theirs.cert_chain_pem_bytes().rstrip(b"\0") == quote.pck_chain


def test_a_quote_that_its_platform_describes_is_read_as_described():
    cases()
    theirs = json.loads((SAMPLES / "tdx" / "dstack_tdx-lite-getquote.json").read_text())
    quote = parse_quote("tdx", bytes.fromhex(theirs["quote"]), TDX)
    assert quote.report_data.hex() == theirs["report_data"]


def test_the_platform_is_described_for_the_policy():
    found = outcome(evidence(case_of("tdx-v4")), "2025-06-20T12:00:00Z").facts
    assert (found["fmspc"], found["evaluation_number"], found["version"]) == ("b0c06f000000", 17, 4)
    assert (found["dynamic_platform"], found["cached_keys"], found["smt_enabled"]) == (True, True, True)
    assert found["collateral_issued"] == datetime(2025, 6, 19, 10, 16, 3, tzinfo=UTC)
    assert found["mr_service_td"] is None, "TD 1.0 has none"
    found = outcome(evidence(case_of("tdx-v5")), "2026-02-20T12:00:00Z").facts
    assert found["mr_service_td"] == bytes(48)
    found = outcome(evidence(case_of("sgx-v3")), "2025-06-20T12:00:00Z").facts
    assert (found["isv_prod_id"], found["isv_svn"]) == (0, 0)
    assert (found["dynamic_platform"], found["cached_keys"], found["smt_enabled"]) == (None, None, None)


def test_a_quote_is_bound_only_to_the_digest_that_is_in_it():
    for name in ("tdx-v4", "tdx-v5", "sgx-v3"):
        case = case_of(name)
        assert outcome(evidence(case), case["at"], EXPECTED) == "SR-ATTEST-015"
    case = case_of("sgx-v3")
    theirs = replace(EXPECTED, report_data=bytes.fromhex(case["claims"]["report_data"])[:32])
    assert outcome(evidence(case), case["at"], theirs).is_bound


def test_a_quote_of_one_kind_is_none_of_the_other():
    for name, other in (("tdx-v4", "sgx"), ("tdx-v5", "sgx"), ("sgx-v3", "tdx")):
        case = case_of(name)
        assert outcome(replace(evidence(case), kind=other), case["at"]) == "SR-ATTEST-003"
        assert outcome(evidence(case), case["at"], kind=other) == "SR-ATTEST-003"


@pytest.mark.parametrize("name", ["tdx-v4", "tdx-v5", "sgx-v3"])
def test_every_cut_is_refused_and_so_is_what_stands_behind(name):
    case = case_of(name)
    whole = evidence(case)
    quote = outcome(whole, case["at"]).evidence
    for length in range(0, len(quote), 7):
        assert outcome(replace(whole, body=quote[:length]), case["at"]) == "SR-ATTEST-001"
    assert outcome(replace(whole, body=quote + bytes(256)), case["at"]).evidence == quote
    for rest in (bytes(257), b"\x01", bytes(255) + b"\x01", b"junk"):
        assert outcome(replace(whole, body=quote + rest), case["at"]) == "SR-ATTEST-001"


@pytest.mark.parametrize("name", ["tdx-v4", "tdx-v5", "sgx-v3"])
def test_a_flipped_byte_in_what_is_signed_is_refused(name):
    case = case_of(name)
    whole = evidence(case)
    quote = outcome(whole, case["at"]).evidence
    codes = set()
    for place in range(0, len(quote), 101):
        mutated = bytearray(quote)
        mutated[place] ^= 0x10
        found = outcome(replace(whole, body=bytes(mutated)), case["at"])
        if isinstance(found, str):
            codes.add(found)
        else:
            # White space of the PEM text, which nothing signs: the certificates in it are the same.
            assert quote[place : place + 1] == b"\n", f"byte {place}"
    assert "SR-ATTEST-006" in codes
    assert codes <= {f"SR-ATTEST-{n:03}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 23, 16, 17)}


@pytest.mark.parametrize("name", ["tdx-v4", "sgx-v3"])
def test_changed_collateral_is_refused(name):
    case = case_of(name)
    whole = evidence(case)
    collateral = json.loads(whole.endorsements[0])

    def with_(**changes):
        text = json.dumps({**collateral, **changes}).encode()
        return outcome(replace(whole, endorsements=(text,)), case["at"])

    assert with_(pck_certificate_chain=None).facts["tcb_status"], "the chain in the quote is used"
    assert with_(more="x") == "SR-ATTEST-001"
    assert with_(tcb_info_signature="00" * 64) == "SR-ATTEST-006"
    assert with_(tcb_info=collateral["tcb_info"].replace('"version":3', '"version": 3')) == "SR-ATTEST-006"
    assert with_(qe_identity=collateral["qe_identity"].replace("UpToDate", "OutOfDate")) == "SR-ATTEST-006"
    assert with_(qe_identity_signature=collateral["tcb_info_signature"]) == "SR-ATTEST-006"
    assert with_(pck_crl=collateral["root_ca_crl"]) in {"SR-ATTEST-006", "SR-ATTEST-024"}
    assert with_(pck_crl="00") == "SR-ATTEST-001"
    assert with_(pck_crl="x") == "SR-ATTEST-001"
    assert with_(tcb_info="{}") == "SR-ATTEST-001"
    assert with_(tcb_info="[]") == "SR-ATTEST-001"
    assert with_(tcb_info_issuer_chain="") == "SR-ATTEST-001"
    leaf = collateral["tcb_info_issuer_chain"].split("-----BEGIN")[1]
    assert with_(tcb_info_issuer_chain=f"-----BEGIN{leaf}") == "SR-ATTEST-008", "it does not end in the root"
    assert with_(tcb_info_issuer_chain=collateral["tcb_info_issuer_chain"] * 5) == "SR-ATTEST-002"


def test_collateral_is_one_document_within_its_limit_and_holds_at_the_time():
    case = case_of("tdx-v4")
    whole = evidence(case)
    (collateral,) = whole.endorsements
    assert outcome(replace(whole, endorsements=()), case["at"]) == "SR-ATTEST-024"
    assert outcome(replace(whole, endorsements=(collateral, collateral)), case["at"]) == "SR-ATTEST-001"
    assert outcome(replace(whole, endorsements=(b" " * (256 * 1024 + 1),)), case["at"]) == "SR-ATTEST-002"
    assert outcome(replace(whole, endorsements=(b"\xff",)), case["at"]) == "SR-ATTEST-001"
    assert outcome(whole, "2025-06-19T10:32:26Z") == "SR-ATTEST-010"
    assert not isinstance(outcome(whole, "2025-06-19T10:32:27Z"), str)
    assert not isinstance(outcome(whole, "2025-07-19T10:00:34Z"), str)
    assert outcome(whole, "2025-07-19T10:00:36Z") == "SR-ATTEST-025"
    assert outcome(whole, "2033-01-01T00:00:00Z") == "SR-ATTEST-009", "the platform's certificate"
    assert outcome(replace(whole, body=whole.body + bytes(16 * 1024)), case["at"]) == "SR-ATTEST-002"


def test_the_anchor_is_pinned():
    case = case_of("tdx-v4")
    now = datetime.fromisoformat(case["at"])
    for anchors in (frozenset(), PINNED["nitro"]):
        with pytest.raises(EvidenceRejected) as caught:
            verify_tdx(evidence(case), expected=None, now=now, anchors=anchors, limits=EvidenceLimits())
        assert caught.value.code == "SR-ATTEST-008"
