"""``strongroom run streams``, ``stream`` and ``stream-write``: bytes as they were, each chunk once, across cuts."""

import base64
import json

import grpc
import pytest

from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

RUN = "wrun_1"
WHY = ("--decrypt", "--reason", "a look")
CONTENTS = [b"one ", b"\x00\xff\r\n", "zw\u00f6lf".encode(), b""]


@pytest.fixture
def written(host):
    host.streams.put("out", *CONTENTS)
    return host


def lines_of(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


def test_streams_are_listed_with_how_they_stand(host):
    host.streams.put("b", b"123", b"45")
    host.streams.put("a", b"", close=False)
    host.streams.put("touched", b"x")
    ended = strongroom("run", "streams", RUN, "--json")
    assert ended.document["schema"] == "strongroom.streams/v1"
    assert [(each["name"], each["chunks"], each["bytes"], each["closed"]) for each in ended.document["streams"]] == [
        ("a", 1, 0, False),
        ("b", 2, 5, True),
        ("touched", 1, 1, True),
    ]
    shown = strongroom("run", "streams", RUN).out.splitlines()
    assert [line.split()[-1] for line in shown[1:]] == ["open", "closed", "TAMPERED"]


def test_a_run_without_streams_says_so(host):
    ended = strongroom("run", "streams", RUN)
    assert (ended.out, ended.err) == ("", "it has no streams\n")


def test_a_stream_that_was_opened_is_its_bytes_and_nothing_else(written):
    ended = strongroom("run", "stream", RUN, "out", *WHY)
    assert (ended.code, ended.data) == (0, b"".join(CONTENTS))
    assert written.asked[-1].reason == "a look"


def test_a_terminal_gets_whole_characters_and_nothing_that_it_would_obey(host):
    text = "zw\u00f6lf\x1b[31m\nnext\u202e".encode()
    host.streams.put("out", text[:3], text[3:])
    ended = strongroom("run", "stream", RUN, "out", *WHY, shown=True)
    assert ended.out == "zw\u00f6lf\\x1b[31m\nnext\\u202e"


def test_a_stream_is_sealed_and_says_how_to_open_it(written):
    ended = strongroom("run", "stream", RUN, "out")
    assert ended.out.count("[encrypted") == 4
    assert ended.out.splitlines()[-1].endswith("[encrypted \u00b7 36 B \u00b7 key v3]  the last")
    assert "one" not in ended.out
    assert "--decrypt --reason" in ended.err


def test_with_json_each_chunk_is_a_document(written):
    opened = lines_of(strongroom("run", "stream", RUN, "out", *WHY, "--json"))
    assert [base64.b64decode(each["data"]) for each in opened] == CONTENTS
    assert [(each["index"], each["final"]) for each in opened] == [(0, False), (1, False), (2, False), (3, True)]
    assert {each["schema"] for each in opened} == {"strongroom.stream/v1"}
    sealed = lines_of(strongroom("run", "stream", RUN, "out", "--json"))
    assert [(each["data"], each["content"][:10]) for each in sealed] == [(None, "[encrypted")] * 4


@pytest.mark.parametrize("cuts", [[], [0], [1], [4], [2, 0, 1]], ids=str)
def test_following_gives_each_chunk_once_wherever_the_way_is_cut(written, cuts):
    written.cuts = list(cuts)
    ended = strongroom("run", "stream", RUN, "out", "--follow", *WHY)
    assert (ended.code, ended.data) == (0, b"".join(CONTENTS))


@pytest.mark.parametrize(("start", "first"), [("2", 2), ("-2", 2), ("-9", 0), ("4", 4)])
def test_reading_begins_where_it_is_told(written, start, first):
    ended = strongroom("run", "stream", RUN, "out", "--from", start, *WHY)
    assert ended.data == b"".join(CONTENTS[first:])
    assert written.asked[-1].start_index == int(start)


def test_a_stream_without_its_end_is_an_error_after_what_is_there(written):
    written.streams.ends_with = lambda: RefusedError(
        grpc.StatusCode.DATA_LOSS, "SR-STREAM-006", "stream out ends after 4 chunks without its last one"
    )
    for follow in ((), ("--follow",)):
        ended = strongroom("run", "stream", RUN, "out", *follow, *WHY)
        assert (ended.code, ended.data) == (74, b"".join(CONTENTS))
        assert "SR-STREAM-006" in ended.err


@pytest.mark.parametrize("arguments", [("--decrypt",), ("--reason", "x")], ids=["no reason", "reason for nothing"])
def test_options_that_contradict_each_other_are_a_usage_error(written, arguments):
    assert strongroom("run", "stream", RUN, "out", *arguments).code == 2
    assert not written.asked


def test_what_is_written_is_text_a_file_or_stdin_and_is_closed_when_that_is_wanted(host, tmp_path):
    (tmp_path / "page").write_bytes(b"\x00file")
    assert strongroom("run", "stream-write", RUN, "in", "text").out == "0\n"
    assert strongroom("run", "stream-write", RUN, "in", "@page").out == "1\n"
    ended = strongroom("run", "stream-write", RUN, "in", "-", "--close", "--json", stdin=b"piped")
    assert (ended.document["indexes"], ended.document["bytes"], ended.document["closed"]) == ([2], 5, True)
    assert host.streams.chunks["in"] == [b"text", b"\x00file", b"piped"]
    assert host.asked[-1].last
    assert len({request.request_id for request in host.asked}) == 3


def test_closing_alone_writes_nothing(host):
    assert strongroom("run", "stream-write", RUN, "in", "--close").code == 0
    assert (host.streams.chunks, host.streams.closed) == ({}, {"in"})


def test_what_is_large_becomes_several_chunks_of_which_the_last_one_closes(host):
    content = bytes(range(256)) * 2_100
    ended = strongroom("run", "stream-write", RUN, "in", "-", "--close", "--request-id", "mine", stdin=content)
    assert ended.out == "0 1 2\n"
    assert b"".join(host.streams.chunks["in"]) == content
    assert [(each.request_id, each.last) for each in host.asked] == [
        ("mine.0", False),
        ("mine.1", False),
        ("mine.2", True),
    ]


def test_a_write_whose_answer_was_cut_off_is_sent_again_and_written_once(host):
    host.cuts = [1, 1]
    ended = strongroom("run", "stream-write", RUN, "in", "x")
    assert (ended.code, ended.out, host.streams.chunks["in"]) == (0, "0\n", [b"x"])
    assert len(host.asked) == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "SR-CLI-196"),
        (("",), "SR-CLI-196"),
        (("x", "--request-id", "a b"), "SR-CLI-197"),
        (("x", "--request-id", "a" * 101), "SR-CLI-197"),
    ],
    ids=["nothing", "empty", "space", "long"],
)
def test_what_cannot_be_written_is_refused_before_the_host_is_asked(host, arguments, code):
    ended = strongroom("run", "stream-write", RUN, "in", *arguments, "--json")
    assert (ended.code, ended.error["code"]) == (2, code)
    assert not host.asked


def test_a_closed_stream_is_an_error_of_the_request(host):
    host.fail = lambda: RefusedError(grpc.StatusCode.FAILED_PRECONDITION, "SR-STREAM-004", "stream in is closed")
    ended = strongroom("run", "stream-write", RUN, "in", "x")
    assert ended.code == 65
    assert "SR-STREAM-004" in ended.err
