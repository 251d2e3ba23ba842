"""Whoever knows a token leaves payloads: what is refused, what is left once, and what is told apart."""

import threading
from dataclasses import replace

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.limits import EngineLimits
from strongroom.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Tampered, WrongState
from strongroom.storage import hooks as rows
from strongroom.storage import runs
from tests.fakes.hook_guest import HookGuest, asleep, started, waiting_with
from tests.fakes.scripted_guest import WAIT_S, types, until, waits
from tests.fakes.streamed import change
from tests.fakes.workflow_host import WorkflowHost, value

LIMITS = EngineLimits(
    hooks_per_run_max=2,
    hook_metadata_bytes_max=8,
    hook_payload_bytes_max=10,
    hook_payloads_unread_max=2,
    hook_bytes_per_run_max=25,
)


@pytest.fixture
def host(database):
    made = WorkflowHost(database, limits=LIMITS)
    yield made
    made.close()


@pytest.fixture
def desk(host):
    return HookDesk(host.host, host.engine)


def result(host, run_id):
    return host.engine.wait(run_id, WAIT_S)[1].result.value.string_value


def keeps(host, token):
    """A run that waits at one hook and has another one, whose payloads stay unread."""

    def on_trigger(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1)
        guest.create(2, token=token)
        return value(guest.wait_for(3, hook_id).decode())

    run_id = started(host, on_trigger)
    asleep(host, run_id)
    return run_id


def test_the_same_request_again_answers_the_same_and_leaves_nothing(host, desk):
    run_id = keeps(host, "t")
    first = desk.resume(b"x", "r-1", token="t")
    again = desk.resume(b"x", "r-1", token="t")
    assert (first.number, first.created) == (1, True)
    assert (again.number, again.created, again.hook_id) == (1, False, first.hook_id)
    assert types(host, run_id).count("hook_received") == 1
    with pytest.raises(Conflict, match="brought another payload") as caught:
        desk.resume(b"y", "r-1", token="t")
    assert caught.value.code == "SR-HOOK-016"


def test_a_request_is_known_after_its_run_has_ended_and_after_a_restart(host, desk):
    run_id = waiting_with(host, "t")
    left = desk.resume(b"x", "r-1", token="t")
    assert result(host, run_id) == "x"
    host.cut_off()
    after = WorkflowHost(host.database, limits=LIMITS)
    assert HookDesk(after.host, after.engine).resume(b"x", "r-1", hook_id=left.hook_id).created is False
    after.close()


def test_payloads_of_many_at_once_are_each_left_once_and_numbered(host, desk):
    run_id = keeps(host, "t")
    left, refused = [], []

    def send(number):
        try:
            left.append(desk.resume(b"%d" % number, f"r-{number}", token="t").number)
        except LimitExceeded as error:
            refused.append(error.code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert (sorted(left), refused) == ([1, 2], ["SR-HOOK-019"] * 4)
    assert types(host, run_id).count("hook_received") == 2


def test_three_ways_in_which_a_hook_takes_nothing_are_told_apart(host, desk):
    with pytest.raises(NotFound, match="there is no hook with this token") as caught:
        desk.resume(b"x", token="nobody's")
    assert "nobody's" not in str(caught.value), "a token is not repeated"
    run_id = keeps(host, "t")
    hook_id = desk.get(token="t")[1].row.hook_id
    assert desk.dispose(hook_id=hook_id).booked.is_disposed
    assert desk.dispose(hook_id=hook_id).booked.is_disposed, "again is nothing"
    with pytest.raises(WrongState, match="was disposed of") as caught:
        desk.resume(b"x", hook_id=hook_id)
    assert caught.value.code == "SR-HOOK-018"
    with pytest.raises(NotFound):
        desk.resume(b"x", token="t")
    other = [each.row.hook_id for each in desk.page(run_id, after="", limit=9) if each.row.hook_id != hook_id]
    host.engine.cancel(run_id, "", WAIT_S)
    with pytest.raises(WrongState, match="has ended") as caught:
        desk.resume(b"x", hook_id=other[0])
    assert caught.value.code == "SR-HOOK-021"
    with pytest.raises(WrongState, match="has ended"):
        desk.dispose(hook_id=other[0])


def test_a_payload_that_comes_as_the_run_ends_is_refused_or_kept_and_never_half(host, desk):
    run_id = keeps(host, "t")
    ends = threading.Thread(target=lambda: host.engine.kill(run_id, ""))
    ends.start()
    try:
        desk.resume(b"x", token="t")
        kept = 1
    except (NotFound, WrongState):
        kept = 0
    ends.join(WAIT_S)
    assert types(host, run_id).count("hook_received") == kept
    assert types(host, run_id)[-1] == "run_cancelled"


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "SR-HOOK-011"), ("x" * 257, "SR-HOOK-011"), ("a\nb", "SR-HOOK-011"), ("hook_x", "SR-HOOK-012")],
    ids=["empty", "long", "control", "like an id"],
)
def test_what_cannot_be_a_token_is_refused(desk, token, code):
    with pytest.raises(InvalidInput) as caught:
        desk.resume(b"x", token=token)
    assert caught.value.code == code
    assert "1 to 256" in str(caught.value) or code == "SR-HOOK-012"


@pytest.mark.parametrize("request_id", ["x" * 129, "a\x00b"], ids=["long", "control"])
def test_what_cannot_be_a_request_id_is_refused(desk, request_id):
    with pytest.raises(InvalidInput, match="up to 128") as caught:
        desk.resume(b"x", request_id, token="t")
    assert caught.value.details["field"] == "request_id"


def test_a_payload_that_is_too_large_says_its_size_and_the_limit(desk):
    with pytest.raises(LimitExceeded, match="11 bytes, more than 10") as caught:
        desk.resume(bytes(11), token="t")
    assert caught.value.details["setting"] == "limits.hook_payload_bytes_max"


def test_payloads_that_are_not_read_and_all_of_a_run_together_have_limits(host, desk):
    def reads(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="t")
        for number in range(2, 9):
            guest.wait_for(number, hook_id)
        return value("read")

    run_id = started(host, reads)
    waits(host, run_id)
    for _ in range(2):
        desk.resume(bytes(10), token="t")
        waits_until_read(host, desk)
    with pytest.raises(LimitExceeded, match="would have 30 bytes together, more than 25") as caught:
        desk.resume(bytes(10), token="t")
    assert caught.value.details["setting"] == "limits.hook_bytes_per_run_max"
    assert desk.get(token="t")[1].booked.unread == 0
    host.engine.kill(run_id, "")


def waits_until_read(host, desk):
    until(lambda: desk.get(token="t")[1].booked.unread == 0)


def test_a_row_that_was_changed_is_not_trusted(host, desk):
    run_id, other = waiting_with(host, "t"), waiting_with(host, "u")
    hook_id = desk.get(token="t")[1].row.hook_id
    change(host, "UPDATE hooks SET run_id = :r WHERE hook_id = :h", r=other, h=hook_id)
    with pytest.raises(Tampered):
        desk.resume(b"x", token="t")
    found = desk.page(other, after="", limit=9)
    assert [each.booked is None for each in found if each.row.hook_id == hook_id] == [True]
    assert types(host, run_id).count("hook_received") == 0


def test_token_and_metadata_are_opened_for_a_reason_only_and_stored_nowhere_in_the_clear(host, desk):
    waiting_with(host, "canary-t", metadata=b"canary-m")
    _, report = desk.get(token="canary-t")
    opened = desk.opened(report)
    assert (opened.token, opened.metadata) == ("canary-t", b"canary-m")
    row = host.database.read(lambda connection: rows.get(connection, report.row.hook_id))
    assert b"canary" not in repr(row).encode()


def test_the_end_of_a_run_and_its_retention_take_its_hooks_along(host, desk):
    run_id = waiting_with(host, "t")
    hook_id = desk.get(token="t")[1].row.hook_id
    host.engine.kill(run_id, "")
    row = host.database.read(lambda connection: rows.get(connection, hook_id))
    assert (row.token_digest, row.disposed_at > 0) == (None, True)
    assert host.host.journals.hook_rows.is_authentic(row)
    assert host.database.write(lambda connection: rows.delete(connection, run_id)).result() == 1
    with pytest.raises(NotFound):
        desk.get(hook_id=hook_id)


def test_the_hook_of_a_run_that_others_execute_is_not_answered_here(host, desk):
    run_id = waiting_with(host, "t")
    header = host.engine.get(run_id)
    elsewhere = host.host.journals.authenticated(replace(header, module="external"))
    host.database.write(lambda connection: runs.replace(connection, elsewhere)).result()
    with pytest.raises(WrongState, match="not executed by this host") as caught:
        desk.resume(b"x", token="t")
    assert caught.value.code == "SR-HOOK-024"
