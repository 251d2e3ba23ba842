"""What does not open says which of the causes it is, and takes nothing from what does."""

import base64
import json

import pytest
from google.protobuf import any_pb2, wrappers_pb2
from sqlalchemy import text

from strongroom.engine.history import History
from strongroom.engine.journal import STEP_COMPLETED, STEP_CREATED, Journals
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.opened_bytes import readable, readable_bytes
from strongroom.engine.opening import EVENT_FIELDS, RUN_FIELDS, EventOpener, checked_fields, run_fields
from strongroom.engine.runids import new_run_id
from strongroom.engine.unreadable import Fault
from strongroom.errors import InvalidInput, KeyMissing, NotFound, Tampered
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.values.v1 import values_pb2
from strongroom.storage.database import Database
from tests.fakes.journalled import ended, logged, new_run
from tests.fakes.key_rig import roots
from tests.fakes.rotated_runs import RunRig

OLD_ID = "wrun_01HDA5AE00000000000000000A"


@pytest.fixture
def rig(sqlite_database, tmp_path):
    return RunRig(sqlite_database, tmp_path, 1)


@pytest.fixture
def sqlite_database(sqlite_url):
    opened = Database.open(sqlite_url)
    yield opened
    opened.close()


def step(journal, number, request, response):
    asked = journal_pb2.StepCreated(request=request.SerializeToString())
    journal.note(STEP_CREATED, str(number), asked.SerializeToString()).result()
    answered = journal_pb2.StepCompleted(response=response.SerializeToString(), attempts=1)
    journal.note(STEP_COMPLETED, str(number), answered.SerializeToString()).result()


@pytest.fixture
def header(rig):
    """A run with an input, a line, a step, and a result."""
    trigger = sdk_pb2.Trigger(id=7)
    trigger.payload.Pack(wrappers_pb2.StringValue(value="hello"))
    content = journal_pb2.RunCreated(trigger=trigger.SerializeToString()).SerializeToString()
    journal = new_run(rig.journals, 1, content, key_version=1, request_digest=b"")
    logged(journal, "a line")
    step(journal, 1, sdk_pb2.CapabilityRequest(id="http@1.0.0", method="Get"), sdk_pb2.CapabilityResponse(error="no"))
    result = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="the result"))
    done = journal_pb2.RunCompleted(result=result.SerializeToString()).SerializeToString()
    return ended(journal, RunEvent.COMPLETED, done)


def reader(rig, run_root, deployment=None):
    """Looks with other keys of runs, and with the keys of records that are right."""
    keys = RunEncryptor(run_root, deployment or rig.life.deployment_id)
    return History(Journals(rig.database, keys, RecordKeys(rig.root)))


def explained(history, header):
    explainer = history.explainer()
    page, _ = history.events(header.run_id, 0, 100)
    return [history.explained(header, event, explainer) for event in page]


def put(rig, header, index, sealed):
    statement = text('UPDATE run_events SET sealed = :v WHERE run_id = :k AND "index" = :i')
    rig.database.write(lambda c: c.execute(statement, {"v": sealed, "k": header.run_id, "i": index})).result()


def sealed_at(rig, header, index):
    page, _ = rig.history.events(header.run_id, index, 1)
    return page[0].row.sealed


def test_what_was_changed_is_tampered_and_the_rest_opens(rig, header):
    sealed = bytearray(sealed_at(rig, header, 1))
    sealed[20] ^= 1
    put(rig, header, 1, bytes(sealed))
    found = explained(rig.history, header)
    assert [why and (why.fault, why.code) for why in found] == [
        None,
        (Fault.TAMPERED, "SR-VIEW-003"),
        *[None] * (len(found) - 2),
    ]
    with pytest.raises(Tampered):
        list(rig.history.stored(header))
    assert [event.content is None for event in rig.history.looked_at(header)].count(True) == 1


@pytest.mark.parametrize("index", [0, 1, -1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("foreign", [b"encr" + bytes(60), b"encp" + bytes(90), b"devl[1]", b'{"plain": 1}'])
def test_a_format_of_somebody_else_is_not_ours_wherever_it_stands(rig, header, index, foreign):
    index %= header.head_index + 1
    put(rig, header, index, foreign)
    why = explained(rig.history, header)[index]
    assert (why.fault, why.code, why.key_version) == (Fault.NOT_OURS, "SR-VIEW-004", 0)


@pytest.mark.parametrize("broken", [b"", b"srn1", b"sr", 7, "text"], ids=repr)
def test_what_is_no_envelope_at_all_is_tampered(rig, header, broken):
    put(rig, header, 1, broken)
    assert explained(rig.history, header)[1].fault is Fault.TAMPERED


def test_a_missing_key_is_named_by_its_version_and_the_id_that_is_expected(rig, header):
    expected = rig.root.key_id(1)
    found = explained(reader(rig, roots(2, 3)), header)
    assert {why.fault for why in found} == {Fault.KEY_MISSING}
    assert (found[0].code, found[0].key_version, found[0].key_id_expected) == ("SR-VIEW-002", 1, expected)
    assert f"version 1, {expected}" in found[0].what
    assert "k3-" in found[0].why, "and what there is"


def test_another_secret_under_the_same_version_is_the_wrong_key(rig, header):
    found = explained(reader(rig, parse_secrets("1:" + "other".ljust(43, "o"))), header)
    assert {(why.fault, why.code) for why in found} == {(Fault.WRONG_KEY, "SR-VIEW-001")}
    assert found[0].key_id_expected == rig.root.key_id(1)


def test_another_deployment_of_the_same_secret_is_not_ours(rig, header):
    found = explained(reader(rig, rig.root, "another-deployment"), header)
    assert {(why.fault, why.code) for why in found} == {(Fault.NOT_OURS, "SR-VIEW-004")}


def test_a_run_that_was_copied_from_another_deployment_is_not_ours(rig):
    other = Journals(rig.database, RunEncryptor(rig.root, "another"), rig.keys)
    journal = new_run(other, 5, key_version=1, request_digest=b"")
    logged(journal, "a")
    header = ended(journal)
    assert {why.fault for why in explained(rig.history, header)} == {Fault.NOT_OURS}


def test_the_causes_are_four_sentences(rig, header):
    explainer = rig.history.explainer()
    whys = [explainer.explain("it", fault, 1) for fault in Fault]
    assert len({why.code for why in whys}) == len({why.what for why in whys}) == len({why.fix for why in whys}) == 4


def test_headers_in_a_list_say_why_one_by_one(rig, header):
    good = rig.plain(9)
    statement = text("UPDATE runs SET status = 'failed' WHERE run_id = :k")
    rig.database.write(lambda c: c.execute(statement, {"k": header.run_id})).result()
    page = rig.history.page(workflow_id="", owners=None, statuses=[], before=None, limit=10)
    explainer = rig.history.explainer()
    found = {row.run_id: rig.history.header_explained(row, explainer) for row, _ in page}
    assert found[header.run_id].fault is Fault.TAMPERED
    assert found[good.run_id] is None


def test_a_header_under_a_key_that_is_gone_names_that_key(rig, header):
    without = History(Journals(rig.database, RunEncryptor(roots(2), rig.life.deployment_id), RecordKeys(roots(2))))
    with pytest.raises(KeyMissing) as missing:
        without.header(header.run_id)
    assert (missing.value.code, missing.value.details["expected"]) == ("SR-VIEW-002", rig.root.key_id(1))


@pytest.mark.parametrize(
    ("root", "code"),
    [(roots(2), "SR-VIEW-002"), (parse_secrets("1:" + "other".ljust(43, "o")), "SR-VIEW-001")],
    ids=["missing", "wrong"],
)
def test_chunks_of_streams_name_the_key_that_is_missing_or_wrong(rig, root, code):
    journal = new_run(rig.journals, 4, key_version=1, request_digest=b"")
    run_id = journal.header.run_id
    rig.streams.write(run_id, "out", b"chunk", written_by="x:1")
    ((chunk,), _) = reader(rig, root).streams.page(run_id, "out", 0, 10)
    with pytest.raises(KeyMissing) as closed:
        chunk.opened()
    assert (closed.value.code, closed.value.details["expected"]) == (code, rig.root.key_id(1))


def test_each_field_of_a_run_opens_or_says_why_by_itself(rig, header):
    found = run_fields(rig.history, header, RUN_FIELDS)
    assert found.input["trigger"]["payload"]["value"] == "hello"
    assert found.outcome.result.value.string_value == "the result"
    assert (found.unreadable, found.shown) == ([], 2)
    put(rig, header, 0, b"encr" + bytes(60))
    found = run_fields(rig.history, header, RUN_FIELDS)
    assert [(name, why.fault) for name, why in found.unreadable] == [("input", Fault.NOT_OURS)]
    assert (found.input, found.outcome.result.value.string_value) == (None, "the result")
    only = run_fields(rig.history, header, ["input"])
    assert (only.outcome, [name for name, _ in only.unreadable]) == (None, ["input"])


def test_a_journal_that_was_cut_off_closes_its_end_and_not_its_beginning(rig, header):
    statement = text('DELETE FROM run_events WHERE run_id = :k AND "index" = :i')
    rig.database.write(lambda c: c.execute(statement, {"k": header.run_id, "i": header.head_index})).result()
    found = run_fields(rig.history, header, ("input", "output"))
    assert found.input is not None
    assert [(name, why.fault) for name, why in found.unreadable] == [("output", Fault.TAMPERED)]


def test_only_the_fields_that_were_asked_for_are_opened(rig, header):
    opener = EventOpener(rig.history, header, {"lines"})
    opened = {event.row.event_type: opener.content(event) for event in rig.history.looked_at(header)}
    assert {kind for kind, content in opened.items() if content is not None} == {"log_written"}
    assert opened["log_written"]["lines"][0]["line"] == "a line"


@pytest.mark.parametrize("from_its_answer", [False, True])
def test_an_answer_of_the_vault_is_hidden_from_wherever_one_begins(rig, from_its_answer):
    journal = new_run(rig.journals, 3, key_version=1, request_digest=b"")
    answer = sdk_pb2.CapabilityResponse(payload=any_pb2.Any(value=b"sesame"))
    step(journal, 1, sdk_pb2.CapabilityRequest(id="vault@1.0.0", method="Get"), answer)
    header = ended(journal)
    opener = EventOpener(rig.history, header, EVENT_FIELDS)
    opened = [opener.content(event) for event in rig.history.looked_at(header, 2 if from_its_answer else 0)]
    assert opened[0 if from_its_answer else 2] == {"response": "***"}
    assert base64.b64encode(b"sesame").decode() not in json.dumps(opened)


def test_an_answer_whose_question_does_not_open_is_hidden(rig, header):
    put(rig, header, 2, b"encr" + bytes(60))
    events, _ = rig.history.events(header.run_id, 3, 1)
    assert events[0].content is None, "the question is sealed into its answer's place"
    later = EventOpener(rig.history, header, EVENT_FIELDS)
    assert later.content(events[0]) is None


@pytest.mark.parametrize("names", [["nothing"], ["input", ""], ["x" * 10_000]], ids=["unknown", "empty", "long"])
def test_a_field_that_is_none_is_refused_with_those_that_are(names):
    with pytest.raises(InvalidInput) as refused:
        checked_fields(names, RUN_FIELDS)
    assert (refused.value.code, refused.value.details["field"]) == ("SR-VIEW-006", "fields")
    assert "input, output, error, reason" in refused.value.why
    assert len(str(refused.value)) < 300


def test_no_name_is_every_field():
    assert checked_fields([], RUN_FIELDS) == RUN_FIELDS
    assert checked_fields(["output", "input", "input"], RUN_FIELDS) == ("input", "output")


@pytest.mark.parametrize("begin", [0, 2], ids=["from its question", "from its answer"])
def test_an_answer_is_hidden_when_what_asked_for_it_does_not_open_any_more(rig, begin):
    journal = new_run(rig.journals, 1, key_version=1, request_digest=b"")
    answer = sdk_pb2.CapabilityResponse(error="what the vault said")
    step(journal, 1, sdk_pb2.CapabilityRequest(id="vault@1.0.0", method="Get"), answer)
    done = ended(journal)
    asked = bytearray(sealed_at(rig, done, 1))
    # Its tag stays, so the answer behind it opens.
    asked[20] ^= 1
    put(rig, done, 1, bytes(asked))
    opener = EventOpener(rig.history, done, EVENT_FIELDS)
    opened = {event.row.index: opener.content(event) for event in rig.history.looked_at(done, begin)}
    assert opened[2] == {"response": "***"}


def test_a_run_of_long_ago_has_expired_and_one_of_today_never_was(rig):
    history = History(rig.journals, kept_hours=720)
    with pytest.raises(NotFound) as gone:
        history.header(OLD_ID)
    assert (gone.value.code, gone.value.details["kept_hours"]) == ("SR-VIEW-005", 720)
    for unknown in (new_run_id(), "wrun_", "nothing", "wrun_" + "8" * 26):
        with pytest.raises(NotFound) as never:
            history.header(unknown)
        assert never.value.code == "SR-RUN-001", unknown


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"a": 1}', {"bytes": 8, "json": {"a": 1}}),
        (b"text", {"bytes": 4, "text": "text"}),
        (b"NaN", {"bytes": 3, "text": "NaN"}),
        (b"[" * 100_000, {"bytes": 100_000, "text": "[" * 100_000}),
        (b'{"a": 1, "a": 2}', {"bytes": 16, "text": '{"a": 1, "a": 2}'}),
        (b"1e999", {"bytes": 5, "text": "1e999"}),
        (b"0.10000000000000000001", {"bytes": 22, "text": "0.10000000000000000001"}),
        (b"[0.10, 1E2]", {"bytes": 11, "json": [0.1, 100.0]}),
        (b'"\\ud800"', {"bytes": 8, "text": '"\\ud800"'}),
        (b"\xff\x00", {"bytes": 2, "base64": "/wA="}),
        (b"", {"bytes": 0, "text": ""}),
    ],
    ids=["json", "text", "no json", "nested", "twice", "infinite", "long", "numbers", "half a pair", "bytes", "empty"],
)
def test_bytes_are_shown_as_what_they_are(data, shown):
    assert readable_bytes(data) == shown
    hook = {"payload": base64.b64encode(data).decode(), "request_id": "r"}
    assert readable("hook_received", "local", hook) == {"payload": shown, "request_id": "r"}


def test_bytes_within_messages_that_are_packed_are_shown_too():
    packed = {"@type": "type.googleapis.com/capabilities.networking.http.v1alpha.Payload", "input": "e30="}
    shown = readable("run_created", "local", {"trigger": {"payload": packed}})
    assert shown["trigger"]["payload"]["input"] == {"bytes": 2, "json": {}}
    strange = {"trigger": {"payload": {"@type": "x/unknown.Type", "input": "e30="}}, "more": "e30="}
    assert readable("run_created", "local", strange) == strange
