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
    pair = Frames(ours, stall_s=0.05), Frames(theirs, takes_descriptors=True)
    yield pair
    for end in pair:
        end.close()


def send_on(end, message, **beside):
    """Send more than any buffer holds."""
    for _ in range(100_000):
        end.send(message, **beside)


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


def test_an_end_that_takes_no_descriptors_keeps_none_and_says_so():
    ours, theirs = socket.socketpair()
    frames = Frames(ours)
    mine, passed = os.pipe()
    socket.send_fds(theirs, [struct.pack(">I", 1)], [passed])
    os.close(passed)
    with pytest.raises(LimitExceeded, match="descriptors, which it may not"):
        frames.receive(1)
    # Nobody has the other end of the pipe any more.
    assert os.read(mine, 1) == b""
    os.close(mine)
    frames.close()
    theirs.close()


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_an_end_that_does_not_read_fails_whoever_sends_and_all_who_send_later(ends, size):
    with pytest.raises(TimeoutError, match="does not read"):
        send_on(ends[0], bytes(size))
    with pytest.raises(TimeoutError, match="does not read"):
        ends[0].send(b"more")


def test_a_descriptor_waits_no_longer_than_anything_else_for_an_end_that_does_not_read(ends):
    with pytest.raises(TimeoutError):
        send_on(ends[0], b"x", descriptor=0)


def test_a_slow_reader_gets_all_of_it(ends):
    message = os.urandom(1_000_000)
    sender = threading.Thread(target=ends[0].send, args=(message,))
    sender.start()
    assert ends[1].receive(10) == message
    sender.join()


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
