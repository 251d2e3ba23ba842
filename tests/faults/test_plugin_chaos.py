"""A plugin that hangs, exits, sends garbage, is stopped and killed: its own calls fail, its neighbour notices nothing,
and it is back soon, with nothing left behind."""

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import CapabilityError
from strongroom.plugin.messages import basic_action_pb2
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import QUICK, WAIT_S, MemoryHost, answer, request
from tests.faults.figures import record
from tests.faults.scale import much

PROGRAM = Path(__file__).resolve().parent.parent / "fakes" / "switchboard_plugin.py"
IN_A_CALL = ("hang", "exit", "kill", "stop", "garbage", "loris", "huge")
AT_A_START = ("exit at start", "wrong version")
ENDING = {"exit", "kill", "stop", *AT_A_START}
"""What the process does not outlive; after anything else the same one may answer, or another."""
TIMES = much(3, 100)
RESTARTS = much(3, 1000)
CALL_S = 0.7
"""Nobody waits longer for what hangs. A sound plugin of a slow machine may be cut off too, and is asked again."""
DEMANDED_RESTART_S = 1.0
DESCRIPTORS_MORE_MAX = 2
# It is broken far more often than a crash loop would allow.
CHAOS = replace(QUICK, crashes_max=10_000, health_timeout_s=0.5, handshake_s=10.0, stop_s=0.5)
ANSWERED = ""
"""What is told before the worst begins is an answer too."""
TYPED = {"Unavailable", "DeadlineExceeded", "LimitExceeded"}


class Scene:
    """A host with a switchboard and a neighbour that is asked all the time."""

    def __init__(self, directory):
        self.flag = directory / "flag"
        command = ("python", str(PROGRAM), str(self.flag))
        entries = (
            PluginEntry(name="switchboard", command=command, config={}),
            PluginEntry(name="neighbour", command=("python", "-m", "strongroom_basic_test"), config={}),
        )
        self.host = MemoryHost(directory, *entries, supervision=CHAOS)
        # What hangs is to be found soon; who only has a slow machine is not to be taken for that.
        neighbour = self.host.plugins._members[1].plugin
        neighbour._setup = replace(neighbour._setup, supervision=replace(CHAOS, health_timeout_s=WAIT_S))
        self.slowest_s = 0.0
        self.names, self.neighbour = Counter(), Counter()
        self._stop = threading.Event()

    def __enter__(self):
        self.host.__enter__()
        self._asking = threading.Thread(target=self._ask_the_neighbour)
        self._asking.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        self._asking.join()
        self.host.__exit__(*exception)

    def _ask_the_neighbour(self):
        while not self._stop.is_set():
            asked = basic_action_pb2.Inputs(input_thing=True)
            try:
                self.host.call("basic-test-action@1.0.0", "PerformAction", asked, timeout_s=WAIT_S)
                self.neighbour["answered"] += 1
            except CapabilityError as error:
                self.neighbour[f"{error.name}: {error.message}"] += 1
            self._stop.wait(0.01)

    def pid(self):
        return self.host.plugins.states()[0].pid

    def do(self, word, timeout_s=CALL_S):
        """One call; the name of its error, if there was one."""
        handle = self.host.registry.get_executable("switchboard@1.0.0")
        try:
            response = handle.execute(request("Do", wrappers_pb2.StringValue(value=word)), timeout_s=timeout_s)
        except CapabilityError as error:
            return error.name
        answer(response, wrappers_pb2.BytesValue())
        return ""

    def come_back(self, before=0):
        """Wait until it answers, or another process than ``before`` does. Returns how long that took."""
        began_s = time.monotonic()
        while self.pid() in (0, before) or self.do("") != "":
            assert time.monotonic() < began_s + WAIT_S, self.host.plugins.states()[0]
            time.sleep(0.005)
        return time.monotonic() - began_s

    def break_it(self, word):
        before = self.pid()
        if word in AT_A_START:
            self.flag.write_text(word)
            kill(before)
        else:
            name = self.do(word)
            self.names[name] += 1
        back_s = self.come_back(before if word in ENDING else 0)
        if word in {"exit", "kill"}:
            self.slowest_s = max(self.slowest_s, back_s)


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def zombies():
    """Children of this process that ended and that nobody has waited for."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = status.read_text().partition(" (")
            state, parent = rest.rpartition(") ")[2].split()[:2]
            if state == "Z" and int(parent) == os.getpid():
                found.append(int(pid))
    return found


def settled(expected=None):
    """The descriptors once threads of earlier processes have closed theirs; waits while there are more than expected.

    Nobody else does anything then, so what is left then stays.
    """
    end_s, fewest = time.monotonic() + WAIT_S, descriptors()
    while time.monotonic() < end_s and zombies():
        time.sleep(0.05)
    looks = 0
    while looks < 8 or (expected is not None and fewest > expected and time.monotonic() < end_s):
        fewest = min(fewest, descriptors())
        time.sleep(0.05)
        looks += 1
    return fewest


@pytest.fixture
def scene():
    with tempfile.TemporaryDirectory(prefix="sr-") as directory, Scene(Path(directory)) as made:
        made.break_it("kill")
        yield made


@pytest.mark.timeout(0)
def test_whatever_a_plugin_does_only_its_own_calls_fail_and_it_is_back(scene):
    before = settled()
    for _ in range(TIMES):
        for word in (*IN_A_CALL, *AT_A_START):
            scene.break_it(word)
    more, left = settled(before + DESCRIPTORS_MORE_MAX) - before, zombies()
    others = {what: count for what, count in scene.neighbour.items() if what != "answered"}
    untyped = set(scene.names) - TYPED - {ANSWERED}
    record(
        "I2",
        f"{len(IN_A_CALL) + len(AT_A_START)} ways to be a bad plugin, {TIMES} times each",
        demanded="neighbour: 0 errors; restart within 1 s; descriptors ± 2, no zombie",
        measured=(
            f"{sum(others.values())} errors of {scene.neighbour.total()}; {scene.slowest_s:.2f} s; "
            f"descriptors {more:+d}, {len(left)} zombies"
        ),
        met=not others and scene.slowest_s <= DEMANDED_RESTART_S and abs(more) <= DESCRIPTORS_MORE_MAX and not left,
    )
    assert others == {}
    assert untyped == set(), scene.names
    assert left == []
    assert more <= DESCRIPTORS_MORE_MAX


@pytest.mark.timeout(0)
def test_restarts_leave_no_descriptor_and_no_zombie_behind(scene):
    before = settled()
    for _ in range(RESTARTS):
        pid = scene.pid()
        kill(pid)
        scene.come_back(pid)
    more, left = settled(before + DESCRIPTORS_MORE_MAX) - before, zombies()
    record(
        "I2",
        f"{RESTARTS} restarts of a plugin that was killed",
        demanded="descriptors ± 2, no zombie",
        measured=f"descriptors {more:+d}, {len(left)} zombies",
        met=abs(more) <= DESCRIPTORS_MORE_MAX and not left,
    )
    assert left == []
    assert more <= DESCRIPTORS_MORE_MAX
