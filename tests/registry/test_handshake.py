"""The handshake line, good and bad."""

import os

import pytest

from strongroom.errors import PluginFault
from strongroom.registry.handshake import parse_handshake, read_handshake


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("1|0|unix|/run/p.sock|grpc|\n", "unix:/run/p.sock"),
        ("1|0|unix|/run/p.sock|grpc", "unix:/run/p.sock"),
        (" 1|0|unix|/run/p.sock|grpc||false ", "unix:/run/p.sock"),
        ("1|0|unix|/run/a%41?b#c|grpc|", "unix:/run/a%2541%3Fb%23c"),
        ("1|0|tcp|127.0.0.1:10000|grpc|", "127.0.0.1:10000"),
    ],
    ids=["six parts", "five parts", "seven parts", "a path that is no URI", "tcp on loopback"],
)
def test_a_good_line_says_where_the_plugin_listens(line, target):
    assert parse_handshake(line).target == target


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "Failed to read any lines from plugin's stdout"),
        ("hello", "Unrecognized remote plugin message: hello"),
        ("1|0|unix", r"Unrecognized remote plugin message: 1\|0\|unix"),
        ("1|0|unix|/p", r'unsupported plugin protocol "netrpc". Supported: \[grpc\]'),
        ("x|0|unix|/p|grpc|", "error parsing core protocol version"),
        ("2|0|unix|/p|grpc|", "incompatible core API version with plugin. Plugin version: 2, Core version: 1"),
        ("1|9|unix|/p|grpc|", r"incompatible API version with plugin. Plugin version: 9, Client versions: \[0\]"),
        ("1|0|udp|/p|grpc|", "unknown address type: udp"),
        ("1|0|unix|p|grpc|", "not a place on this machine"),
        ("1|0|tcp|10.0.0.1:80|grpc|", "not a place on this machine"),
        ("1|0|tcp|127.0.0.1:x|grpc|", "not a place on this machine"),
        ("1|0|unix|/p|netrpc|", 'unsupported plugin protocol "netrpc"'),
        ("1|0|unix|/p|grpc|" + "A" * 60, "error parsing server cert"),
        ("1" * 5000 + "|0|unix|/p|grpc|", "incompatible core API version"),
    ],
)
def test_a_bad_line_is_refused_in_the_words_of_the_reference(line, reason):
    with pytest.raises(PluginFault) as caught:
        parse_handshake(line)
    with pytest.raises(AssertionError, match=f"(?s){reason}"):
        raise AssertionError(str(caught.value))


@pytest.mark.parametrize("cut", range(len("1|0|unix|/p|grpc|")))
def test_every_cut_of_a_line_is_refused_or_means_the_same(cut):
    try:
        assert parse_handshake("1|0|unix|/p|grpc|"[:cut]).target == "unix:/p"
    except PluginFault:
        assert cut < len("1|0|unix|/p|grpc")


@pytest.fixture
def pipe():
    ends = os.pipe()
    alive = os.pidfd_open(os.getpid())
    yield *ends, alive
    os.close(alive)
    os.close(ends[0])


def test_a_line_may_come_in_pieces_and_without_an_end(pipe):
    out, into, alive = pipe
    os.write(into, b"1|0|unix|/p|gr")
    os.write(into, b"pc|")
    os.close(into)
    assert read_handshake(out, alive, timeout_s=5, bytes_max=100).target == "unix:/p"


def test_a_line_that_is_too_long_names_the_limit(pipe):
    out, into, alive = pipe
    os.write(into, b"x" * 101)
    os.close(into)
    with pytest.raises(PluginFault) as caught:
        read_handshake(out, alive, timeout_s=5, bytes_max=100)
    assert "100 (handshake_bytes_max)" in str(caught.value)


def test_silence_ends_after_the_limit(pipe):
    out, into, alive = pipe
    with pytest.raises(PluginFault) as caught:
        read_handshake(out, alive, timeout_s=0.05, bytes_max=100)
    assert "timeout while waiting for plugin to start" in str(caught.value)
    os.close(into)
