"""Frames of streams: put together from whatever pieces arrive, each opened by itself."""

import random

import pytest

from strongroom.crypto.encp import SealTarget
from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, LimitExceeded, Truncated
from strongroom.interop import stream_frames
from strongroom.interop.payloads import RunPayloadKeys
from strongroom.interop.stream_frames import FrameReader, FrameWriter, frame_of, open_frame
from tests.fakes.payload_faults import fault_of

KEYS = RunPayloadKeys.of(Key(bytes(range(32))))
CHUNKS = [b'devl["chunk-%d"]' % number for number in range(6)] + [b"", b"devl" + b"x" * 70_000]
WAYS = {"encr": KEYS, "key alone": KEYS.symmetric, "encp": SealTarget(KEYS.pair.public)}
EVERY_WAY = pytest.mark.parametrize("keys", WAYS.values(), ids=WAYS)


def written(keys, chunks=CHUNKS):
    writer = FrameWriter(keys)
    return [writer.frame(chunk) for chunk in chunks]


def payloads_of(stream, size=None):
    reader, found = FrameReader(), []
    for start in range(0, len(stream), size or len(stream)):
        found += reader.feed(stream[start : start + (size or len(stream))])
    reader.close()
    return found


@EVERY_WAY
def test_the_length_stands_in_front_of_the_envelope(keys):
    for frame, chunk in zip(written(keys), CHUNKS, strict=True):
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert frame[4:8] in (b"encr", b"encp")
        assert chunk[4:] not in frame or not chunk[4:]


@EVERY_WAY
@pytest.mark.parametrize("size", [None, 1, 2, 3, 5, 61, 1000])
def test_frames_are_put_together_from_pieces_of_any_size(keys, size):
    stream = b"".join(written(keys, CHUNKS[:6]))
    assert [open_frame(payload, KEYS) for payload in payloads_of(stream, size)] == CHUNKS[:6]


def test_frames_are_put_together_from_pieces_of_random_sizes():
    dice = random.Random(2)  # noqa: S311 - the same pieces each time
    stream, reader, found = b"".join(written(KEYS)), FrameReader(), []
    while stream:
        size = dice.choice([0, 1, 3, 4, 40, 5000])
        found += reader.feed(stream[:size])
        stream = stream[size:]
    reader.close()
    assert [open_frame(payload, KEYS) for payload in found] == CHUNKS


def test_several_frames_in_one_piece_come_in_their_order():
    assert payloads_of(b"".join(map(frame_of, CHUNKS))) == CHUNKS


def test_bytes_of_a_stream_of_bytes_are_encrypted_too():
    """Elsewhere they go in the clear (contract 14, row 6)."""
    raw = bytes(range(256))
    (frame,) = written(KEYS, [raw])
    assert raw not in frame
    assert open_frame(frame[4:], KEYS) == raw


@EVERY_WAY
def test_a_frame_that_does_not_open_says_nothing_of_the_others(keys):
    frames = written(keys, CHUNKS[:6])
    damaged = bytearray(frames[2])
    damaged[-1] ^= 1
    found = payloads_of(b"".join([*frames[:2], bytes(damaged), *frames[3:]]), 7)
    error = fault_of(lambda: open_frame(found[2], KEYS))
    assert error.format_prefix == frames[2][4:8].decode()
    assert [open_frame(found[at], KEYS) for at in (0, 1, 3, 4, 5)] == [CHUNKS[at] for at in (0, 1, 3, 4, 5)]


@EVERY_WAY
def test_a_frame_needs_a_key(keys):
    (frame,) = written(keys, CHUNKS[:1])
    for missing in (None, SealTarget(KEYS.pair.public)):
        error = fault_of(lambda missing=missing: open_frame(frame[4:], missing, strict=False))
        assert error.format_prefix == frame[4:8].decode()


def test_frames_are_in_the_clear_only_where_somebody_says_so():
    assert FrameWriter(None, strict=False).frame(b"devl[1]") == frame_of(b"devl[1]")
    assert open_frame(b"devl[1]", None, strict=False) == b"devl[1]"
    with pytest.raises(InvalidInput, match="in the clear"):
        FrameWriter(None).frame(b"devl[1]")
    assert fault_of(lambda: open_frame(b"devl[1]", KEYS)).code == "SR-INTEROP-020"


def test_a_writer_agrees_on_one_key_and_several_writers_share_a_stream():
    one, other = (written(WAYS["encp"], CHUNKS[:3]) for _ in range(2))
    assert len({frame[8:40] for frame in one}) == 1
    assert len({frame[8:40] for frame in one + other}) == 2
    assert len({frame[8:52] for frame in one + other}) == 6, "no key and nonce come together twice"
    mixed = [frame for pair in zip(one, other, strict=True) for frame in pair]
    opened = [open_frame(payload, KEYS) for payload in payloads_of(b"".join(mixed))]
    assert opened == [chunk for chunk in CHUNKS[:3] for _ in range(2)]


@pytest.mark.parametrize("length", [100_000_001, 2**31, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused_before_anything_is_kept(length):
    reader = FrameReader()
    with pytest.raises(LimitExceeded, match=f"a frame of {length} bytes is larger than 100000000"):
        reader.feed(length.to_bytes(4, "big"))


def test_what_stands_before_a_length_that_no_frame_has_comes_out_first():
    for end in (lambda reader: reader.feed(b"more"), lambda reader: reader.close()):
        reader = FrameReader()
        assert reader.feed(frame_of(b"devl[42]") + b"\xff" * 4 + b"noise") == [b"devl[42]"]
        for _ in range(2):
            with pytest.raises(LimitExceeded, match="a frame of 4294967295 bytes"):
                end(reader)
        assert len(reader._pending) == 9, "nothing more is kept"


def test_a_frame_that_is_too_long_does_not_come_out_where_all_of_it_is_there(monkeypatch):
    monkeypatch.setattr(stream_frames, "FRAME_BYTES_MAX", 50)
    reader = FrameReader()
    assert reader.feed(frame_of(b"devl[42]") + (51).to_bytes(4, "big") + bytes(51)) == [b"devl[42]"]
    with pytest.raises(LimitExceeded, match="a frame of 51 bytes"):
        reader.feed(b"")


def test_the_longest_frame_is_waited_for_and_not_made_room_for():
    reader = FrameReader()
    assert reader.feed((100_000_000).to_bytes(4, "big") + b"start") == []
    assert len(reader._pending) == 9


def test_what_is_too_long_for_a_frame_is_not_written(monkeypatch):
    monkeypatch.setattr(stream_frames, "FRAME_BYTES_MAX", 50)
    assert len(frame_of(bytes(50))) == 54
    for write in (lambda: frame_of(bytes(51)), lambda: FrameWriter(KEYS).frame(bytes(19))):
        with pytest.raises(LimitExceeded, match="a frame of 51 bytes"):
            write()


@pytest.mark.parametrize("size", [1, 3, 4, 5, 20])
def test_a_stream_that_ends_within_a_frame_is_truncated(size):
    reader = FrameReader()
    assert reader.feed(frame_of(b"devl[42]") + frame_of(b"devl" + bytes(40))[:size]) == [b"devl[42]"]
    with pytest.raises(Truncated, match=f"in the middle of a frame: {size} bytes"):
        reader.close()
