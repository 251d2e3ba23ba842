"""What holds for every verifier: the same attacks against good evidence of each kind, each refused with its code."""

from dataclasses import replace
from random import Random

import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits
from tests.fakes.good_evidence import KINDS, good

FLIPS_MAX = 400
"""Positions of one part that are flipped; smaller parts byte by byte."""
CUTS_MAX = 150
MUTATIONS = 250
SEED = 20270115
SURPRISE = codes.VERIFIER_FAILED
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
# What a flipped byte may come to. Policy speaks later, so its codes are not among them, but for what a quote measured.
OF_STRUCTURE = {
    codes.MALFORMED,
    codes.TOO_LARGE,
    codes.UNSUPPORTED_KIND,
    codes.UNSUPPORTED_VERSION,
    codes.ALGORITHM,
    codes.SIGNATURE,
    codes.CHAIN,
    codes.ANCHOR,
    codes.EXPIRED,
    codes.NOT_YET_VALID,
    codes.IDENTITY,
    codes.MEASUREMENT,
    codes.BINDING,
    codes.REVOKED,
    codes.COLLATERAL_MISSING,
    codes.COLLATERAL_EXPIRED,
}
# What evidence of another kind comes to when it says that it is of this one.
NOT_THIS_KIND = {
    codes.MALFORMED,
    codes.UNSUPPORTED_KIND,
    codes.UNSUPPORTED_VERSION,
    codes.ALGORITHM,
    codes.CHAIN,
    codes.IDENTITY,
}


def is_refused(found):
    return isinstance(found, str)


def is_the_same(kind, part, found):
    """Whether what was accepted says nothing else: PEM, JSON and hex in collateral have more than one spelling, the
    parameters of an outer signature are not signed, and a maker that nobody lists makes a vTPM worth less."""
    if kind in {"tdx", "sgx"}:
        return found.facts == good(kind).claims().facts
    if kind == "tpm2" and part != "body":
        return found.assurance == "vtpm-untrusted"
    return part == "endorsement 1" and found.facts == good(kind).claims().facts


@EVERY_KIND
def test_good_evidence_is_bound(kind):
    found = good(kind).claims()
    assert (found.kind, found.is_bound) == (kind, True)
    assert not good(kind).claims(expected=None).is_bound


@EVERY_KIND
def test_a_flipped_byte_in_any_part_is_refused_and_is_no_surprise(kind):
    for part, raw, changed in good(kind).parts():
        for position in range(0, len(raw), len(raw) // FLIPS_MAX + 1):
            flipped = bytearray(raw)
            flipped[position] ^= 1 << position % 8
            found = good(kind).outcome(**changed(bytes(flipped)))
            if is_refused(found):
                assert found in OF_STRUCTURE, (part, position)
            else:
                assert is_the_same(kind, part, found), (part, position)


@EVERY_KIND
def test_every_cut_of_any_part_is_refused_as_what_it_is(kind):
    for part, raw, changed in good(kind).parts():
        for length in range(0, len(raw), len(raw) // CUTS_MAX + 1):
            found = good(kind).outcome(**changed(raw[:length]))
            wanted = {codes.MALFORMED, codes.UNSUPPORTED_VERSION} if kind in {"tdx", "sgx"} else {codes.MALFORMED}
            assert found in wanted, (part, length)


@EVERY_KIND
@pytest.mark.parametrize("tail", [b"\1", b"\xf6", b"\xff" * 70, b"junk" * 20_000], ids=["1", "null", "70", "much"])
def test_bytes_behind_any_part_are_refused(kind, tail):
    for part, raw, changed in good(kind).parts():
        assert good(kind).outcome(**changed(raw + tail)) in {codes.MALFORMED, codes.TOO_LARGE}, part


@EVERY_KIND
def test_a_part_twice_is_refused(kind):
    found = good(kind)
    assert found.outcome(body=found.evidence.body * 2) in {codes.MALFORMED, codes.TOO_LARGE}
    twice = found.evidence.endorsements * 2 or (found.evidence.body[:100],) * 2
    assert is_refused(found.outcome(endorsements=twice))


@EVERY_KIND
def test_many_endorsements_are_refused_before_they_are_read(kind):
    few_bytes = good(kind).outcome(endorsements=(b"x",) * 100_000)
    many_bytes = good(kind).outcome(endorsements=(bytes(300_000),))
    # These three know how many there are before they know how large they may be.
    by_count = {"nitro": codes.MALFORMED, "tdx": codes.MALFORMED, "sgx": codes.MALFORMED}
    assert few_bytes == by_count.get(kind, codes.CHAIN if kind == "insecure-software" else codes.TOO_LARGE)
    assert many_bytes == (codes.MALFORMED if kind == "nitro" else codes.TOO_LARGE)


@EVERY_KIND
@pytest.mark.parametrize("field", ["report_data", "nonce", "kem_spki"])
def test_evidence_of_another_execution_is_not_for_this_one(kind, field):
    other = replace(good(kind).bound, **{field: b"x" * len(getattr(good(kind).bound, field))})
    carried = {"nitro": {"report_data", "nonce", "kem_spki"}, "insecure-software": {"report_data", "nonce"}}
    if field in carried.get(kind, {"report_data"}):
        assert good(kind).outcome(expected=other) == codes.BINDING
    else:
        assert good(kind).outcome(expected=other).is_bound, "report_data is the digest of this as well"


@EVERY_KIND
def test_a_longer_or_shorter_digest_is_not_bound(kind):
    bound = good(kind).bound
    for wrong in (b"", bound.report_data[:-1], bound.report_data + b"\1", bytes(32)):
        assert good(kind).outcome(expected=replace(bound, report_data=wrong)) == codes.BINDING


@EVERY_KIND
@pytest.mark.parametrize("other", KINDS)
def test_evidence_of_one_kind_is_none_of_another(kind, other):
    if kind == other:
        return
    theirs = good(other)
    assert theirs.outcome(by=kind) == codes.UNSUPPORTED_KIND
    assert theirs.outcome(by=kind, kind=kind) in NOT_THIS_KIND


@EVERY_KIND
def test_without_an_anchor_nothing_is_worth_anything(kind):
    for anchors in (frozenset(), frozenset({"00" * 32}), frozenset({""})):
        found = good(kind).outcome(anchors=anchors)
        assert found == codes.ANCHOR if kind != "tpm2" else found.assurance == "vtpm-untrusted"


@EVERY_KIND
@pytest.mark.parametrize("body", [b"", b"\0", b"\xff", b"\x9f", b"\xbf", b"\x81", b"{", b"-----BEGIN"], ids=repr)
def test_a_body_of_nothing_or_of_very_much_of_it_is_refused(kind, body):
    assert good(kind).outcome(body=body) == codes.MALFORMED
    assert good(kind).outcome(body=body * 4000) in {codes.MALFORMED, codes.TOO_LARGE, codes.UNSUPPORTED_VERSION}
    assert good(kind).outcome(body=body * 3_000_000) in {codes.MALFORMED, codes.TOO_LARGE}


@EVERY_KIND
def test_every_limit_of_nothing_refuses(kind):
    limits = EvidenceLimits(
        evidence_bytes_max=0, payload_bytes_max=0, endorsements_bytes_max=0, tpm_message_bytes_max=0, quote_bytes_max=0
    )
    assert good(kind).outcome(limits=limits) in {codes.TOO_LARGE, codes.MALFORMED}


@EVERY_KIND
def test_any_mixture_of_changes_is_refused_in_our_words(kind):
    random = Random(SEED)  # noqa: S311 - the same changes in every run
    parts = [*good(kind).parts()]
    for turn in range(MUTATIONS):
        part, raw, changed = random.choice(parts)
        found = good(kind).outcome(**changed(mutated(raw, random)))
        assert found != SURPRISE, turn
        assert is_refused(found) or is_the_same(kind, part, found), (part, turn)


def mutated(raw, random):
    """``raw`` with one to three pieces changed, exchanged, left out or put in."""
    changed = bytearray(raw)
    for _ in range(random.randrange(1, 4)):
        at, other, size = random.randrange(len(changed)), random.randrange(len(changed)), random.randrange(1, 9)
        match random.randrange(4):
            case 0:
                changed[at] ^= random.randrange(1, 256)
            case 1:
                changed[at : at + size] = changed[other : other + size]
            case 2 if len(changed) > 2 * size:
                del changed[at : at + size]
            case _:
                changed[at:at] = random.randbytes(size)
    return bytes(changed) if changed != raw else raw + b"\1"
