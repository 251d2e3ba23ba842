"""A run that repeats another one from a step is replayed as it was executed: its pre-hook only where it was asked."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.history import History
from strongroom.engine.replay import Replays
from strongroom.engine.retry import Retries
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.diary_guest import CAPABILITY, DiaryGuest, DiaryRunners, offer
from tests.fakes.workflow_host import OWNER, subscriptions

WAIT_S = 20


class Guarded:
    """A guest whose pre-hook asks for the time, logs and makes a step; ``line`` and ``method`` may be others."""

    def __init__(self, line="hooked", method="a", **guest):
        self.line, self.method, self.asked = line, method, []
        self.guest = DiaryGuest(**guest)

    def __call__(self, request, helper, watch=lambda message: None):
        kind = request.WhichOneof("request")
        self.asked.append(kind)
        if kind != "pre_hook":
            return self.guest(request, helper, watch)
        helper.now_ns(1)
        helper.log(1, self.line)
        helper.call_capability(sdk_pb2.CapabilityRequest(id=CAPABILITY, method=self.method, callback_id=1))
        return sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions())


@pytest.fixture
def parent(host):
    """A run of a workflow with a pre-hook, which has ended."""
    offer(host)
    answer = subscriptions("http-trigger@1.0.0-alpha")
    answer.trigger_subscriptions.subscriptions[0].pre_hook = True
    host.module.on_subscribe = lambda request, helper: answer
    guest = host.guest = Guarded()
    host.module.on_pre_hook = guest
    host.module.on_trigger = lambda request, helper: guest(request, helper)
    host.register()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf"))
    return ended(host, header.run_id)


def ended(host, run_id):
    header, outcome = host.engine.wait(run_id, WAIT_S)
    assert header.status == "completed", outcome.failure
    return header


def repeated(host, parent, step):
    host.guest.asked.clear()
    retries = Retries(host.host, History(host.host.journals), host.engine.admission)
    return ended(host, retries.retry(parent.run_id, step, "").header.run_id)


def replayed(host, header, guest):
    return Replays(host.host, History(host.host.journals), DiaryRunners(guest)).replay(header.run_id, WAIT_S)


@pytest.mark.parametrize("step", ["", "p:1", "1", "2", "-1"])
def test_a_deterministic_guest_is_equal_from_whatever_step_its_run_was_repeated(host, parent, step):
    header, again = repeated(host, parent, step), Guarded()
    done = replayed(host, header, again)
    assert done.difference is None, (done.difference.details, done.difference.why)
    assert again.asked == host.guest.asked == (["pre_hook"] * (step in {"", "p:1"}) + ["trigger"])


@pytest.mark.parametrize(
    ("step", "guest", "where"),
    [
        ("1", Guarded(steps=((1, "a"), (2, "x"), (-1, "c"))), "2"),
        ("1", Guarded(times=1), "t1"),
        ("1", Guarded(lines=("first",)), "log"),
        ("p:1", Guarded(line="other"), "log"),
        ("p:1", Guarded(method="b"), "p:1"),
    ],
)
def test_what_its_guest_does_otherwise_is_found_all_the_same(host, parent, step, guest, where):
    done = replayed(host, repeated(host, parent, step), guest)
    assert done.difference is not None
    assert done.difference.details["step"] == where
