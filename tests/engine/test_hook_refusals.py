"""What a guest hears whose hook is not made, or cannot be awaited."""

import pytest

from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.limits import EngineLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2 as messages
from tests.engine.test_pre_hook import run, with_pre_hook
from tests.fakes.hook_guest import HookError, HookGuest, asked, started, waiting_with
from tests.fakes.scripted_guest import WAIT_S, types, until
from tests.fakes.workflow_host import WorkflowHost, value

LIMITS = EngineLimits(hooks_per_run_max=2, hook_metadata_bytes_max=8)


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


@pytest.mark.parametrize(
    ("token", "metadata", "says"),
    [
        ("x" * 257, b"", "SR-HOOK-011"),
        ("hook_mine", b"", "SR-HOOK-012"),
        ("t", bytes(9), "9 bytes, more than 8"),
    ],
    ids=["long token", "like an id", "metadata"],
)
def test_a_guest_hears_why_its_hook_is_not_made(host, token, metadata, says):
    def on_trigger(request, helper):
        try:
            HookGuest(helper).create(1, token=token, metadata=metadata)
        except HookError as error:
            return value(str(error))
        return value("made")

    assert says in result(host, started(host, on_trigger))


def test_a_run_makes_no_more_hooks_than_it_may(host):
    def on_trigger(request, helper):
        guest = HookGuest(helper)
        try:
            for number in range(1, 5):
                guest.create(number)
        except HookError as error:
            return value(str(error))
        return value("made")

    assert "LimitExceeded:SR-HOOK-006: the run has made 2 hooks" in result(host, started(host, on_trigger))


def test_a_token_that_is_taken_is_a_conflict_for_the_guest_and_in_the_journal(host, desk):
    first = waiting_with(host, "t")

    def on_trigger(request, helper):
        try:
            HookGuest(helper).create(1, token="t")
        except HookError as error:
            return value(str(error))
        return value("made")

    second = started(host, on_trigger)
    said = result(host, second)
    assert said.startswith("Public:User:AlreadyExists:SR-HOOK-005")
    assert first in said, "it names the run"
    assert "hook_conflict" in types(host, second)
    assert desk.resume(b"x", token="t").run_id == first


def test_of_many_runs_that_want_one_token_one_gets_it(host, desk):
    def on_trigger(request, helper):
        guest = HookGuest(helper)
        try:
            hook_id, _ = guest.create(1, token="t")
        except HookError as error:
            return value(str(error))
        return value(guest.wait_for(2, hook_id).decode())

    runs = [started(host, on_trigger) for _ in range(6)]
    until(lambda: sum(host.engine.get(run_id).status == "completed" for run_id in runs) == 5)
    winner = desk.resume(b"x", token="t").run_id
    assert result(host, winner) == "x"
    assert all("SR-HOOK-005" in result(host, run_id) for run_id in runs if run_id != winner)


def test_what_a_guest_asks_wrongly_is_an_error_that_it_reads(host):
    calls = [
        asked(1, "AwaitHook", messages.AwaitHookRequest(hook_id="hook_nobody")),
        asked(2, "Unknown", messages.AwaitHookRequest()),
        asked(3, "AwaitHook", messages.CreateHookRequest()),
        asked(4, "CreateHook", messages.CreateHookRequest(), capability="run@2.0.0"),
    ]

    def on_trigger(request, helper):
        guest = HookGuest(helper)
        said = []
        for each in calls:
            guest.call(each)
            try:
                guest.got(each.callback_id, messages.AwaitHookResponse)
            except HookError as error:
                said.append(str(error))
        return value("\n".join(said))

    said = result(host, started(host, on_trigger)).split("\n")
    wanted = ["SR-HOOK-007", "Unimplemented", "SR-HOOK-002", "SR-HOOK-001"]
    assert [word in line for word, line in zip(wanted, said, strict=True)] == [True] * 4


def test_a_pre_hook_keeps_its_run_from_hooks_and_can_make_none_itself(host):
    heard = []

    def tries(request, helper):
        try:
            HookGuest(helper).create(1)
        except HookError as error:
            heard.append(str(error))
        return value("ok")

    def pre_hook(request, helper):
        tries(request, helper)
        allowed = sdk_pb2.MethodRestriction(id="run@1.0.0", method="AwaitHook", max_calls=1)
        closed = sdk_pb2.CapabilityRestrictions(
            max_total_calls=9, restrictions=[sdk_pb2.CapabilityRestriction(method=allowed)]
        )
        return sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions(capabilities=closed))

    host.module.on_trigger = tries
    with_pre_hook(host, pre_hook)
    assert run(host)[0].status == "completed"
    assert "PermissionDenied:SR-HOOK-010: a pre-hook cannot call run@1.0.0" in heard[0]
    assert heard[1] == "Public:User:LimitExceeded:call denied by user pre-hook restrictions: run@1.0.0 CreateHook"
