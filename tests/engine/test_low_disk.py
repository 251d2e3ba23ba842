"""While a disk is low a guest begins nothing new, and hears why; what was accepted ends, and nothing is lost."""

import pytest

from strongroom.pb.strongroom.run.v1 import run_capability_pb2 as messages
from tests.engine.test_crash_points import cut
from tests.engine.test_stream_steps import run, writes
from tests.fakes.hook_guest import HookError, HookGuest, asked
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.streamed import read, rows
from tests.fakes.workflow_host import WorkflowHost, value

SAYS = "Public:System:ResourceExhausted:SR-DISK-001: there is no room for "


def test_a_guest_writes_no_chunk_and_may_close_its_stream_and_goes_on_once_there_is_room(host):
    said = []

    def on_trigger(request, helper):
        said.append(writes(helper, 1, b"before"))
        host.disk.is_low = True
        said.append(writes(helper, 2, b"meanwhile"))
        host.disk.is_low = False
        said.append(writes(helper, 3, b"after"))
        host.disk.is_low = True
        helper.call_capability(asked(4, "CloseStream", messages.CloseStreamRequest(name="out")))
        return value("done")

    header, outcome = run(host, on_trigger)
    assert (header.status, outcome.result) == ("completed", value("done")), "its journal is written, and its end"
    assert (said[0], said[2]) == (0, 1)
    assert said[1].startswith(f"{SAYS}a chunk of a stream")
    assert read(host, header.run_id, "out") == [b"before", b"after", b""]


def test_a_guest_makes_no_hook_and_may_dispose_of_one(host):
    def on_trigger(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="mine")
        host.disk.is_low = True
        try:
            guest.create(2, token="another")
        except HookError as error:
            guest.dispose(3, hook_id)
            return value(str(error))
        return value("made")

    header, outcome = run(host, on_trigger)
    assert header.status == "completed"
    assert outcome.result.value.string_value.startswith(f"{SAYS}a hook")


@pytest.mark.parametrize("what", ["a chunk", "a hook"])
def test_what_was_written_before_the_host_ended_is_answered_also_while_the_disk_is_low(host, what):
    """Else the journal would say that it was refused, and it stands there."""

    def on_trigger(request, helper):
        if what == "a chunk":
            return value(str(writes(helper, 1, b"there")))
        return value(HookGuest(helper).create(1, token="mine")[1])

    header, outcome = run(host, on_trigger)
    events = host.host.journals.read(header)
    done = next(at for at, event in enumerate(events) if event.row.event_type == "step_completed")
    cut(host, header, events, done)
    after = WorkflowHost(host.database)
    after.disk.is_low = True
    after.module.on_trigger = on_trigger
    assert after.engine.resume() == 1
    finished, again = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, again.result) == ("completed", outcome.result)
    assert len(rows(after, header.run_id, "out")) == (what == "a chunk")
    after.close()
