"""A host ends when it is asked to, within its bound, whatever hangs: real signals to processes of their own."""

import os
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
ending = Ending({bound_s}, is_service={is_service})
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

    def start(text, bound_s=WAIT_S, is_service=True):
        # Whoever runs the tests may have been told to survive a terminal, and what it starts inherits that.
        heard = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        code = heard + (BEGIN + text).format(bound_s=bound_s, is_service=is_service)
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


def test_a_service_is_told_of_each_hangup_and_ended_by_none(script):
    process = script('ending.hung_up = lambda: print("hung up", flush=True)\n' + HANGS_FOR_EVER)
    heard(process, "ready")
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
        heard(process, "hung up")
    process.send_signal(signal.SIGTERM)
    heard(process, "asked")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    assert "ended at the second signal" in process.stderr.read()


def test_whoever_has_a_terminal_ends_with_it(script):
    process = script(HANGS_FOR_EVER, is_service=False)
    heard(process, "ready")
    process.send_signal(signal.SIGHUP)
    heard(process, "asked")


def test_whoever_was_started_to_survive_its_terminal_does():
    code = (BEGIN + "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)").format(bound_s=1, is_service=False)
    before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    shown = subprocess.run([sys.executable, "-c", f"{before}\n{code}"], capture_output=True, text=True, check=True)
    assert shown.stdout == "True\n"


def test_a_stop_that_hangs_ends_at_its_bound_and_says_what_was_open(script):
    process = script(
        'ending.still_open = lambda: {{"step": "plugins are ended", "plugins": ["stuck"]}}\n'
        'threading.Thread(target=threading.Event().wait, name="api_7").start()\n' + HANGS_FOR_EVER,
        bound_s=0.2,
    )
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == os.EX_SOFTWARE
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
    assert process.wait(WAIT_S) == os.EX_SOFTWARE


def test_what_cannot_say_what_is_open_ends_all_the_same(script):
    process = script("ending.still_open = lambda: 1 / 0\n" + HANGS_FOR_EVER, bound_s=0.2)
    heard(process, "ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == os.EX_SOFTWARE


def test_a_host_that_has_closed_everything_leaves_its_threads_behind_and_loses_no_output(script):
    process = script(
        'threading.Thread(target=threading.Event().wait, name="api_1").start()\nprint("said", end="")\nleave(3)'
    )
    assert process.wait(WAIT_S) == 3
    assert process.stdout.read() == "said"
