"""Runners that a guest has taken over: their run fails in time and with a reason, and the pool goes on."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from strongroom.errors import Cancelled, GuestFault, TimedOut
from strongroom.guest import hosted_run, runner_process
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.guest.running import execute, text_of
from tests.guests.host import PretendedHost

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken_out(make_pool, monkeypatch):
    """``broken_out(name)``: a pool whose next runner does what ``name`` says; those after it are sound."""
    monkeypatch.setattr(hosted_run, "GRACE_S", 0.2)
    monkeypatch.setattr(runner_process, "STALL_S", 0.3)

    def make(name):
        popen, turns = subprocess.Popen, [name]

        def start(command, **options):
            if command[1:4] == ["-I", "-m", "strongroom.guest.runner"] and turns:
                options["cwd"] = ROOT
                options["env"] = {**options["env"], "PYTHONPATH": f"{ROOT}:{ROOT / 'daemon'}"}
                command = [command[0], "-m", "tests.guest.broken_out", *turns, *command[4:]]
                turns.clear()
            return popen(command, **options)

        pool = make_pool(runners_max=1, capability_request_bytes_max=100_000)
        assert text_of(execute(pool, "config")) == b"config"
        turns.append(pool._fleet.ready.engine_id)
        monkeypatch.setattr(subprocess, "Popen", start)
        [sound] = pool._fleet._idle
        sound.kill()
        sound._process.wait(10)
        return pool

    return make


class Answering(PretendedHost):
    """Answers every call with more than a socket holds."""

    def call_capability(self, request):
        self.calls.append(request)
        return sdk_pb2.CapabilityResponse(error="e" * 5_000_000)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("asks for the time and reads nothing", "did not read"),
        ("uses an id twice", "callback id 0 twice"),
        ("sends a frame of 40 MB", "larger than the limit"),
        ("sends descriptors", "sent descriptors"),
        ("waits for nothing", "suspended a guest"),
        ("says it was cancelled", "which was not"),
    ],
)
def test_what_no_sound_runner_does_ends_it_and_its_run(broken_out, name, reason):
    pool = broken_out(name)
    with pytest.raises(GuestFault, match="the runner that executed the guest died") as caught:
        execute(pool, "config", host=PretendedHost(timeout_ms=20_000))
    assert reason in caught.value.why
    assert text_of(execute(pool, "config")) == b"config"


def test_a_helper_hears_of_an_id_once(broken_out):
    host = Answering(timeout_ms=20_000)
    with pytest.raises(GuestFault):
        execute(broken_out("uses an id twice"), "config", host=host)
    assert len(host.calls) <= 1


def test_a_run_ends_in_time_although_its_runner_reads_no_answer(broken_out, monkeypatch):
    monkeypatch.setattr(runner_process, "STALL_S", 60.0)
    pool = broken_out("does not read its answers")
    began_s = time.monotonic()
    with pytest.raises(TimedOut, match="1000 ms"):
        execute(pool, "config", host=Answering(timeout_ms=1_000))
    assert time.monotonic() - began_s < 30, "it waited for the runner to read"
    assert text_of(execute(pool, "config")) == b"config"


def test_a_cancel_reaches_a_run_whose_runner_reads_nothing(broken_out, monkeypatch):
    monkeypatch.setattr(runner_process, "STALL_S", 60.0)
    pool = broken_out("asks for the time and reads nothing")
    host = PretendedHost(timeout_ms=50_000)
    threading.Timer(0.5, lambda: host.stop("enough", 0)).start()
    with pytest.raises(Cancelled, match="enough"):
        execute(pool, "config", host=host)


def test_a_runner_that_is_done_but_reads_no_answer_is_not_used_again(broken_out, monkeypatch):
    monkeypatch.setattr(runner_process, "STALL_S", 60.0)
    pool = broken_out("does not read its answers and is done")
    assert text_of(execute(pool, "config", host=Answering(timeout_ms=20_000))) in {"mine", b"mine"}
    assert text_of(execute(pool, "config")) == b"config"
