"""An export holds every event in order, sealed or opened, never a secret, and a few events in memory at once."""

import base64
import json

import pytest
from google.protobuf import any_pb2, struct_pb2

from strongroom.engine.export import SCHEMA, export_lines
from strongroom.engine.history import STREAM_EVENTS, History
from strongroom.engine.lifecycle import RunEvent
from strongroom.errors import Tampered
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from tests.fakes.journalled import ended, logged, new_run
from tests.fakes.streamed import change, rows, write
from tests.fakes.workflow_host import value


def step(journal, name, request, response):
    created = journal_pb2.StepCreated(request=request.SerializeToString())
    completed = journal_pb2.StepCompleted(response=response.SerializeToString(), attempts=1)
    journal.note("step_created", name, created.SerializeToString()).result()
    journal.note("step_completed", name, completed.SerializeToString()).result()


def packed(text):
    payload = any_pb2.Any()
    payload.Pack(struct_pb2.Value(string_value=text))
    return payload


def exported(host, header, *, opened):
    history = History(host.host.journals)
    return [json.loads(line) for line in export_lines(history, header, opened=opened)]


def call(host, capability, answer):
    journal = new_run(host.host.journals)
    request = sdk_pb2.CapabilityRequest(id=capability, method="Do", callback_id=1, payload=packed("asked"))
    step(journal, "1", request, sdk_pb2.CapabilityResponse(payload=packed(answer)))
    return ended(journal)


def test_the_header_says_how_many_events_follow(host):
    journal = new_run(host.host.journals)
    for number in range(2 * STREAM_EVENTS + 1):
        logged(journal, str(number))
    first, *events = exported(host, ended(journal), opened=False)
    assert (first["schema"], first["status"], first["opened"]) == (SCHEMA, "completed", False)
    assert first["events"] == len(events)
    assert [event["index"] for event in events] == list(range(len(events)))


def test_sealed_contents_are_the_bytes_that_are_stored(host):
    journal = new_run(host.host.journals)
    logged(journal, "canary")
    header = ended(journal)
    _, *events = exported(host, header, opened=False)
    stored = host.host.journals.read(header)
    assert [base64.b64decode(event["sealed"]) for event in events] == [event.row.sealed for event in stored]
    assert "canary" not in json.dumps(events)


def test_opened_contents_are_messages_as_json(host):
    header = call(host, "basic-test-action@1.0.0", "canary")
    created, completed = (event["content"] for event in exported(host, header, opened=True)[2:4])
    assert created["request"]["id"] == "basic-test-action@1.0.0"
    assert created["request"]["payload"] == {"@type": "type.googleapis.com/google.protobuf.Value", "value": "asked"}
    assert completed["response"]["payload"]["value"] == "canary"
    assert completed["attempts"] == 1


def test_the_end_is_opened_too(host):
    journal = new_run(host.host.journals)
    result = journal_pb2.RunCompleted(result=value("canary").SerializeToString())
    header = ended(journal, content=result.SerializeToString())
    assert exported(host, header, opened=True)[-1]["content"] == {"result": {"value": {"string_value": "canary"}}}
    journal = new_run(host.host.journals, 2)
    failure = journal_pb2.Failure(code="SR-X", error="why", help="what to do")
    header = ended(journal, RunEvent.FAILED, failure.SerializeToString())
    assert exported(host, header, opened=True)[-1]["content"]["error"] == "why"


def test_a_secret_is_never_opened(host):
    journal = new_run(host.host.journals)
    fetch = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="canary-name")])
    answer = sdk_pb2.SecretResponses(responses=[sdk_pb2.SecretResponse(secret=sdk_pb2.Secret(value="canary-value"))])
    created = journal_pb2.StepCreated(secrets_request=fetch.SerializeToString())
    completed = journal_pb2.StepCompleted(secrets_response=answer.SerializeToString())
    journal.note("step_created", "s1", created.SerializeToString()).result()
    journal.note("step_completed", "s1", completed.SerializeToString()).result()
    text = json.dumps(exported(host, ended(journal), opened=True))
    assert "canary" not in text
    assert text.count('"***"') == 2


@pytest.mark.parametrize("capability", ["vault@1.0.0", "vault:label:x@1.0.0", "Vault@9.9.9", "vault"])
def test_what_the_vault_was_asked_by_a_call_is_not_opened_either(host, capability):
    text = json.dumps(exported(host, call(host, capability, "canary"), opened=True))
    assert "canary" not in text
    assert "asked" not in text
    assert text.count('"***"') == 2


def test_messages_that_are_not_compiled_in_are_base64(host):
    journal = new_run(host.host.journals)
    foreign = any_pb2.Any(type_url="type.googleapis.com/somebody.Elses", value=b"\x00\xff")
    request = sdk_pb2.CapabilityRequest(id="x@1.0.0", payload=foreign)
    step(journal, "1", request, sdk_pb2.CapabilityResponse(payload=foreign))
    content = exported(host, ended(journal), opened=True)[2]["content"]["request"]
    assert sdk_pb2.CapabilityRequest.FromString(base64.b64decode(content["base64"])) == request


@pytest.mark.parametrize("kind", ["step_created", "step_completed", "time_read", "log_written", "run_suspended"])
def test_bytes_that_are_no_message_are_shown_as_bytes(host, kind):
    journal = new_run(host.host.journals)
    if kind == "run_suspended":
        journal.move(RunEvent.STARTED)
        journal.move(RunEvent.SUSPENDED, b"\xff\xff").result()
        journal.move(RunEvent.FAILED).result()
        header = journal.header
    else:
        journal.note(kind, "1", b"\xff\xff").result()
        header = ended(journal)
    opened = next(e for e in exported(host, header, opened=True)[1:] if e["event_type"] == kind)
    assert opened["content"] == {"base64": base64.b64encode(b"\xff\xff").decode()}


def test_seed_and_entropy_stay_inside(host):
    created = journal_pb2.RunCreated(
        node_seed=12345678901, entropy=b"canary" * 5, parent_run_id="wrun_p", from_step="7"
    )
    journal = new_run(host.host.journals, content=created.SerializeToString())
    content = exported(host, ended(journal), opened=True)[1]["content"]
    assert (content["parent_run_id"], content["from_step"]) == ("wrun_p", "7")
    assert "12345678901" not in json.dumps(content)
    assert base64.b64encode(b"canary" * 5).decode() not in json.dumps(content)


def test_an_event_that_was_changed_ends_the_export(host):
    journal = new_run(host.host.journals)
    logged(journal, "a")
    header = ended(journal)
    host.database.write(
        lambda c: c.exec_driver_sql("UPDATE run_events SET correlation_id = 'x' WHERE event_type = 'log_written'")
    ).result()
    with pytest.raises(Tampered):
        exported(host, header, opened=False)


def test_streams_follow_the_events_each_behind_its_number_of_chunks(host):
    journal = new_run(host.host.journals)
    run_id = journal.header.run_id
    write(host, run_id, "b", b"canary", b"\x00\xff", close=True)
    write(host, run_id, "a", b"open")
    header = ended(journal)
    first, *lines = exported(host, header, opened=True)
    named = lines[first["events"] :]
    assert first["streams"] == 2
    assert [(each["line"], each["name"]) for each in named] == [
        *(("stream", "a"), ("chunk", "a")),
        *(("stream", "b"), ("chunk", "b"), ("chunk", "b"), ("chunk", "b")),
    ]
    assert [(named[n]["chunks"], named[n]["closed"]) for n in (0, 2)] == [(1, False), (3, True)]
    assert [base64.b64decode(each["data"]) for each in named[3:]] == [b"canary", b"\x00\xff", b""]
    assert [each["final"] for each in named[3:]] == [False, False, True]
    sealed = exported(host, header, opened=False)
    assert [base64.b64decode(each["sealed"]) for each in sealed[-3:]] == [row.sealed for row in rows(host, run_id, "b")]
    assert "data" not in sealed[-1]
    change(host, 'DELETE FROM stream_chunks WHERE name = :a AND "index" = 0', a="b")
    with pytest.raises(Tampered, match="stream b of run"):
        exported(host, header, opened=False)


def test_a_run_that_goes_on_is_exported_as_far_as_it_has_come(host):
    journal = new_run(host.host.journals)
    logged(journal, "a")
    first, *events = exported(host, host.host.journals.get(journal.header.run_id), opened=False)
    assert (first["status"], first["end_time"], first["events"], len(events)) == ("pending", None, 2, 2)
