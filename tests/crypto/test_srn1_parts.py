"""Large content is sealed in parts: each opens at its number only, and what is missing shows."""

import dataclasses

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto import srn1, srn1_parts
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place
from strongroom.crypto.srn1_parts import open_content, parts_in, parts_of, seal_content
from strongroom.errors import KeyMissing, Tampered
from tests.crypto.test_srn1 import OTHERS

RAW = bytes(range(32))
KEY = Key(RAW)
PLACE = Place("wrun_1", "step_completed", "step_1", "result", 7, False, bytes(range(16)))
SMALL = 64


def key_of(version):
    if version != 3:
        raise KeyMissing("SR-KEY-002", f"version {version}")
    return KEY


def opened(blob, place=PLACE):
    return open_content(key_of, place, blob)


@pytest.fixture
def small(monkeypatch):
    """Parts of 64 bytes, so that every byte of several can be tried."""
    monkeypatch.setattr(srn1_parts, "PART_BYTES_MAX", SMALL)
    monkeypatch.setattr(srn1_parts, "PART_ENVELOPE_BYTES_MAX", 36 + SMALL)


@pytest.fixture
def blob(small):
    return seal_content(KEY, 3, PLACE, bytes(range(200)))


def cut(blob):
    return [blob[start : start + 100] for start in range(0, len(blob), 100)]


def independent(content, size):
    """What parts are, from the text of docs/run-format.md and nothing else."""
    L = lambda data: len(data).to_bytes(8, "big") + data  # noqa: E731, N806 - the contract's own letter
    place = L(b"srn1") + (3).to_bytes(4, "big") + L(b"wrun_1") + L(b"step_completed") + L(b"step_1") + L(b"result")
    place += (7).to_bytes(8, "big") + b"\x00" + L(bytes(range(16)))
    pieces, blob, tag = [content[at : at + size] for at in range(0, len(content), size)], b"", b""
    for number, piece in enumerate(pieces):
        nonce = bytes([number]) * 12
        ad = place + L(b"part") + number.to_bytes(8, "big") + bytes([number == len(pieces) - 1]) + L(tag)
        body = AESGCM(RAW).encrypt(nonce, piece, ad)
        blob, tag = blob + b"srn1" + (3).to_bytes(4, "big") + nonce + body, body[-16:]
    return blob


@pytest.mark.parametrize("size", [65, 128, 129, 200, 640])
def test_parts_are_what_the_page_on_the_format_says(small, size):
    content = bytes(number % 251 for number in range(size))
    assert opened(independent(content, SMALL)) == content
    assert len(seal_content(KEY, 3, PLACE, content)) == len(independent(content, SMALL))


@pytest.mark.parametrize(
    ("size", "parts"), [(0, 1), (1, 1), (2**18 - 1, 1), (2**18, 1), (2**18 + 1, 2), (2**19, 2), (2**20 + 5, 5)]
)
def test_an_envelope_holds_at_most_256_kib(size, parts):
    content = b"\x5a" * size
    sealed = seal_content(KEY, 3, PLACE, content)
    assert len(sealed) == size + 36 * parts
    assert (parts_of(size), parts_in(len(sealed))) == (parts, parts)
    assert opened(sealed) == content
    assert srn1.tag_of(sealed) == sealed[-16:]
    assert srn1.key_version_of(sealed) == 3


def test_content_of_up_to_256_kib_is_a_plain_envelope():
    assert srn1.open_sealed(key_of, PLACE, seal_content(KEY, 3, PLACE, b"x" * 2**18)) == b"x" * 2**18


@pytest.mark.parametrize("size", [2**18, 2**18 + 1, 2**18 + 36, 2**20])
def test_a_larger_single_envelope_of_an_earlier_version_still_opens(size):
    assert opened(srn1.seal(KEY, 3, PLACE, b"o" * size)) == b"o" * size


ORDERS = "0 01 012 123 023 03 23 3 1023 0213 3210 00123 0113 01223 01233 01230"


@pytest.mark.parametrize("order", ORDERS.split())
def test_parts_that_are_missing_repeated_or_in_another_order_do_not_open(blob, order):
    parts = cut(blob)
    assert (len(parts), opened(b"".join(parts))) == (4, bytes(range(200)))
    with pytest.raises(Tampered):
        opened(b"".join(parts[int(number)] for number in order))


def test_every_cut_is_tampered(blob):
    for length in range(len(blob)):
        with pytest.raises(Tampered):
            opened(blob[:length])
    for tail in (b"\0", blob[:8], blob[:36], blob):
        with pytest.raises(Tampered):
            opened(blob + tail)


def test_every_flipped_bit_is_tampered_or_names_a_missing_key(blob):
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        # The version of the first part counts; that of another one must be the same.
        with pytest.raises(KeyMissing if 4 <= bit // 8 < 8 else Tampered):
            opened(bytes(flipped))


def test_a_part_of_another_sealing_of_the_same_place_does_not_fit(small):
    one, other = (cut(seal_content(KEY, 3, PLACE, bytes([fill]) * 200)) for fill in (1, 2))
    for number in range(4):
        with pytest.raises(Tampered):
            opened(b"".join([*one[:number], other[number], *one[number + 1 :]]))
    with pytest.raises(Tampered):
        opened(b"".join(one[:2] + other[2:]))


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Place)])
def test_parts_open_only_where_they_were_sealed(blob, name):
    with pytest.raises(Tampered):
        opened(blob, dataclasses.replace(PLACE, **{name: OTHERS[name]}))


def test_a_part_is_no_envelope_and_an_envelope_is_no_part(blob):
    with pytest.raises(Tampered):
        srn1.open_sealed(key_of, PLACE, cut(blob)[0])
    single = srn1.seal(KEY, 3, PLACE, b"x" * SMALL)
    with pytest.raises(Tampered):
        opened(single + single)


@pytest.mark.parametrize("untrusted", ["text", 7, None, b"", b"srn1", b"encr" + bytes(400)])
def test_what_is_no_envelope_is_tampered(untrusted):
    with pytest.raises(Tampered):
        opened(untrusted)
