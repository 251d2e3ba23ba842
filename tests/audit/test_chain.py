"""A chain of records holds only as it was written."""

from hashlib import sha256

import pytest

from strongroom.audit.chain import GENESIS, ChainBreak, ChainEnd, ChainLink, link_digest, verify_chain

RECORDS = [b"one", b"two", b"three"]


def chain(records=RECORDS):
    digest, links = GENESIS, []
    for number, record in enumerate(records, start=1):
        digest = link_digest(digest, number, record)
        links.append(ChainLink(number, record, digest))
    return links


def test_a_digest_is_over_the_one_before_the_number_and_the_record():
    framed = b"STRONGROOM-AUDIT-v1"
    for part in (bytes(32), (1).to_bytes(8, "big"), b"one"):
        framed += len(part).to_bytes(8, "big") + part
    assert link_digest(GENESIS, 1, b"one") == sha256(framed).digest()


def test_a_chain_as_it_was_written_holds():
    links = chain()
    assert verify_chain(links) == ChainEnd(3, 3, links[-1].digest)
    assert verify_chain([]) == ChainEnd(0, 0, GENESIS)


def test_a_chain_holds_from_any_record_whose_digest_is_known():
    first, *rest = chain()
    assert verify_chain(rest, number=1, digest=first.digest) == ChainEnd(2, 3, rest[-1].digest)
    with pytest.raises(ChainBreak, match="record 2: its digest"):
        verify_chain(rest, number=1, digest=GENESIS)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_flipped_bit_of_a_record_or_digest_is_found_there(place):
    for field in ("record", "digest"):
        links = chain()
        found = bytearray(getattr(links[place], field))
        found[0] ^= 1
        changed = {"record": links[place].record, "digest": links[place].digest, field: bytes(found)}
        links[place] = ChainLink(place + 1, **changed)
        with pytest.raises(ChainBreak) as caught:
            verify_chain(links)
        assert caught.value.number == place + 1


@pytest.mark.parametrize(
    "reorder",
    [lambda links: links[1:], lambda links: [links[0], links[2]], lambda links: [links[1], links[0], links[2]]],
    ids=["the first is gone", "the second is gone", "two changed places"],
)
def test_a_gap_is_found(reorder):
    with pytest.raises(ChainBreak, match="it is missing"):
        verify_chain(reorder(chain()))
