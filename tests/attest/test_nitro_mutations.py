"""A Nitro document of the test PKI with any byte changed: each region is refused with the codes that are its own."""

import pytest

from strongroom.attest import codes
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_nitro import BOUND, Signed, bundle, document, evidence, leaf, payload, verified

BODY = document().body
FLIPS = (0x01, 0x80)
FLIP_STRIDE_BYTES = 11
"""Where every byte of a kind of field is flipped already."""
ANY_CERTIFICATE = {
    codes.MALFORMED,
    codes.ALGORITHM,
    codes.CHAIN,
    codes.ANCHOR,
    codes.EXPIRED,
    codes.NOT_YET_VALID,
    codes.SIGNATURE,
}
REGIONS = {
    "around the header": (BODY[:2], {codes.MALFORMED}),
    "header": (bytes.fromhex("a1013822"), {codes.ALGORITHM}),
    "unprotected": (b"\xa0", {codes.MALFORMED}),
    "nonce": (BOUND.nonce, {codes.SIGNATURE}),
    "user data": (BOUND.report_data, {codes.SIGNATURE}),
    "public key": (BOUND.kem_spki, {codes.SIGNATURE}),
    "register": (payload()["pcrs"][7], {codes.SIGNATURE}),
    "name of a field": (b"user_data", {codes.MALFORMED}),
    "root": (bundle()[0], {codes.MALFORMED, codes.ALGORITHM, codes.ANCHOR}),
    "intermediate": (bundle()[2], ANY_CERTIFICATE),
    "leaf": (leaf(), ANY_CERTIFICATE),
    "signature": (Signed().signature, {codes.SIGNATURE}),
}


def code_of(body):
    with pytest.raises(EvidenceRejected) as caught:
        verified(evidence(body))
    return caught.value.code


@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_byte_is_refused_by_the_check_of_its_region(region):
    content, allowed = REGIONS[region]
    start = BODY.index(content)
    for position in range(start, start + len(content)):
        for flip in FLIPS if len(content) < 48 else FLIPS[:1]:
            flipped = bytearray(BODY)
            flipped[position] ^= flip
            assert code_of(bytes(flipped)) in allowed, position


def test_no_flipped_byte_is_accepted_wherever_it_is():
    for position in range(0, len(BODY), FLIP_STRIDE_BYTES):
        flipped = bytearray(BODY)
        flipped[position] ^= 0x20
        code_of(bytes(flipped))


def test_every_cut_is_malformed():
    for length in range(len(BODY)):
        assert code_of(BODY[:length]) == codes.MALFORMED, length
