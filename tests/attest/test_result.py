"""Results of confidential executions: the golden one, and everything forged refused with its code."""

import dataclasses
import hashlib

import cbor2
import pytest

from strongroom.attest import cbor
from strongroom.attest.cose import make_sign1
from strongroom.attest.result import Call, check_result, result_info, result_key_id, sign_result
from strongroom.crypto.hpke import KemKey, seal_message
from strongroom.crypto.signing import SigningKey, key_id
from strongroom.errors import EvidenceRejected, Tampered
from tests.fakes.golden_release import EXECUTION_KEY, VAULT_KEY, VECTORS, golden, golden_result

GOLDEN = golden("result", "cose_sign1")
KID = key_id(EXECUTION_KEY.public)
CALL = Call(
    ref="7",
    capability_id="http-actions@1.0.0",
    request_sha256=hashlib.sha256(b"request").digest(),
    response_sha256=hashlib.sha256(b"response").digest(),
    trust="host",
)


def code_of(untrusted, sig_pub=EXECUTION_KEY.public):
    with pytest.raises(EvidenceRejected) as caught:
        check_result(untrusted, sig_pub=sig_pub)
    return caught.value.code, caught.value.check


def payload():
    return cbor2.loads(cbor2.loads(GOLDEN).value[2])


def signed(value, *, header=None, key=EXECUTION_KEY):
    raw = value if isinstance(value, bytes) else cbor.canonical(value)
    return make_sign1(key, {4: KID} if header is None else header, raw)


def changed(field, value):
    whole = payload()
    if value is ...:
        del whole[field]
    else:
        whole[field] = value
    return signed(whole)


def test_the_golden_result_is_made_and_checked():
    assert sign_result(golden_result(), EXECUTION_KEY) == GOLDEN
    assert check_result(GOLDEN, sig_pub=EXECUTION_KEY.public) == golden_result()
    assert result_key_id(GOLDEN) == KID
    assert golden_result().ear_sha256.hex() == VECTORS["ear"]["sha256"]


def test_calls_are_kept_in_their_order():
    calls = (CALL, dataclasses.replace(CALL, ref="3", trust="attested"), CALL)
    made = sign_result(dataclasses.replace(golden_result(), calls=calls), EXECUTION_KEY)
    assert check_result(made, sig_pub=EXECUTION_KEY.public).calls == calls


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "timed_out"])
def test_every_status_can_be_signed(status):
    result = dataclasses.replace(golden_result(), status=status)
    assert check_result(sign_result(result, EXECUTION_KEY), sig_pub=EXECUTION_KEY.public) == result


MAP = {name: getattr(CALL, name) for name in ("ref", "capability_id", "request_sha256", "response_sha256", "trust")}
WRONG = {
    "another profile": ("profile", "strongroom/result/v2", "SR-ATTEST-004"),
    "another status": ("status", "unknown", "SR-ATTEST-001"),
    "status is bytes": ("status", b"succeeded", "SR-ATTEST-001"),
    "attempt 0": ("attempt", 0, "SR-ATTEST-001"),
    "negative fuel": ("fuel", -1, "SR-ATTEST-001"),
    "fuel is a truth value": ("fuel", True, "SR-ATTEST-001"),
    "short digest": ("result_sha256", bytes(31), "SR-ATTEST-001"),
    "no report data": ("report_data", ..., "SR-ATTEST-001"),
    "unknown field": ("more", 1, "SR-ATTEST-001"),
    "unsorted secrets": ("secrets", [["b", "a", 1], ["a", "a", 1]], "SR-ATTEST-001"),
    "a call that is a list": ("calls", [[]], "SR-ATTEST-001"),
    "a call without trust": ("calls", [{k: v for k, v in MAP.items() if k != "trust"}], "SR-ATTEST-001"),
    "a call with another trust": ("calls", [{**MAP, "trust": "me"}], "SR-ATTEST-001"),
    "a call whose reference is a number": ("calls", [{**MAP, "ref": 7}], "SR-ATTEST-001"),
    "10001 calls": ("calls", [0] * 10_001, "SR-ATTEST-001"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_field_that_is_wrong_is_refused_even_when_it_is_signed(case):
    field, value, code = WRONG[case]
    assert code_of(changed(field, value))[0] == code


HEADERS = {
    "no key id": ({}, "SR-ATTEST-001"),
    "a short key id": ({4: KID[:31]}, "SR-ATTEST-001"),
    "a key id that is text": ({4: KID.hex()[:32]}, "SR-ATTEST-001"),
    "another field": ({4: KID, 33: b""}, "SR-ATTEST-001"),
    "another algorithm": ({1: -7, 4: KID}, "SR-ATTEST-005"),
    "algorithm as text": ({1: "EdDSA", 4: KID}, "SR-ATTEST-005"),
    "another key": ({4: bytes(32)}, "SR-ATTEST-033"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_wrong_is_refused(case):
    header, code = HEADERS[case]
    assert code_of(signed(payload(), header=header))[0] == code


def test_a_truth_value_is_no_label_of_a_header():
    # {true: -8} equals {1: -8} in Python, and is another document.
    protected = cbor2.dumps({4: KID, True: -8}, canonical=True)
    body = cbor2.dumps(["Signature1", protected, b"", cbor.canonical(payload())])
    forged = b"\xd2" + cbor2.dumps([protected, {}, cbor.canonical(payload()), EXECUTION_KEY.sign_raw(body)])
    assert code_of(forged)[0] == "SR-ATTEST-001"


@pytest.mark.parametrize("header", [[], [1, -8], "x", b"x", 1, None], ids=repr)
def test_a_header_that_is_no_map_is_refused(header):
    protected = cbor.canonical(header)
    body = cbor.canonical(["Signature1", protected, b"", cbor.canonical(payload())])
    forged = b"\xd2" + cbor.canonical([protected, {}, cbor.canonical(payload()), EXECUTION_KEY.sign_raw(body)])
    assert code_of(forged) == ("SR-ATTEST-005", "result header")


def test_a_result_by_another_key_or_for_another_key_is_refused():
    stranger = SigningKey.from_raw(b"\x07" * 32)
    assert code_of(signed(payload(), key=stranger)) == ("SR-ATTEST-006", "result signature")
    assert code_of(sign_result(golden_result(), stranger)) == ("SR-ATTEST-033", "result key")
    assert code_of(GOLDEN, sig_pub=VAULT_KEY.public) == ("SR-ATTEST-033", "result key")
    for weak in (bytes(32), b""):
        # Nobody's key, and one that does not even have 32 bytes, with the id that fits.
        assert code_of(signed(payload(), header={4: key_id(weak)}), sig_pub=weak)[0] in {
            "SR-ATTEST-006",
            "SR-ATTEST-033",
        }


def test_every_cut_every_flipped_byte_and_every_byte_behind_is_refused():
    allowed = {"SR-ATTEST-001", "SR-ATTEST-005", "SR-ATTEST-006", "SR-ATTEST-033"}
    for length in range(len(GOLDEN)):
        assert code_of(GOLDEN[:length])[0] == "SR-ATTEST-001"
    for place in range(len(GOLDEN)):
        mutated = bytearray(GOLDEN)
        mutated[place] ^= 4
        assert code_of(bytes(mutated))[0] in allowed
    assert code_of(GOLDEN + b"\0")[0] == "SR-ATTEST-001"
    assert code_of(GOLDEN[1:])[0] == "SR-ATTEST-001", "the tag is part of it"
    assert code_of(bytes(4 * 1024 * 1024 + 1)) == ("SR-ATTEST-002", "result size")


def test_another_encoding_is_refused_even_when_it_is_signed():
    raw = cbor.canonical(payload())
    for other in (b"\xbf" + raw[1:] + b"\xff", raw + b"\0", cbor2.dumps(dict(reversed(payload().items()))), b"\x80"):
        assert code_of(signed(other))[0] == "SR-ATTEST-001"


def test_what_would_be_refused_is_not_signed_either():
    for wrong in (
        dataclasses.replace(golden_result(), status="done"),
        dataclasses.replace(golden_result(), attempt=0),
        dataclasses.replace(golden_result(), calls=(dataclasses.replace(CALL, capability_id=""),)),
        dataclasses.replace(golden_result(), secrets=(("b", "a", 1), ("a", "a", 1))),
    ):
        with pytest.raises(EvidenceRejected):
            sign_result(wrong, EXECUTION_KEY)


def test_a_result_that_is_sealed_opens_for_its_execution_only():
    requester, result = KemKey.generate(), golden_result()
    assert result_info(result.report_data) == b"strongroom/result/v1" + result.report_data
    sealed = seal_message(requester.public, b"result", info=result_info(result.report_data))
    assert requester.open(sealed, info=result_info(result.report_data)) == b"result"
    with pytest.raises(Tampered):
        requester.open(sealed, info=result_info(bytes(32)))
