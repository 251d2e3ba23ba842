"""A host ends when it is asked to, within its bound, whatever hangs: real signals to processes of their own."""

import signal
import subprocess
import sys

import pytest

WAIT_S = 30
BEGIN = """
import signal, sys, threading
from strongroom.app.ending import Ending, leave
from strongroom.telemetry import logs
logs.configure("info", "text")
ending = Ending({bound_s})
ending.listen()
"""
HANGS_FOR_EVER = """
print("ready", flush=True)
ending.asked.wait()
print("asked", flush=True)
threading.Event().wait()
"""
# The kernel gives the signal to the other thread, as it may whenever the main one has one pending.
MAIN_THREAD_HEARS_NOTHING = """
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
"""


@pytest.fixture
def script():
    begun = []

    def start(text, bound_s=WAIT_S):
        code = (BEGIN + text).format(bound_s=bound_s)
        begun.append(subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def heard(process, line):
    assert process.stdout.readline() == f"{line}\n"


@pytest.mark.parametrize("before", ["", MAIN_THREAD_HEARS_NOTHING], ids=["main thread", "another thread"])
def test_a_signal_is_heard_whichever_thread_gets_it_and_the_second_one_ends_what_hangs(script, before):
    process = script(before + HANGS_FOR_EVER)
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    heard(process, "asked")
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_S) == 0
    assert "ended at the second signal" in process.stderr.read()


def test_a_stop_that_hangs_ends_at_its_bound_and_says_what_was_open(script):
    process = script(
        'ending.still_open = lambda: {{"step": "plugins are ended", "plugins": ["stuck"]}}\n'
        'threading.Thread(target=threading.Event().wait, name="api_7").start()\n' + HANGS_FOR_EVER,
        bound_s=0.2,
    )
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    said = process.stderr.read()
    assert "the stop took longer than 0.2 s" in said
    assert "plugins are ended" in said
    assert "stuck" in said
    assert "api_7" in said


def test_a_log_that_takes_nothing_keeps_no_host_from_ending(script):
    process = script(
        """
import logging
class Stuck(logging.Handler):
    def emit(self, record):
        threading.Event().wait()
logging.getLogger().handlers[:] = [Stuck()]
"""
        + HANGS_FOR_EVER,
        bound_s=0.2,
    )
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0


def test_what_cannot_say_what_is_open_ends_all_the_same(script):
    process = script("ending.still_open = lambda: 1 / 0\n" + HANGS_FOR_EVER, bound_s=0.2)
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0


def test_a_host_that_has_closed_everything_leaves_its_threads_behind_and_loses_no_output(script):
    process = script(
        'threading.Thread(target=threading.Event().wait, name="api_1").start()\nprint("said", end="")\nleave(3)'
    )
    assert process.wait(WAIT_S) == 3
    assert process.stdout.read() == "said"
