"""Against @noble/ciphers in Node: it opens what is sealed here, and what it seals opens here, with random values."""

import random

import pytest

from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import ValuePlace, open_placed, open_value, seal_placed, seal_value
from strongroom.errors import Tampered
from tests.fakes.node import NodeProcess
from tests.faults.figures import record
from tests.faults.scale import much

VALUES = much(400, 10_000)
AT_ONCE = 200
"""Values in one question."""
HEADER_BYTES, NONCE_BYTES = 2, 24
PLACE = ValuePlace("alice", "epicenter-fuji", "table:tabs", "tab-1", 1_764_000_000_000)


@pytest.fixture(scope="module")
def noble():
    with NodeProcess("noble.cjs") as process:
        yield process


def sizes(dice):
    """Most values are small; some lie on both sides of where our two libraries take turns."""
    return dice.choice([0, 1, 15, 16, 17, 63, 64, 65, dice.randrange(300), dice.randrange(300), dice.randrange(6000)])


def random_value(dice):
    return Key(raw := dice.randbytes(32)), raw, dice.randbytes(dice.randrange(40)), dice.randbytes(sizes(dice))


def question(raw, blob, aad, text=None):
    nonce = blob[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    text = blob[HEADER_BYTES + NONCE_BYTES :] if text is None else text
    return {"key": raw.hex(), "nonce": nonce.hex(), "aad": aad.hex(), "text": text.hex()}


def test_random_values_open_both_ways(noble):
    dice = random.Random("noble")  # noqa: S311 - the same seed must give the same values
    there = here = 0
    for _ in range(0, VALUES, AT_ONCE):
        values = [random_value(dice) for _ in range(AT_ONCE)]
        blobs = [seal_value(key, 1, text, aad) for key, _, aad, text in values]
        questions = [question(raw, blob, aad) for (_, raw, aad, _), blob in zip(values, blobs, strict=True)]
        opened = noble.ask("open", values=questions)
        there += sum(got == text.hex() for got, (*_, text) in zip(opened, values, strict=True))
        nonces = [bytes([1, 1]) + dice.randbytes(NONCE_BYTES) for _ in values]
        asked = [question(raw, nonce, aad, text) for (_, raw, aad, text), nonce in zip(values, nonces, strict=True)]
        sealed = noble.ask("seal", values=asked)
        for (key, _, aad, text), nonce, theirs in zip(values, nonces, sealed, strict=True):
            here += open_value(key, nonce + bytes.fromhex(theirs), aad) == text
    what = f"{VALUES} random values beside @noble/ciphers {noble.ask('version')}, both ways"
    record("K1", what, demanded="all", measured=f"{there} and {here}", met=there == here == VALUES)
    assert (there, here) == (VALUES, VALUES)


def test_what_is_changed_is_refused_on_both_sides(noble):
    dice = random.Random("changed")  # noqa: S311 - as above
    for _ in range(20):
        key, raw, aad, text = random_value(dice)
        blob = bytearray(seal_value(key, 1, text, aad))
        blob[dice.randrange(HEADER_BYTES, len(blob))] ^= 1 << dice.randrange(8)
        assert noble.ask("open", values=[question(raw, bytes(blob), aad)]) == ["refused"]
        with pytest.raises(Tampered):
            open_value(key, bytes(blob), aad)


def test_a_value_of_format_2_is_no_value_for_programs_that_know_format_1(noble):
    raw = bytes(range(32))
    blob = seal_placed(Key(raw), 1, b"a value", PLACE)
    assert noble.ask("open", values=[question(raw, blob, PLACE.key.encode())]) == ["refused"]
    assert open_placed(Key(raw), blob, PLACE) == b"a value"
