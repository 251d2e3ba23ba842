"""The file of a receipt: one encoding, every field of its type and within its limit."""

import cbor2
import pytest

from strongroom.attest import cbor
from strongroom.attest.receipt import decode_receipt
from strongroom.errors import EvidenceRejected
from tests.fakes.receipts import receipt_of


def test_a_receipt_is_one_file():
    receipt = receipt_of()
    assert decode_receipt(receipt.encode()) == receipt
    assert cbor2.loads(receipt.encode()).keys() == {
        "profile",
        "protocol",
        "result",
        "runtime_data",
        "evidence",
        "endorsements",
        "ear",
        "vault_public_key",
        "policy_sha256",
        "assurance",
        "vault",
    }


def changed(field, value):
    whole = cbor2.loads(receipt_of().encode())
    if value is ...:
        del whole[field]
    else:
        whole[field] = value
    return cbor.canonical(whole)


WRONG = {
    "another profile": ("profile", "strongroom/receipt/v2", "SR-ATTEST-004"),
    "another protocol": ("protocol", "magic", "SR-ATTEST-001"),
    "a class that does not exist": ("assurance", "total", "SR-ATTEST-001"),
    "vault elsewhere": ("vault", "moon", "SR-ATTEST-001"),
    "short vault key": ("vault_public_key", bytes(31), "SR-ATTEST-001"),
    "result is text": ("result", "x", "SR-ATTEST-001"),
    "result too large": ("result", bytes(4 * 1024 * 1024 + 1), "SR-ATTEST-002"),
    "evidence too large": ("evidence", {"kind": "k", "media_type": "m", "body": bytes(65537)}, "SR-ATTEST-002"),
    "evidence with endorsements": (
        "evidence",
        {"kind": "k", "media_type": "m", "body": b"", "endorsements": []},
        "SR-ATTEST-001",
    ),
    "endorsements too large": ("endorsements", [bytes(200 * 1024)] * 2, "SR-ATTEST-002"),
    "nine endorsements": ("endorsements", [b""] * 9, "SR-ATTEST-001"),
    "endorsement is text": ("endorsements", [""], "SR-ATTEST-001"),
    "ear too large": ("ear", bytes(64 * 1024 + 1), "SR-ATTEST-002"),
    "no policy": ("policy_sha256", ..., "SR-ATTEST-001"),
    "unknown field": ("pop", b"", "SR-ATTEST-001"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_with_a_field_that_is_wrong_is_refused(case):
    field, value, code = WRONG[case]
    with pytest.raises(EvidenceRejected) as caught:
        decode_receipt(changed(field, value))
    assert caught.value.code == code


def test_a_file_that_is_cut_longer_or_too_large_is_refused():
    whole = receipt_of().encode()
    for other in (
        *(whole[:length] for length in range(0, len(whole), 13)),
        whole + b"\0",
        b"\xbf" + whole[1:] + b"\xff",
    ):
        with pytest.raises(EvidenceRejected) as caught:
            decode_receipt(other)
        assert caught.value.code == "SR-ATTEST-001"
    with pytest.raises(EvidenceRejected) as caught:
        decode_receipt(bytes(5 * 1024 * 1024 + 1))
    assert caught.value.code == "SR-ATTEST-002"


def test_what_would_be_refused_is_not_written_either():
    for wrong in (receipt_of(assurance="total"), receipt_of(vault_public_key=b""), receipt_of(protocol="")):
        with pytest.raises(EvidenceRejected):
            wrong.encode()
