"""Receipts: what holds offline, and what every change of one part is called."""

import base64
import builtins
import dataclasses
import hashlib
import json
import socket
import time
from datetime import timedelta

import pytest

from strongroom.attest.ear import make_ear
from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.attest.json_values import to_base64
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.receipt_check import check_receipt
from strongroom.attest.result import sign_result
from strongroom.attest.software import KIND, verify_insecure_software
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected
from tests.fakes.golden_release import EXECUTION_KEY, VAULT_KEY, ear, golden_result, runtime_data
from tests.fakes.pki_software import NOW, authority
from tests.fakes.receipts import evidence_of, receipt_of

STRANGER = SigningKey.from_raw(b"\x07" * 32)
OTHER_DATA = dataclasses.replace(runtime_data(), secrets=runtime_data().secrets[1:])


def checked(receipt, **changes):
    defaults = {
        "verifiers": {KIND: verify_insecure_software},
        "anchors": {KIND: frozenset({authority().fingerprint})},
        "limits": EvidenceLimits(),
    }
    return check_receipt(receipt, **{**defaults, **changes})


def failed(receipt, **changes):
    return {each.id: each.code for each in checked(receipt, **changes).checks if not each.is_passed}


@pytest.mark.parametrize("name", ["strongroom_assurance", "eat_profile"])
def test_an_attestation_result_with_half_a_character_is_malformed_and_breaks_nothing(name):
    header, claims, _ = (base64.urlsafe_b64decode(each + b"==") for each in make_ear(ear(), VAULT_KEY).split(b"."))
    parts = [to_base64(each) for each in (header, json.dumps({**json.loads(claims), name: "\ud800"}).encode())]
    jwt = ".".join([*parts, to_base64(VAULT_KEY.sign_raw(".".join(parts).encode()))]).encode()
    assert failed(receipt_of(ear=jwt))["ear"] == "SR-ATTEST-001"


def test_a_receipt_holds_as_a_whole_and_says_what_was_checked():
    found = checked(receipt_of(), result_bytes=b"result")
    assert [each.id for each in found.checks if not each.is_passed] == []
    assert found.holds
    assert [each.id for each in found.checks] == [
        "runtime data",
        "ear",
        "result key",
        "proof of possession",
        "result",
        "evidence",
        "vault key",
        "ear nonce",
        "ear report_data",
        "ear policy",
        "ear assurance",
        "evidence assurance",
        "result report_data",
        "result execution_id",
        "result attempt",
        "result ear_sha256",
        "result evidence_sha256",
        "result secrets",
        "result_sha256",
    ]
    assert found.at == NOW + timedelta(seconds=10), "the time of the attestation result"
    assert found.claims.is_bound
    assert found.result.status == "succeeded"
    assert found.ear.status == "contraindicated"


CHANGES = {
    "another result": (
        {"result": sign_result(golden_result(), EXECUTION_KEY)},
        {"result evidence_sha256": "SR-ATTEST-015"},
    ),
    "a result by another key": (
        {"key": STRANGER},
        {"proof of possession": "SR-ATTEST-033", "result: result key": "SR-ATTEST-033"},
    ),
    "no result": ({"result": b""}, {"result key: result": "SR-ATTEST-001", "result": "SR-ATTEST-001"}),
    "a result of another attempt": ({"result_changes": {"attempt": 2}}, {"result attempt": "SR-ATTEST-015"}),
    "a result of another execution": (
        {"result_changes": {"execution_id": "other"}},
        {"result execution_id": "SR-ATTEST-015"},
    ),
    "a result for other runtime data": (
        {"result_changes": {"report_data": bytes(32)}},
        {"result report_data": "SR-ATTEST-015"},
    ),
    "a result with other evidence": (
        {"result_changes": {"evidence_sha256": bytes(32)}},
        {"result evidence_sha256": "SR-ATTEST-015"},
    ),
    "a result with another attestation result": (
        {"result_changes": {"ear_sha256": bytes(32)}},
        {"result ear_sha256": "SR-ATTEST-015"},
    ),
    "a secret that was not asked for": (
        {"result_changes": {"secrets": (("main", "OTHER", 1),)}},
        {"result secrets": "SR-ATTEST-015"},
    ),
    "other runtime data": (
        {"runtime_data": OTHER_DATA.encode()},
        {
            "evidence: insecure-software/binding report_data": "SR-ATTEST-015",
            "ear report_data": "SR-ATTEST-015",
            "result report_data": "SR-ATTEST-015",
            "result secrets": "SR-ATTEST-015",
        },
    ),
    "no runtime data": (
        {"runtime_data": b""},
        {
            "runtime data: runtime-data": "SR-ATTEST-001",
            "proof of possession": "SR-ATTEST-034",
            "result": "SR-ATTEST-034",
            "evidence": "SR-ATTEST-034",
        },
    ),
    "evidence of another execution": (
        {"evidence": evidence_of(OTHER_DATA)},
        {"evidence: insecure-software/binding report_data": "SR-ATTEST-015"},
    ),
    "evidence of another kind": (
        {"evidence": dataclasses.replace(evidence_of(runtime_data()), kind="nitro")},
        {"evidence: evidence kind": "SR-ATTEST-015"},
    ),
    "a kind without a verifier": (
        {"data": dataclasses.replace(runtime_data(), kind="tdx"), "evidence": Evidence("tdx", "x", b"quote")},
        {"evidence: evidence kind": "SR-ATTEST-003"},
    ),
    "another vault": (
        {"vault_public_key": STRANGER.public},
        {"ear: ear kid": "SR-ATTEST-023", "vault key": "SR-ATTEST-023", "evidence: evidence time": "SR-ATTEST-034"},
    ),
    "an attestation result of another nonce": ({"ear_changes": {"nonce": bytes(32)}}, {"ear nonce": "SR-ATTEST-015"}),
    "an attestation result of a higher class": (
        {"ear_changes": {"assurance": "hardware"}},
        {"ear assurance": "SR-ATTEST-015"},
    ),
    "another policy": ({"policy_sha256": bytes(32)}, {"ear policy": "SR-ATTEST-027"}),
    "a higher assurance": (
        {"assurance": "hardware"},
        {"ear assurance": "SR-ATTEST-015", "evidence assurance": "SR-ATTEST-015"},
    ),
    "an attestation result from after the evidence": (
        {"ear_changes": {"issued_s": int((NOW + timedelta(days=2)).timestamp())}},
        {"evidence: insecure-software/validity": "SR-ATTEST-009"},
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_was_changed_is_named_with_its_code(case):
    changes, expected = CHANGES[case]
    assert failed(receipt_of(**changes)) == expected


@pytest.mark.parametrize(("word", "other"), [("protocol", "relay"), ("vault", "separate")])
def test_two_words_of_a_receipt_are_those_of_whoever_wrote_it(word, other):
    assert getattr(receipt_of(), word) != other
    assert checked(receipt_of(**{word: other})).holds, "no signature covers it, and the documentation says so"


def test_another_result_than_the_signed_one_is_named():
    assert failed(receipt_of(), result_bytes=b"other") == {"result_sha256": "SR-ATTEST-015"}


def test_the_time_can_be_named_and_evidence_is_verified_then():
    late = NOW + timedelta(days=2)
    assert failed(receipt_of(), at=late) == {"evidence: insecure-software/validity": "SR-ATTEST-009"}
    assert checked(receipt_of(), at=late).at == late


def test_without_anchors_nothing_is_authentic():
    assert failed(receipt_of(), anchors={}) == {"evidence: insecure-software/anchor": "SR-ATTEST-008"}


def test_a_verifier_that_breaks_refuses():
    def broken(*_arguments, **_named):
        raise ZeroDivisionError

    found = checked(receipt_of(), verifiers={KIND: broken})
    assert [(each.id, each.code, each.got) for each in found.checks if not each.is_passed] == [
        ("evidence", "SR-ATTEST-034", "ZeroDivisionError")
    ]
    assert not found.holds
    assert found.claims is None


def test_checking_touches_no_clock_no_network_and_no_file(monkeypatch):
    receipt = receipt_of()

    def touched(*_arguments, **_named):
        raise AssertionError("checking is pure")

    monkeypatch.setattr(socket, "socket", touched)
    monkeypatch.setattr(builtins, "open", touched)
    for name in ("time", "time_ns", "monotonic"):
        monkeypatch.setattr(time, name, touched)
    found = checked(decode_receipt(receipt.encode()))
    monkeypatch.undo()
    assert found.holds


def test_a_receipt_without_checks_does_not_hold():
    found = checked(receipt_of())
    found.checks.clear()
    assert not found.holds


def test_what_was_found_and_wanted_is_said():
    (check,) = [each for each in checked(receipt_of(result_changes={"attempt": 2})).checks if not each.is_passed]
    assert (check.got, check.wanted) == ("2", "1")
    expected = hashlib.sha256(receipt_of().ear).hexdigest()
    (check,) = [each for each in checked(receipt_of()).checks if each.id == "result ear_sha256"]
    assert check.got == check.wanted == expected


def test_every_flipped_byte_of_a_file_is_refused_or_does_not_hold():
    whole = receipt_of().encode()
    for place in range(0, len(whole), 5):
        mutated = bytearray(whole)
        mutated[place] ^= 1
        try:
            receipt = decode_receipt(bytes(mutated))
        except EvidenceRejected:
            continue
        found = checked(receipt)
        assert not found.holds or receipt == receipt_of()


def test_the_media_type_which_nobody_signs_is_that_of_the_kind():
    evidence = dataclasses.replace(receipt_of().evidence, media_type="application/cbor")
    (check,) = [each for each in checked(receipt_of(evidence=evidence)).checks if not each.is_passed]
    assert (check.id, check.code, check.got) == ("evidence: evidence media_type", "SR-ATTEST-001", "'application/cbor'")
    assert check.wanted == 'application/cose; cose-type="cose-sign1"'
