"""The host's side of an order: a program that says nothing, or what is no answer, is away and keeps nothing."""

import os
import socket
import time
from pathlib import Path

import pytest

from strongroom.errors import Unavailable
from strongroom.guest.starter import pool_client, wire
from strongroom.guest.starter.pool_client import Pool
from strongroom.pb.strongroom.runner.v1 import pool_pb2
from tests.fakes.pool_program import WAIT_S


def test_a_program_that_says_nothing_is_away_and_keeps_nobody_from_ending(monkeypatch):
    ours, theirs = wire.pair()
    started = Pool(lambda: ours).start()
    with pytest.raises(Unavailable, match="it did not answer in time"):
        started.connection(0.01)
    began_s = time.monotonic()
    assert started.wait() is None
    assert time.monotonic() - began_s < pool_client.END_S, "what was hung up on is not waited for"
    started.close()
    theirs.close()


@pytest.mark.parametrize(
    "word",
    [b"", b"\xff\xff", pool_pb2.Answer(started={"pid": 7}).SerializeToString(), b"x" * 5_000, b"\x1a\x00"],
    ids=["an empty one", "noise", "a start without a socket", "too long", "an end before the start"],
)
def test_a_program_that_says_what_is_no_answer_is_away(word):
    ours, theirs = wire.pair()
    started = Pool(lambda: ours).start()
    wire.send(theirs, word)
    with pytest.raises(Unavailable, match="it hung up"):
        started.connection(WAIT_S)
    started.close()
    theirs.close()


def file_descriptor():
    return os.open(os.devnull, os.O_RDONLY)


def stream():
    return socket.socket(socket.AF_UNIX).detach()


STARTED = pool_pb2.Answer(started={"pid": 7}).SerializeToString()


@pytest.mark.parametrize(
    ("word", "descriptor"),
    [
        (STARTED, file_descriptor),
        (STARTED, lambda: socket.socket().detach()),
        (STARTED, lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).detach()),
        (b"\xff\xff", stream),
        (pool_pb2.Answer(refused={"why": "no"}).SerializeToString(), stream),
    ],
    ids=["a file", "the network", "a socket of datagrams", "noise", "a refusal"],
)
def test_what_a_program_sends_instead_of_a_runner_is_closed(word, descriptor):
    ours, theirs = wire.pair()
    before = len(list(Path("/proc/self/fd").iterdir()))
    started = Pool(lambda: ours).start()
    sent = descriptor()
    wire.send(theirs, word, sent)
    os.close(sent)
    with pytest.raises(Unavailable, match=r"it hung up|refused"):
        started.connection(WAIT_S)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "each would be one less for the host"
    started.close()
    theirs.close()
