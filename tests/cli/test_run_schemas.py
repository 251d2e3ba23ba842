"""What programs read of runs keeps its form: a field that goes, or is called otherwise, fails here.

A new field is added to ``run_documents.json``; one is never taken out of it within a version of its schema.
"""

import json
from pathlib import Path

import pytest

from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.terminal import strongroom

GOLDEN = Path(__file__).with_name("run_documents.json")
WHY = ("--decrypt", "--reason", "a look")
COMMANDS = {
    "run start": ("run", "start", "hello", "--run-id", "wrun_9"),
    "run execute": ("run", "execute", "hello"),
    "run get": ("run", "get", "wrun_1"),
    "run get, opened": ("run", "get", "wrun_1", *WHY),
    "run list": ("run", "list"),
    "run events": ("run", "events", "wrun_1"),
    "run events, followed": ("run", "events", "wrun_1", "--follow"),
    "run logs": ("run", "logs", "wrun_1"),
    "run logs, opened": ("run", "logs", "wrun_1", *WHY),
    "run logs, followed": ("run", "logs", "wrun_1", "--follow"),
    "run cancel": ("run", "cancel", "wrun_2"),
    "run kill": ("run", "kill", "wrun_2", "--yes"),
    "run retry": ("run", "retry", "wrun_1"),
    "run replay": ("run", "replay", "wrun_1"),
    "run new-id": ("run", "new-id"),
    "run export": ("run", "export", "wrun_1", "--output", "run.jsonl"),
}


@pytest.fixture
def filled(host):
    sealed = run_pb2.Sealed(sealed_bytes=12, key_version=1)
    why = run_pb2.Unreadable(kind="tampered", code="SR-VIEW-003", what="it", why="so", fix="do")
    host.runs["wrun_1"] = run_pb2.Run(run_id="wrun_1", status=run_pb2.RUN_STATUS_COMPLETED, input=sealed, output=sealed)
    host.runs["wrun_2"] = run_pb2.Run(run_id="wrun_2", status=run_pb2.RUN_STATUS_RUNNING)
    host.runs["wrun_3"] = run_pb2.Run(run_id="wrun_3", tampered=True, unreadable=why)
    host.events = [
        run_pb2.Event(index=0, event_type="run_created", sealed=sealed, field="input", opened=b"1"),
        run_pb2.Event(index=1, event_type="run_started", sealed=sealed, tampered=True, unreadable=why),
    ]
    host.lines = [run_pb2.LogsResponse(index=1, line="x", mode="don")]
    host.pieces = [b'{"schema":"strongroom.run-export/v1"}\n']
    host.unreadable = [run_pb2.UnreadableField(field="input", unreadable=why)]
    return host


def fields(value, at=""):
    """The place of every field, such as ``events[].unreadable.code``."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield f"{at}{name}"
            yield from fields(each, f"{at}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from fields(each, f"{at.removesuffix('.')}[].")


def documents(words):
    """Every document that a command prints, by schema."""
    ended = strongroom(*words, "--json")
    assert ended.out, ended.err
    followed = "--follow" in words
    found = [json.loads(line) for line in ended.out.splitlines()] if followed else [json.loads(ended.out)]
    return {each["schema"]: sorted({*fields(each)}) for each in found}


def test_every_document_has_its_schema_and_exactly_these_fields(filled):
    now = {name: documents(words) for name, words in COMMANDS.items()}
    golden = json.loads(GOLDEN.read_text())
    assert {name: list(found) for name, found in now.items()} == {name: list(found) for name, found in golden.items()}
    for name, schemas in golden.items():
        for schema, wanted in schemas.items():
            missing = set(wanted) - set(now[name][schema])
            assert missing == set(), f"{name}: {schema} has lost fields, and its readers do not know"
            new = set(now[name][schema]) - set(wanted)
            assert new == set(), f"{name}: add these fields of {schema} to {GOLDEN.name}"


def test_every_schema_has_a_version(filled):
    for schemas in json.loads(GOLDEN.read_text()).values():
        for schema in schemas:
            assert schema.startswith("strongroom.")
            assert schema.endswith("/v1")
