"""Requests of probes: what is no plain GET for this machine is refused, with the reason, whatever its bytes are."""

import random

import pytest

from strongroom.services.http_request import HEADERS_MAX, Answer, Refusal, Request, encoded, parse, plain

TCP = frozenset({"probes.internal"})


def refused(untrusted, hosts=None):
    with pytest.raises(Refusal) as refusal:
        parse(untrusted, hosts=hosts)
    return refusal.value.answer.status


def test_a_request_is_its_method_its_path_and_what_follows_a_question_mark():
    head = b"GET /readyz?verbose HTTP/1.1\r\nHost: localhost:9464\r\nUser-Agent: curl/8"
    assert parse(head, hosts=TCP) == Request("GET", "/readyz", "verbose")
    assert parse(b"HEAD /livez HTTP/1.0", hosts=None) == Request("HEAD", "/livez", "")


@pytest.mark.parametrize(
    ("untrusted", "status"),
    [
        (b"", 400),
        (b"GET /livez", 400),
        (b"GET /livez HTTP/2.0", 400),
        (b"GET livez HTTP/1.1", 400),
        (b"GET  /livez HTTP/1.1", 400),
        (b"GET /li\x00vez HTTP/1.1", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"POST /livez HTTP/1.1", 405),
        (b"OPTIONS /livez HTTP/1.1", 405),
        (b"GET /" + b"a" * 300 + b" HTTP/1.1", 414),
        (b"GET / HTTP/1.1\r\nContent-Length: 5", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked", 413),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"GET / HTTP/1.1\r\nX: a\nHost: b", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        (b"GET / HTTP/1.1" + b"\r\nA: b" * (HEADERS_MAX + 1), 431),
    ],
    ids=lambda value: value if isinstance(value, int) else None,
)
def test_what_is_no_plain_request_is_refused(untrusted, status):
    assert refused(untrusted) == status


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9464", "[::1]:9464", "10.1.2.3", "probes.internal:80"])
def test_this_machine_is_asked_by_an_address_or_by_a_name_that_was_set(host):
    assert parse(f"GET /livez HTTP/1.1\r\nHost: {host}".encode(), hosts=TCP).path == "/livez"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "a b", "x@localhost"]
)
def test_a_page_of_the_web_that_has_its_name_point_here_is_not_answered(host):
    assert refused(f"GET /metrics HTTP/1.1\r\nHost: {host}".encode(), TCP) == 421
    assert refused(b"GET /metrics HTTP/1.1", TCP) == 421


def status_of(untrusted):
    try:
        parse(untrusted, hosts=TCP)
    except Refusal as refusal:
        return refusal.answer.status
    return 200


@pytest.mark.timeout(10)
def test_a_header_of_blanks_alone_takes_no_time():
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX:"
    assert status_of(head + b" \t" * 4_000) == 200
    assert status_of(head + b" \t" * 4_000 + b"\x00") == 400
    assert parse(b"GET /livez HTTP/1.1\r\nHost: \t localhost \t", hosts=TCP).path == "/livez"


def test_whatever_bytes_come_they_are_a_request_or_refused():
    source = random.Random(7)  # noqa: S311 - the same bytes each time
    whole = b"GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\nAccept: */*"
    for _ in range(3_000):
        changed = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            changed[source.randrange(len(changed))] = source.randrange(256)
        assert 200 <= status_of(bytes(changed[: source.randrange(len(changed) + 1)])) < 500


def test_an_answer_says_its_size_and_ends_the_connection():
    head, _, body = encoded(Answer(207, b"{}", "application/json"), with_body=True).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 207 Multi-Status"
    assert {"Content-Length: 2", "Connection: close", "Content-Type: application/json"} <= set(lines)
    assert body == b"{}"
    assert encoded(plain(200, "ok"), with_body=False).endswith(b"\r\n\r\n")
