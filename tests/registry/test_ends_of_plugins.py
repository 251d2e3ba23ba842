"""A host that stops waits for its plugins for a time, and one that hangs or fails keeps no other from its end."""

import os
import signal
import threading
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from strongroom.plugin import Capability, TriggerMethod, hookimpl
from strongroom.registry.limits import Supervision
from strongroom.registry.making import Member
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.settings.manifest import PluginEntry
from strongroom.telemetry import redaction
from tests.fakes.memory_host import QUICK, WAIT_S, Eventually, MemoryHost
from tests.registry.conformance import registration

RELEASED = threading.Event()
QUICK_END = Supervision(stop_s=0.05, end_s=WAIT_S)


@pytest.fixture(autouse=True)
def released():
    """Lets what hangs go at the end."""
    RELEASED.clear()
    Listening.stopped.clear()
    yield
    RELEASED.set()


@dataclass
class Listening:
    """Whose registrations end as ``how`` says."""

    how: str
    stopped: ClassVar[list[str]] = []

    @hookimpl
    def capabilities(self) -> list[Capability]:
        def register(_registration: Any, _events: Any) -> Any:
            return self._end

        return [Capability(id=f"{self.how}-trigger@1.0.0", triggers={"Trigger": TriggerMethod(register=register)})]

    @hookimpl
    def stop(self) -> None:
        self.stopped.append(self.how)

    def _end(self) -> None:
        if self.how == "hangs":
            RELEASED.wait()
        if self.how == "fails":
            raise ValueError("its fault")


def entry(how: str) -> PluginEntry:
    return PluginEntry(name=how, factory=f"{__name__}:Listening", config={"how": how})


@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_a_trigger_that_does_not_end_well_keeps_nothing_from_its_end(tmp_path, caplog, how):
    with MemoryHost(tmp_path, entry(how), entry("ends"), supervision=QUICK_END) as host:
        trigger = host.registry.get_trigger(f"{how}-trigger@1.0.0")
        trigger.register(registration("w-0"), Eventually(), timeout_s=WAIT_S)
    assert sorted(Listening.stopped) == sorted([how, "ends"])
    assert {plugin.state for plugin in host.plugins.states()} == {Lifecycle.STOPPED}
    assert f"plugin {how}: stopping its triggers failed" in caplog.text


class Stuck:
    """A plugin whose end never comes, or comes with a fault of ours."""

    def __init__(self, how: str) -> None:
        self.how = how

    def stop(self) -> None:
        if self.how == "hangs":
            RELEASED.wait()
        raise RuntimeError("a fault of ours")

    def state(self) -> PluginState:
        return PluginState(name=f"one that {self.how}", kind="process", state=Lifecycle.READY)


@pytest.mark.parametrize(
    ("how", "said"),
    [("hangs", "plugins did not end: one that hangs"), ("fails", "plugin one that fails failed at its end")],
)
def test_what_does_not_end_at_all_is_left_behind_and_named(tmp_path, caplog, how, said):
    quick = Supervision(stop_s=0.05, end_s=0.2)
    with MemoryHost(tmp_path, entry("ends"), supervision=quick) as host:
        stuck = Member(entry=entry(how), plugin=Stuck(how))
        host.plugins._members = (stuck, *host.plugins._members)
    assert Listening.stopped == ["ends"]
    assert said in caplog.text


def test_tokens_of_processes_that_ended_do_not_pile_up(tmp_path, monkeypatch):
    """Each would be looked for in every line that the host says, and in the end push out a password that is in use."""
    monkeypatch.setattr(redaction, "ENDED_MAX", 1)
    entry = PluginEntry(name="basic-test", command=("python", "-m", "strongroom_basic_test"), config={})
    with MemoryHost(tmp_path, entry, supervision=replace(QUICK, crashes_max=10)) as host:
        known = host.plugins._redaction
        for life in range(1, 5):
            assert len(known._values) == min(life, 2), "the one that lives, and the one before"
            os.kill(host.plugins.states()[0].pid, signal.SIGKILL)
            host.saw("ready", times=life + 1)
