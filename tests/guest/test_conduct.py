"""What no sound runner sends: each message ends its runner, or is cut before a helper hears of it."""

import time

import pytest
from google.protobuf import any_pb2

from strongroom.guest.conduct import Conduct, frame_bytes_max
from strongroom.guest.limits import ERROR_CHARS_MAX, LOG_LINE_CUT, REFUSALS_MAX, SECRETS_PER_FETCH_MAX, GuestLimits
from strongroom.guest.runner_process import RunnerDeathError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

LIMITS = GuestLimits(capability_request_bytes_max=1_000, calls_in_flight_max=2, log_line_bytes_max=300, log_lines_max=3)


def call(callback_id, size=0):
    request = sdk_pb2.CapabilityRequest(callback_id=callback_id, payload=any_pb2.Any(value=bytes(size)))
    return runner_pb2.FromRunner(capability_call=request)


def fetch(callback_id, count=1):
    asked = [sdk_pb2.SecretRequest(id="k")] * count
    return runner_pb2.FromRunner(secrets_call=sdk_pb2.GetSecretsRequest(callback_id=callback_id, requests=asked))


def line(text, mode=1):
    return runner_pb2.FromRunner(log_line=runner_pb2.LogLine(mode=mode, line=text))


def waits(**fields):
    finished = runner_pb2.Finished(outcome=runner_pb2.OUTCOME_SUSPENDED, waits=runner_pb2.Waits(**fields))
    return runner_pb2.FromRunner(finished=finished)


@pytest.fixture
def conduct():
    made = Conduct(LIMITS, suspend_after_ms=1)
    time.sleep(0.002)  # a sound runner does not suspend a guest before that time
    return made


def dies(conduct, message, reason):
    with pytest.raises(RunnerDeathError, match=reason):
        conduct.check(message)


def test_a_callback_id_comes_once_for_each_kind(conduct):
    conduct.check(call(5))
    conduct.check(fetch(5))
    conduct.check(call(-5))
    dies(conduct, call(5), "callback id 5 twice")
    dies(conduct, fetch(5), "callback id 5 twice")


def test_calls_of_one_execution_are_counted(conduct, monkeypatch):
    monkeypatch.setattr("strongroom.guest.conduct.CALLS_MAX", 2)
    conduct.check(call(1))
    conduct.check(fetch(1))
    dies(conduct, call(2), "more calls than a guest may")


def test_a_request_is_no_larger_than_the_runner_lets_through(conduct):
    conduct.check(call(1, size=900))
    dies(conduct, call(2, size=1_100), "larger request")
    dies(conduct, fetch(3, SECRETS_PER_FETCH_MAX + 1), "more secrets at once")


def test_nothing_is_read_that_is_larger_than_what_a_guest_may_send():
    assert frame_bytes_max(GuestLimits()) < 2 * GuestLimits().capability_request_bytes_max
    assert frame_bytes_max(GuestLimits(response_bytes_max=5_000_000)) > 5_000_000


def test_a_line_is_cut_when_the_runner_did_not(conduct):
    short, cut, long = line("a" * 300), line("b" * 300 + LOG_LINE_CUT), line("c" * 50_000)
    for message in (short, cut, long):
        conduct.check(message)
    assert [message.log_line.line for message in (short, cut, long)] == [
        "a" * 300, "b" * 300 + LOG_LINE_CUT, "c" * 300 + LOG_LINE_CUT,
    ]  # fmt: skip


def test_lines_are_counted_and_have_one_of_two_modes(conduct):
    dies(conduct, line("x", mode=0), "log lines")
    for _ in range(9):
        conduct.check(line("x"))
    dies(conduct, line("x"), "log lines")


def test_metrics_that_are_off_do_not_come(conduct):
    dies(conduct, runner_pb2.FromRunner(metric=b"x"), "metrics")


def test_an_error_is_cut(conduct):
    message = runner_pb2.FromRunner(finished=runner_pb2.Finished(error="e" * 90_000))
    conduct.check(message)
    assert message.finished.error == "e" * ERROR_CHARS_MAX


@pytest.mark.parametrize("message", [runner_pb2.FromRunner(), runner_pb2.FromRunner(ready={}, compiled={})])
def test_what_belongs_to_no_run_ends_the_runner(conduct, message):
    dies(conduct, message, "during a run")


def test_the_time_is_asked_for_only_so_often_after_it_was_refused(conduct):
    for _ in range(REFUSALS_MAX):
        conduct.refused_time()
    with pytest.raises(RunnerDeathError, match="again and again"):
        conduct.refused_time()


def test_a_guest_waits_for_calls_that_it_made(conduct):
    conduct.check(call(1))
    conduct.check(fetch(2))
    conduct.check(waits(capabilities=[1], secrets=[2]))
    conduct.check(waits(slot=True, capabilities=[1], secrets=[2]))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"capabilities": [999]}, "did not make"),
        ({"secrets": [1]}, "did not make"),
        ({"capabilities": [1, 1]}, "more calls"),
        ({"capabilities": range(2_000_000)}, "more calls"),
        ({"slot": True}, "one was free"),
        ({}, "for nothing"),
        ({"capabilities": [1], "sleeps_done": 2**32 - 1}, "more sleeps"),
        ({"sleep_until_unix_ns": -(2**63), "sleeps_done": 1}, "a sleep that was over"),
        ({"sleep_until_unix_ns": 2**62, "slot": True}, "a sleep that was over"),
    ],
)
def test_a_wait_that_cannot_be_ends_the_runner(conduct, fields, reason):
    conduct.check(call(1))
    dies(conduct, waits(**fields), reason)


def test_a_sleep_that_is_over_at_once_is_made_as_long_as_one_that_suspends():
    began_unix_ns = time.time_ns()
    message = waits(sleep_until_unix_ns=began_unix_ns - 1_000_000_000)
    Conduct(LIMITS, suspend_after_ms=60_000).check(message)
    assert message.finished.waits.sleep_until_unix_ns >= began_unix_ns + 60_000_000_000


@pytest.mark.parametrize("jump_s", [-3600, -400 * 86_400], ids=["an hour", "400 days"])
def test_a_clock_that_is_set_back_under_a_guest_ends_no_runner_and_makes_no_sleep_longer(monkeypatch, jump_s):
    conduct, real_ns = Conduct(LIMITS, suspend_after_ms=250), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + jump_s * 1_000_000_000)
    message = waits(sleep_until_unix_ns=time.time_ns() + 2_000_000_000)
    conduct.check(message)
    left_ns = message.finished.waits.sleep_until_unix_ns - time.time_ns()
    assert 0 < left_ns <= 2_000_000_000


def test_a_guest_is_not_suspended_before_it_has_waited():
    hasty = Conduct(LIMITS, suspend_after_ms=60_000)
    hasty.check(call(1))
    dies(hasty, waits(capabilities=[1]), "has not waited")
    dies(Conduct(LIMITS, suspend_after_ms=0), waits(capabilities=[1]), "may wait")
