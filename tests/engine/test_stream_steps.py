"""A guest writes to streams of its run step by step; however it is cut off, each chunk is there once."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.stream_chunk import from_outside
from strongroom.errors import Truncated
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2 as pb
from tests.engine.test_crash_points import cut
from tests.fakes.capabilities import packed
from tests.fakes.journalled import new_run
from tests.fakes.scripted_guest import WAIT_S, types
from tests.fakes.streamed import change, read, rows
from tests.fakes.workflow_host import OWNER, WorkflowHost, value

CONTENTS = [b"one", b"two" * 3_000, b"three"]
EVENTS = ["run_created", "run_started", *["step_created", "step_completed"] * 4, "run_completed"]


def asking(number, method, message):
    return sdk_pb2.CapabilityRequest(id="run@1.0.0", method=method, callback_id=number, payload=packed(message))


def writes(helper, number, data, name="out", *, last=False):
    """The index of the chunk, or what the host said instead."""
    request = pb.WriteStreamRequest(name=name, data=data, last=last)
    return told(helper.call_capability(asking(number, "WriteStream", request)), pb.WriteStreamResponse)


def closes(helper, number, name="out"):
    return told(
        helper.call_capability(asking(number, "CloseStream", pb.CloseStreamRequest(name=name))), pb.CloseStreamResponse
    )


def told(response, kind):
    answer = kind()
    return answer.index if not response.error and response.payload.Unpack(answer) else response.error


def writer(request, helper):
    """Writes three chunks and closes."""
    indexes = [writes(helper, number, data) for number, data in enumerate(CONTENTS, 1)]
    return value(repr([*indexes, closes(helper, 4)]))


def run(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(header.run_id, WAIT_S)


def test_what_a_guest_writes_is_there_for_readers_and_closed(host):
    header, outcome = run(host, writer)
    assert outcome.result == value("[0, 1, 2, 3]")
    assert read(host, header.run_id, "out") == [*CONTENTS, b""]
    assert types(host, header.run_id) == EVENTS
    assert [row.written_by for row in rows(host, header.run_id, "out")] == ["1", "2", "3", "4"]


def test_a_large_chunk_is_in_its_stream_and_not_in_the_journal_as_well(host):
    header, _ = run(host, writer)
    created = [e for e in host.host.journals.read(header) if e.row.event_type == "step_created"]
    assert [len(e.content) < 200 for e in created] == [True] * 4
    assert journal_pb2.StepCreated.FromString(created[1].content).request_digest


@pytest.mark.parametrize("kept", range(2, len(EVENTS)))
@pytest.mark.parametrize("written", [False, True], ids=["killed before the chunk", "killed after the chunk"])
def test_a_run_that_is_cut_off_anywhere_writes_each_chunk_once(host, kept, written):
    header, outcome = run(host, writer)
    whole = [(row.index, row.written_by, row.final) for row in rows(host, header.run_id, "out")]
    events = host.host.journals.read(header)
    cut(host, header, events, kept)
    known = {e.row.correlation_id for e in events[:kept] if e.row.event_type == "step_completed" or written}
    for _, written_by, _ in whole:
        if written_by not in known:
            change(host, "DELETE FROM stream_chunks WHERE written_by = :w", w=written_by)
    after = WorkflowHost(host.database)
    after.module.on_trigger = writer
    assert after.engine.resume() == 1
    finished, again = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, again.result) == ("completed", outcome.result)
    assert [(row.index, row.written_by, row.final) for row in rows(after, header.run_id, "out")] == whole
    assert read(after, header.run_id, "out") == [*CONTENTS, b""]
    after.close()


def test_a_guest_reads_why_it_cannot_write_and_goes_on(host):
    seen = []

    def careless(request, helper):
        seen.append(writes(helper, 1, b"x", "a/b"))
        seen.append(writes(helper, 2, bytes(262_145)))
        seen.append(writes(helper, 3, b"x", last=True))
        seen.append(writes(helper, 4, b"y"))
        seen.append(closes(helper, 5))
        seen.append(helper.call_capability(asking(6, "WriteStream", pb.CloseStreamRequest(name="x"))).error)
        return value("done")

    header, outcome = run(host, careless)
    assert outcome.result == value("done")
    assert [seen[2], seen[4]] == [0, 0]
    for text, code in zip([seen[0], seen[1], seen[3], seen[5]], ["001", "002", "004", ""], strict=True):
        assert f"SR-STREAM-{code}" in text or (not code and "WriteStreamRequest" in text)
    assert read(host, header.run_id, "out") == [b"x"]


def test_outside_systems_write_to_the_same_stream_under_the_same_numbers_and_take_nothing_away(host):
    header = new_run(host.host.journals, 9).header
    store = host.host.stream_store
    assert store.write(header.run_id, "out", b"outside", written_by=from_outside("1")).index == 0
    assert store.write(header.run_id, "out", b"inside", written_by="1").index == 1
    assert read(host, header.run_id, "out") == [b"outside", b"inside"]


def test_a_run_that_ends_without_closing_leaves_a_truncated_stream(host):
    def fails(request, helper):
        writes(helper, 1, b"x")
        raise RuntimeError("the guest trapped")

    header, _ = run(host, fails)
    assert header.status == RunEvent.FAILED.value.removeprefix("run_")
    with pytest.raises(Truncated):
        read(host, header.run_id, "out", is_followed=True)


def test_a_run_of_the_same_workflow_does_not_write_to_the_streams_of_another(host):
    header, _ = run(host, writer)
    before = rows(host, header.run_id, "out")
    again, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    host.engine.wait(again.run_id, WAIT_S)
    assert rows(host, header.run_id, "out") == before
    assert read(host, again.run_id, "out") == read(host, header.run_id, "out")
