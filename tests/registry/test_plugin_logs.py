"""Lines of a plugin's stderr, and what level they get."""

import json
import logging

import pytest

from strongroom.registry.plugin_logs import LINE_BYTES_MAX, TRACE, LineSplitter, LogForwarder


@pytest.fixture
def forwarder(caplog):
    caplog.set_level(1, logger="test.plugin")
    return LogForwarder(logging.getLogger("test.plugin"))


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ("plain", logging.DEBUG, "plain"),
        ("[TRACE] t", TRACE, "t"),
        ("[DEBUG] d", logging.DEBUG, "d"),
        ("[INFO] i", logging.INFO, "i"),
        ("[WARN] w", logging.WARNING, "w"),
        ("[ERROR] e", logging.ERROR, "e"),
        (json.dumps({"@level": "warn", "@message": "m", "@timestamp": "t"}), logging.WARNING, "m"),
        ('{"level": "warn"}', logging.DEBUG, '{"level": "warn"}'),
        ('{"@level": 5}', logging.DEBUG, '{"@level": 5}'),
        ("{broken", logging.DEBUG, "{broken"),
        ("[" * 100_000, logging.DEBUG, "[" * 100_000),
        ("100%s", logging.DEBUG, "100%s"),
        ("panic: x", logging.ERROR, "panic: x"),
        ("fatal error: x", logging.ERROR, "fatal error: x"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_line_gets_its_level(forwarder, caplog, line, level, message):
    forwarder.line(line)
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(level, message)]


def test_after_a_panic_unmarked_lines_are_errors(forwarder, caplog):
    for line in ("before", "panic: x", "goroutine 1", "[INFO] marked"):
        forwarder.line(line)
    assert [r.levelno for r in caplog.records] == [logging.DEBUG, logging.ERROR, logging.ERROR, logging.INFO]


def test_other_keys_of_a_structured_line_are_kept(forwarder, caplog):
    forwarder.line(json.dumps({"@level": "info", "@message": "m", "@timestamp": "t", "run": "r1"}))
    assert caplog.records[0].run == "r1"


def test_a_key_that_is_called_like_one_of_the_records_own_replaces_nothing(forwarder, caplog):
    forwarder.line(json.dumps({"@level": "info", "@message": "m", "@module": "x", "msg": "forged", "name": "root"}))
    assert caplog.records[0].getMessage() == "m"
    assert caplog.records[0].name != "root"


def test_a_line_over_the_limit_comes_in_pieces():
    splitter = LineSplitter()
    long = b"a" * LINE_BYTES_MAX
    assert list(splitter.feed(long + b"\nshort\n")) == [("a" * LINE_BYTES_MAX, True), ("short", True)]
    assert list(splitter.feed(long + b"bb\nshort\n")) == [("a" * LINE_BYTES_MAX, False), ("bb", False), ("short", True)]


def test_lines_survive_every_cut():
    text = b"one\ntwo\r\nthree"
    for cut in range(len(text)):
        splitter = LineSplitter()
        lines = [*splitter.feed(text[:cut]), *splitter.feed(text[cut:]), *splitter.end()]
        assert lines == [("one", True), ("two", True), ("three", True)]


def test_bytes_that_are_no_text_are_shown_as_far_as_possible():
    assert list(LineSplitter().feed(b"\xff\xfe ok\n")) == [("\ufffd\ufffd ok", True)]
