"""Subscribe as a guest sees it: its request, its host, its time.

Source: contracts/cre-guest.md sections 3, 8, 12 and 17.
"""

import time

import pytest

from strongroom.errors import TimedOut
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.workflow_host import subscriptions


def subscribed(host, on_subscribe):
    """Register a workflow that does ``on_subscribe(request, helper)``."""

    def subscribe(request, helper):
        on_subscribe(request, helper)
        return subscriptions("http-trigger@1.0.0-alpha")

    host.module.on_subscribe = subscribe
    return host.register(config=b"the config")


def test_the_request_carries_the_config_the_limit_of_the_answer_and_nothing_of_a_run(host):
    seen = []
    subscribed(host, lambda request, helper: seen.append((request, helper.execution_id, helper.timeout_ms)))
    [(request, execution_id, timeout_ms)] = seen
    wanted = sdk_pb2.ExecuteRequest(subscribe={}, config=b"the config", max_response_size=100_000)
    assert request == wanted
    assert (execution_id, timeout_ms) == ("", 15_000)


def test_time_and_logs_work_and_the_guest_keeps_its_runner(host):
    seen = []

    def uses(_request, helper):
        helper.log(1, "a line")
        helper.metric(b"")
        seen.append((helper.now_ns(1), helper.suspend_after_ms, helper.sleeps_done, len(helper.entropy)))

    before_ns = time.time_ns()
    subscribed(host, uses)
    [(moment_ns, suspend_after_ms, sleeps_done, entropy_bytes)] = seen
    assert before_ns <= moment_ns <= time.time_ns()
    assert (suspend_after_ms, sleeps_done, entropy_bytes) == (0, 0, 32)


def test_a_subscribe_that_takes_too_long_names_its_own_limit(host):
    def late(_request, _helper):
        raise TimedOut("SR-GUEST-012", "the run used up its time")

    with pytest.raises(TimedOut) as caught:
        subscribed(host, late)
    assert caught.value.code == "SR-WF-013"
    assert "15000 ms" in str(caught.value)
    assert caught.value.details["setting"] == "limits.subscribe_timeout_ms"
    assert host.host.specs.count() == 0
