"""Who asks for a run again finds it under every key version, and nobody finds it by asking for something else."""

from dataclasses import replace

import pytest
from google.protobuf import any_pb2

from strongroom.engine.admission import Start
from strongroom.engine.requests import is_request, json_asked, message_asked, repeat_of, request_again, sealed_request
from strongroom.engine.rotation_tables import tables
from strongroom.engine.runids import new_run_id
from strongroom.errors import Conflict, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import RUN_REQUESTS
from strongroom.pb.capabilities.networking.http.v1alpha import http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from tests.fakes.key_rig import roots, text_of
from tests.fakes.rows import run_row
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.workflow_host import OWNER, WorkflowHost

KEYS = RecordKeys(roots(2, 1))
BEFORE = run_row(1, key_version=1, request_digest=b"")
AFTER = replace(BEFORE, key_version=2)


def keyed(header, asked):
    """The column as an older release wrote it."""
    place = f"{header.workflow_id}|{len(header.event_id)}|{header.event_id}|".encode()
    return KEYS.fingerprint(RUN_REQUESTS, place + asked, key_version=header.key_version)


def packed(message):
    payload = any_pb2.Any()
    payload.Pack(message)
    return payload


HTTP = packed(http_pb2.Payload(input=b'{"a": 1}'))


def created(**fields):
    trigger = sdk_pb2.Trigger(id=0, payload=HTTP).SerializeToString(deterministic=True)
    return journal_pb2.RunCreated(trigger=trigger, **fields).SerializeToString()


def test_what_was_asked_is_told_from_all_else_and_shows_in_no_byte():
    header = replace(BEFORE, request_digest=sealed_request(KEYS, BEFORE, json_asked(b"{}")))
    assert is_request(KEYS, header, json_asked(b"{}"))
    assert not is_request(KEYS, header, json_asked(b"[]"))
    assert not is_request(KEYS, BEFORE, json_asked(b""))
    assert header.request_digest != sealed_request(KEYS, BEFORE, json_asked(b"{}")), "equal wishes do not show"


def test_the_digest_of_one_run_is_none_of_another():
    stolen = replace(run_row(2), request_digest=sealed_request(KEYS, BEFORE, json_asked(b"{}")))
    with pytest.raises(Tampered):
        is_request(KEYS, stolen, json_asked(b"{}"))


@pytest.mark.parametrize(
    ("asked", "header"),
    [
        (message_asked(HTTP), BEFORE),
        (json_asked(b'{"a": 1}'), BEFORE),
        (json_asked(b""), BEFORE),
        (repeat_of("wrun_parent", "7"), replace(BEFORE, parent_run_id="wrun_parent")),
    ],
    ids=["a message", "the JSON of an HTTP trigger", "nothing", "a repetition"],
)
def test_what_an_older_release_kept_is_made_anew_where_the_journal_says_it(asked, header):
    old = replace(header, request_digest=keyed(header, asked))
    assert is_request(KEYS, old, asked)
    moved = replace(old, key_version=2, request_digest=request_again(KEYS, old, created(from_step="7"), AFTER))
    only_new = RecordKeys(roots(2))
    assert is_request(only_new, moved, asked)
    assert not is_request(only_new, moved, json_asked(b"else"))


@pytest.mark.parametrize("content", [created(), b"\xff no message", b""], ids=["another", "none", "empty"])
def test_what_nobody_can_say_any_more_is_no_wish(content):
    asked = json_asked(b"only the caller knows")
    old = replace(BEFORE, request_digest=keyed(BEFORE, asked))
    moved = replace(AFTER, request_digest=request_again(KEYS, old, content, AFTER))
    assert moved.request_digest == b""
    assert not is_request(KEYS, moved, asked)


@pytest.mark.parametrize("form", ["run id", "event"])
def test_a_start_that_is_sent_again_finds_its_run_when_the_key_of_its_day_is_gone(database, form):
    wish = {"run_id": new_run_id()} if form == "run id" else {"event_id": "evt"}
    asked = Start(owner=OWNER, workflow="wf", json=b"1", **wish)
    host = WorkflowHost(database, secret=text_of(1))
    host.register()
    first, _ = host.engine.start(asked)
    ended, _ = host.engine.wait(first.run_id, WAIT_S)
    host.close()
    between = WorkflowHost(database, secret=text_of(2, 1))
    for table in tables(database, between.keys, between.host.journals.run_keys):
        while table.rewrap(500):
            pass
    between.close()
    again = WorkflowHost(database, secret=text_of(2))
    try:
        found, created_now = again.engine.start(asked)
        assert (found.run_id, found.status, found.key_version) == (ended.run_id, "completed", 2)
        assert not created_now
        with pytest.raises(Conflict):
            again.engine.start(replace(asked, json=b"2"))
    finally:
        again.close()
