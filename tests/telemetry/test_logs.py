"""Logs: one line per event, whatever is in it, and nothing secret in any of them."""

import gc
import io
import json
import logging
import os
import sys
import threading
import warnings

import pytest

from strongroom.telemetry import logs
from strongroom.telemetry.redaction import MASK, Redaction


@pytest.fixture
def stream():
    root, own = logging.getLogger(), logging.getLogger(logs.ROOT)
    saved = root.handlers[:], root.level, own.level, logging.raiseExceptions
    yield io.StringIO()
    root.handlers[:], own.level, logging.raiseExceptions = saved[0], saved[2], saved[3]
    root.setLevel(saved[1])
    own.setLevel(saved[2])


def test_an_event_is_one_line_of_text(stream):
    logs.configure("info", "text", stream=stream)
    logs.get("engine").info("run %s", "started", extra={"run_id": "wrun_1", "who": "a b", "size": 3})
    line = stream.getvalue()
    assert line.endswith('Z info    strongroom.engine: run started run_id=wrun_1 who="a b" size=3\n'.removeprefix("Z"))
    assert line.count("\n") == 1


def test_an_event_is_one_json_document(stream):
    logs.configure("info", "json", stream=stream)
    logs.get("engine").warning("é\n", extra={"run_id": "wrun_1", "level": "forged", "list": [1, b"xy"]})
    document = json.loads(stream.getvalue())
    assert document["time"].endswith("Z")
    del document["time"]
    assert document == {
        "level": "warning",
        "logger": "strongroom.engine",
        "message": "é\\n",
        "run_id": "wrun_1",
        "field_level": "forged",
        "list": [1, "<2 bytes>"],
    }


HOSTILE = ["a\nERROR forged", "a\r\nb", "\x1b[2J", "\x9b31m", "a\u2028b", "\u202eevil", "\0"]


@pytest.mark.parametrize("fmt", ["text", "json"])
@pytest.mark.parametrize("text", HOSTILE, ids=["newline", "crlf", "escape", "c1", "line-separator", "direction", "nul"])
def test_no_text_can_forge_a_line_or_command_a_terminal(stream, fmt, text):
    logs.configure("info", fmt, stream=stream)
    logs.get("x").info("m %s", text, extra={"field": text, text: "name"})
    out = stream.getvalue()
    assert len(out.splitlines()) == 1
    assert out.rstrip("\n").isprintable()


@pytest.mark.parametrize("fmt", ["text", "json"])
@pytest.mark.parametrize(
    "spelling",
    ["s3cret+/value", "733363726574", "czNjcmV0Ky92YWx1ZQ"],
    ids=["as-it-is", "hex", "base64"],
)
def test_a_registered_value_is_never_shown(stream, fmt, spelling):
    redaction = logs.configure("debug", fmt, stream=stream)
    redaction.register(b"s3cret+/value")
    shown = b"s3cret+/value".hex() if spelling.startswith("7333") else spelling
    log = logs.get("x")
    log.debug("it is %s", shown, extra={"url": f"https://u:{shown}@h", "deep": {"list": [f"x{shown}"]}})
    try:
        raise ValueError(shown)
    except ValueError:
        log.exception("failed")
    assert shown not in stream.getvalue()
    assert MASK in stream.getvalue()


@pytest.mark.parametrize(
    "name", ["password", "api_token", "payload", "vault_secret", "Authorization", "plaintext", "result"]
)
def test_a_field_that_says_it_is_secret_is_masked(name):
    assert Redaction().fields({name: "canary"}) == {name: MASK}
    assert Redaction().fields({name: b"canary"}) == {name: MASK}
    assert Redaction().fields({name: 1234}) == {name: MASK}


@pytest.mark.parametrize("name", ["payload_bytes", "secret_name", "tokens_max", "key_version", "run_id"])
def test_a_field_that_says_something_about_it_is_shown(name):
    assert Redaction().fields({name: 7}) == {name: 7}


def test_bytes_are_told_by_their_size():
    assert Redaction().fields({"data": b"canary", "more": [memoryview(b"xy")]}) == {
        "data": "<6 bytes>",
        "more": ["<2 bytes>"],
    }


def test_a_long_text_is_cut():
    assert len(Redaction().text("x" * 100_000)) < 9_000


def test_a_value_too_short_to_be_secret_does_not_shred_the_log():
    redaction = Redaction()
    redaction.register("a")
    redaction.register("")
    assert redaction.text("a banana") == "a banana"


def test_what_is_known_is_not_shown():
    redaction = Redaction()
    redaction.register("hunter2hunter2")
    assert "hunter2" not in repr(redaction)


def test_the_level_is_kept_and_libraries_are_heard_from_warnings_on(stream):
    logs.configure("error", "text", stream=stream)
    logs.get("x").warning("ours")
    logging.getLogger("somelib").info("theirs")
    logging.getLogger("somelib").warning("their warning")
    assert "ours" not in stream.getvalue()
    assert stream.getvalue().endswith("somelib: their warning\n")
    assert stream.getvalue().count("their") == 1


def test_bytes_that_are_no_message_are_one_warning_and_no_traceback(stream):
    logs.configure("info", "text", stream=stream)
    try:
        raise ValueError("canary")
    except ValueError:
        logging.getLogger("grpc._common").exception("Exception deserializing message!")
    out = stream.getvalue()
    assert " warning grpc._common: a message that could not be read was refused" in out
    assert "canary" not in out
    assert "traceback" not in out


def test_configuring_again_replaces_what_was_there(stream):
    logs.configure("info", "text", stream=stream)
    logs.configure("info", "text", stream=stream)
    logs.get("x").info("once")
    assert stream.getvalue().count("once") == 1


def test_a_log_call_that_is_wrong_shows_nothing_of_its_arguments(stream, capsys):
    logs.configure("info", "text", stream=stream)
    logs.get("x").info("%d", "canary")
    assert "canary" not in stream.getvalue() + capsys.readouterr().err


def test_a_name_keeps_its_prefix():
    assert logs.get("engine") is logs.get("strongroom.engine")


class Finalized:
    def __del__(self):
        raise ValueError("sesame-finalizer")


def test_what_python_would_write_to_stderr_itself_is_a_line_of_the_log_and_redacted(stream, monkeypatch, capsys):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    redaction = logs.configure("info", "json", stream=stream)
    for secret in ("sesame-thread", "sesame-finalizer", "sesame-warning"):
        redaction.register(secret)
    logs.hear_everything()

    def fails():
        raise ValueError("sesame-thread")

    try:
        thread = threading.Thread(target=fails, name="worker")
        thread.start()
        thread.join()
        made = Finalized()
        del made
        gc.collect()
        with warnings.catch_warnings():
            logging.captureWarnings(False)
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("sesame-warning", UserWarning, stacklevel=1)
            logging.captureWarnings(False)
    finally:
        logging.captureWarnings(False)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines[:2]] == [
        "a thread ended by an exception",
        "an exception could not be raised",
    ]
    assert lines[0]["part"] == "worker"
    assert "UserWarning: ***" in lines[2]["message"]
    assert "sesame" not in stream.getvalue()
    assert capsys.readouterr().err == ""


LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_lines_for_the_journal_begin_with_their_level_and_others_do_not(stream, tmp_path, monkeypatch, fmt):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with (tmp_path / "journal").open("w+") as journal:
        found = os.fstat(journal.fileno())
        for variable in ("1:2", f"{found.st_dev}:{found.st_ino}"):
            monkeypatch.setenv("JOURNAL_STREAM", variable)
            logs.configure("debug", fmt, stream=journal)
            for level in LEVELS:
                logs.get("x").log(getattr(logging, level.upper()), "a line")
        logs.change("info", fmt)
        logs.get("x").info("after a reload")
        journal.seek(0)
        lines = journal.read().splitlines()
    assert not any(line.startswith("<") for line in lines[:5]), "it goes somewhere else than the journal"
    assert [line[:3] for line in lines[5:]] == [f"<{number}>" for number in [*LEVELS.values(), 6]]
    if fmt == "json":
        assert [json.loads(line[3:])["level"] for line in lines[5:10]] == list(LEVELS)
    assert logs.for_children({"JOURNAL_STREAM": "1:2", "HOME": "/"}) == {"JOURNAL_STREAM": "1:2"}
    assert logs.for_children({}) == {}
