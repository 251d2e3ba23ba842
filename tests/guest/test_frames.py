"""Frames over a socket pair: whole, cut, too large, with descriptors."""

import os
import socket
import struct
import threading

import pytest

from strongroom.errors import LimitExceeded, Tampered
from strongroom.guest.frames import Frames


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    pair = Frames(ours), Frames(theirs)
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
def test_a_message_arrives_as_it_was_sent(ends, size):
    message = os.urandom(size)
    sender = threading.Thread(target=ends[0].send, args=(message,))
    sender.start()
    assert ends[1].receive(10) == message
    sender.join()


def test_messages_keep_their_order_and_borders(ends):
    for number in range(100):
        ends[0].send(bytes([number]) * number)
    assert [ends[1].receive(1) for _ in range(100)] == [bytes([n]) * n for n in range(100)]
    assert ends[1].receive(0) is None
    assert not ends[1].ended


def test_a_descriptor_comes_with_its_frame(ends):
    read, write = os.pipe()
    ends[0].send(b"before")
    ends[0].send(b"with", descriptor=write)
    assert [ends[1].receive(1), ends[1].receive(1)] == [b"before", b"with"]
    received = ends[1].take_descriptor()
    os.write(received, b"through")
    assert os.read(read, 7) == b"through"
    for descriptor in (read, write, received):
        os.close(descriptor)


def test_a_descriptor_that_did_not_come_is_an_error(ends):
    with pytest.raises(Tampered):
        ends[0].take_descriptor()


def test_a_frame_that_is_too_large_names_the_limit():
    ours, theirs = socket.socketpair()
    frames = Frames(ours, frame_bytes_max=10)
    theirs.sendall(struct.pack(">I", 11))
    with pytest.raises(LimitExceeded, match="11 bytes is larger than the limit of 10"):
        frames.receive(1)
    frames.close()
    theirs.close()


@pytest.mark.parametrize("size", range(9))
def test_a_cut_frame_is_an_end(size):
    ours, theirs = socket.socketpair()
    frames = Frames(ours)
    theirs.sendall((struct.pack(">I", 5) + b"hello")[:size])
    theirs.close()
    assert (frames.receive(1), frames.ended) == (b"hello" if size == 9 else None, size < 9)
    frames.close()


def test_sending_to_a_closed_end_raises(ends):
    ends[1].close()
    with pytest.raises(OSError, match="Broken pipe"):
        ends[0].send(b"hello")


def test_two_writers_do_not_tear_each_others_frames(ends):
    messages = [bytes([number]) * 50_000 for number in range(8)]
    writers = [threading.Thread(target=ends[0].send, args=(message,)) for message in messages]
    for writer in writers:
        writer.start()
    assert sorted(ends[1].receive(10) for _ in messages) == messages
    for writer in writers:
        writer.join()
