"""``RunService`` opens what was asked for and nothing else, once that is on record, and says why where it cannot."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import open_sealed
from strongroom.engine.history import History
from strongroom.engine.journal import STEP_COMPLETED, STEP_CREATED, place_of
from strongroom.engine.lifecycle import RunEvent
from strongroom.errors import InvalidInput, Unavailable
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.services.places import Places
from strongroom.services.roles import need_of
from strongroom.services.runs import RunService
from strongroom.storage.database import Database
from tests.fakes.audit_book import AuditBook
from tests.fakes.journalled import ended, logged, new_run
from tests.fakes.workflow_host import WorkflowHost

CONTEXT = SimpleNamespace(add_callback=lambda close: True)


@pytest.fixture
def host(sqlite_url):
    database = Database.open(sqlite_url)
    made = WorkflowHost(database)
    yield made
    made.close()
    database.close()


@pytest.fixture
def book():
    return AuditBook()


def service_of(host, book):
    places = Places(3, "streams are open", "close one")
    history = History(host.host.journals)
    return RunService(
        host.engine, history, None, retries=None, replays=None, waiting=places, streams=places, audit=book
    )


@pytest.fixture
def service(host, book):
    return service_of(host, book)


@pytest.fixture
def header(host):
    """Two lines in two events, a step, a wish to stop, and an error."""
    trigger = sdk_pb2.Trigger(id=7).SerializeToString()
    journal = new_run(host.host.journals, 0, journal_pb2.RunCreated(trigger=trigger).SerializeToString())
    logged(journal, "one", name="0")
    logged(journal, "two", name="1")
    asked = sdk_pb2.CapabilityRequest(id="http@1.0.0", method="Get").SerializeToString()
    journal.note(STEP_CREATED, "1", journal_pb2.StepCreated(request=asked).SerializeToString()).result()
    journal.note(STEP_COMPLETED, "1", journal_pb2.StepCompleted(attempts=2).SerializeToString()).result()
    journal.note("cancel_requested", "", journal_pb2.CancelRequested(reason="enough").SerializeToString()).result()
    failure = journal_pb2.Failure(code="SR-RUN-012", error="it is over", help="nothing")
    return ended(journal, RunEvent.CANCELLED, failure.SerializeToString())


def changed(host, header, index):
    statement = text('UPDATE run_events SET sealed = :v WHERE run_id = :k AND "index" = :i')
    values = {"v": b"encr" + bytes(60), "k": header.run_id, "i": index}
    host.database.write(lambda c: c.execute(statement, values)).result()


def events(service, header, **fields):
    return service.ListEvents(run_pb2.ListEventsRequest(run_id=header.run_id, **fields), CONTEXT).events


def opened(found):
    return {event.event_type: json.loads(event.opened) for event in found if event.HasField("opened")}


def test_without_a_reason_nothing_is_opened_and_nothing_recorded(service, book, header):
    assert opened(events(service, header)) == {}
    assert opened(events(service, header, fields=["lines"])) == {}
    answer = service.Get(run_pb2.RunServiceGetRequest(run_id=header.run_id, fields=["input"]), CONTEXT)
    assert (answer.HasField("input"), answer.error, book.records) == (False, "", [])


def test_exactly_the_fields_that_were_asked_for_are_opened_and_named_on_record(service, book, header):
    found = opened(events(service, header, reason="ticket", fields=["lines", "error"]))
    assert set(found) == {"log_written", "run_cancelled"}
    first, last = book.records
    assert (first.action, first.outcome, first.reason, first.subject) == (
        "run.decrypt",
        "begun",
        "ticket",
        header.run_id,
    )
    assert first.facts == {"fields": "error, lines"}
    assert last.facts == {"fields": "error, lines", "shown": 3}


def test_every_field_is_opened_where_none_is_named(service, book, header):
    found = opened(events(service, header, reason="ticket"))
    assert found["log_written"]["lines"][0]["line"] == "two"
    assert found["step_created"]["request"]["id"] == "http@1.0.0"
    assert found["run_cancelled"]["error"] == "it is over"
    assert found["cancel_requested"] == {"reason": "enough"}
    assert "payload" in book.records[0].facts["fields"]


def test_a_run_shows_its_input_its_end_and_why_it_was_stopped(service, book, header):
    answer = service.Get(run_pb2.RunServiceGetRequest(run_id=header.run_id, reason="ticket"), CONTEXT)
    assert json.loads(answer.input) == {"trigger": {"id": "7"}}
    assert (answer.error, answer.cancel_reason) == ("it is over", "enough")
    assert book.records[1].facts == {"fields": "input, output, error, reason", "shown": 3}
    only = run_pb2.RunServiceGetRequest(run_id=header.run_id, reason="ticket", fields=["reason"])
    answer = service.Get(only, CONTEXT)
    assert (answer.HasField("input"), answer.error, answer.cancel_reason) == (False, "", "enough")


def test_nothing_is_opened_that_cannot_be_recorded(host, header):
    service = service_of(host, AuditBook(fails=True))
    with pytest.raises(Unavailable):
        events(service, header, reason="ticket")
    with pytest.raises(Unavailable):
        list(service.Watch(run_pb2.WatchRequest(run_id=header.run_id, reason="ticket"), CONTEXT))


def test_an_event_that_does_not_open_says_why_and_the_others_open(host, service, header):
    changed(host, header, 1)
    found = events(service, header, reason="ticket")
    assert [event.unreadable.code for event in found if event.tampered] == ["SR-VIEW-004", "SR-VIEW-003"]
    assert opened(found)["run_cancelled"]["code"] == "SR-RUN-012", "its successor misses it, and the rest stands"
    watched = list(service.Watch(run_pb2.WatchRequest(run_id=header.run_id, reason="ticket"), CONTEXT))
    assert [each.event for each in watched[:-1]] == list(found)


@pytest.mark.parametrize("reason", ["", "ticket"], ids=["sealed", "opened"])
@pytest.mark.parametrize("follow", [False, True], ids=["stored", "followed"])
def test_lines_that_do_not_open_stand_in_their_place(host, service, header, reason, follow):
    changed(host, header, 2)
    request = run_pb2.LogsRequest(run_id=header.run_id, reason=reason, follow=follow)
    first, second = service.Logs(request, CONTEXT)
    assert (first.line, first.HasField("unreadable")) == ("one" if reason else "", False)
    assert (second.unreadable.kind, second.sealed.sealed_bytes) == ("not_ours", 64)


def test_a_field_that_is_none_is_refused_before_anything_is_recorded(service, book, header):
    for call in (
        lambda: events(service, header, reason="ticket", fields=["secrets"]),
        lambda: list(service.Watch(run_pb2.WatchRequest(run_id=header.run_id, fields=["x"]), CONTEXT)),
        lambda: service.Get(run_pb2.RunServiceGetRequest(run_id=header.run_id, fields=["lines"]), CONTEXT),
    ):
        with pytest.raises(InvalidInput) as refused:
            call()
        assert refused.value.code == "SR-VIEW-006"
    assert book.records == []


@pytest.mark.parametrize("method", ["Get", "ListEvents", "Watch", "Logs", "Export", "GetReceipt", "GetKeyMaterial"])
def test_whoever_opens_needs_the_role_for_it(method):
    name = f"/strongroom.v1.RunService/{method}"
    request = SimpleNamespace(run_id="wrun_1", reason="")
    assert need_of(name, request).role == "read"
    request.reason = "ticket"
    assert need_of(name, request).role == "decrypt"


def test_the_key_of_a_run_opens_that_run_and_is_on_record_before_it_is_given(service, host, book, header):
    answer = service.GetKeyMaterial(run_pb2.GetKeyMaterialRequest(run_id=header.run_id, reason="ticket"), CONTEXT)
    context = dict(answer.derivation_context)
    assert (context["run_id"], context["key_version"]) == (header.run_id, str(header.key_version))
    assert (answer.algorithm, answer.kdf) == ("AES-256-GCM", "HKDF-SHA256")
    first = host.host.journals.page(header, 0, 1)[0].row
    assert open_sealed(lambda _version: Key(answer.key), place_of(first, b""), first.sealed)
    assert [(each.action, each.outcome, each.reason) for each in book.records] == [
        ("run.key", "begun", "ticket"),
        ("run.key", "done", "ticket"),
    ]


def test_without_a_reason_or_a_record_no_key_leaves(service, book, header):
    with pytest.raises(InvalidInput) as refused:
        service.GetKeyMaterial(run_pb2.GetKeyMaterialRequest(run_id=header.run_id), CONTEXT)
    assert (refused.value.code, book.records) == ("SR-VIEW-007", [])
    book.fails = True
    with pytest.raises(Unavailable):
        service.GetKeyMaterial(run_pb2.GetKeyMaterialRequest(run_id=header.run_id, reason="ticket"), CONTEXT)
