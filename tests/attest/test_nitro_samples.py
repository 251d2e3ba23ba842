"""Real Nitro documents, where they are at hand: each at its time, later, changed, and cut."""

import base64
from dataclasses import replace
from datetime import datetime

from strongroom.attest import codes
from strongroom.attest.anchors import PINNED
from strongroom.attest.evidence import Binding, Evidence, EvidenceLimits
from strongroom.attest.nitro import verify_nitro
from strongroom.errors import EvidenceRejected
from tests.fakes.attestation_samples import SAMPLES, sample_cases

EXPECTED = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
FLIP_STRIDE_BYTES = 17
"""Coprime to every width in the format, so that every kind of field is hit; the test PKI is flipped byte by byte."""


def cases():
    return sample_cases("nitro", 7)


def evidence(case):
    raw = (SAMPLES / case["body"]["file"]).read_bytes()
    body = base64.b64decode(raw) if case["body"]["encoding"] == "base64" else raw
    return Evidence("nitro", 'application/cose; cose-type="cose-sign1"', body)


def outcome(untrusted, at, expected=None):
    """The claims, or the code of the refusal."""
    now = datetime.fromisoformat(at)
    try:
        return verify_nitro(untrusted, expected=expected, now=now, anchors=PINNED["nitro"], limits=EvidenceLimits())
    except EvidenceRejected as error:
        return error.code


def test_every_sample_is_what_it_should_be_at_its_time_and_later():
    for case in cases():
        found = outcome(evidence(case), case["at"])
        if case["outcome"] != "accept":
            assert found == case["outcome"], case["name"]
            continue
        assert (found.kind, found.assurance, found.is_bound) == ("nitro", "hardware", False), case["name"]
        for name, wanted in case["claims"].items():
            value = found.facts[name]
            assert (value.hex() if isinstance(value, bytes) else value) == wanted, (case["name"], name)
        assert outcome(evidence(case), case["late"]["at"]) == case["late"]["outcome"], case["name"]


def test_no_sample_is_bound_to_a_challenge_of_ours():
    for case in cases():
        if case["outcome"] == "accept":
            assert outcome(evidence(case), case["at"], EXPECTED) == codes.BINDING, case["name"]


def test_no_flipped_byte_of_a_sample_is_accepted():
    case = cases()[0]
    whole = evidence(case)
    for position in range(0, len(whole.body), FLIP_STRIDE_BYTES):
        flipped = bytearray(whole.body)
        flipped[position] ^= 0x41
        found = outcome(replace(whole, body=bytes(flipped)), case["at"])
        assert isinstance(found, str), position
        assert found != codes.STALE, position


def test_every_cut_of_a_sample_and_everything_behind_it_is_malformed():
    case = cases()[0]
    whole = evidence(case)
    for length in range(len(whole.body)):
        assert outcome(replace(whole, body=whole.body[:length]), case["at"]) == codes.MALFORMED, length
    for tail in (b"\0", b"\xf6", bytes(70), whole.body):
        assert outcome(replace(whole, body=whole.body + tail), case["at"]) == codes.MALFORMED


def test_the_containers_around_the_samples_are_no_documents():
    cases()
    for name in ("dstack_nsm_2025-12-25.bin", "dstack_nitro_attestation.scale.bin"):
        untrusted = Evidence("nitro", "", (SAMPLES / "nitro" / name).read_bytes())
        assert outcome(untrusted, "2025-12-25T13:15:37Z") == codes.MALFORMED
