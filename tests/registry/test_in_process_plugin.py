"""Plugins in the daemon's own process."""

import threading
from dataclasses import dataclass
from typing import Any

import pluggy
import pytest

from strongroom.errors import CapabilityError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin import Capability, TriggerMethod, hookimpl
from strongroom.registry.in_process import LocalTrigger
from strongroom.registry.workers import Workers
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import WAIT_S, Eventually, MemoryHost
from tests.registry.conformance import HostConformance

HERE = __name__


class TestInProcess(HostConformance):
    def entry(self, **changes: Any) -> PluginEntry:
        return PluginEntry(**{"name": "probe", "factory": "tests.fakes.probe_plugin:Probe", "config": {}, **changes})


@dataclass
class Wrapper:
    @pluggy.HookimplMarker("strongroom")(hookwrapper=True)
    def capabilities(self):
        yield


@dataclass
class Unknown:
    @hookimpl
    def capabilites(self) -> list[Capability]:
        return []


@dataclass
class WrongArguments:
    @hookimpl
    def start(self, hosts: object) -> None:
        """Never called."""


@dataclass
class WrongAnswer:
    @hookimpl
    def capabilities(self) -> Any:
        return ["basic-test-action@1.0.0"]


@dataclass
class Exits:
    @hookimpl
    def start(self, host: object) -> None:
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("Wrapper", "has a hook wrapper"),
        ("Unknown", "implements a hook that does not exist"),
        ("WrongArguments", "takes other arguments"),
        ("WrongAnswer", "must return a list of Capability, it holds str"),
        ("Exits", "SystemExit"),
        ("Missing", "has no Missing"),
    ],
)
def test_a_plugin_that_breaks_its_contract_is_failed(tmp_path, monkeypatch, factory, reason):
    import sys

    monkeypatch.setitem(sys.modules, "broken_plugins_of_this_test", sys.modules[HERE])
    entry = PluginEntry(name="broken", factory=f"broken_plugins_of_this_test:{factory}", config={})
    with MemoryHost(tmp_path, entry) as host:
        state = host.plugins.states()[0]
        assert state.state == "failed"
        assert reason in state.last_error


def test_a_module_that_does_not_exist_is_a_failed_plugin(tmp_path):
    with MemoryHost(tmp_path, PluginEntry(name="gone", factory="no_such_module:Plugin", config={})) as host:
        assert "no_such_module" in host.plugins.states()[0].last_error


def test_a_disabled_plugin_is_listed_and_not_loaded(tmp_path):
    entry = PluginEntry(name="off", enabled=False, factory="no_such_module:Plugin", config={})
    with MemoryHost(tmp_path, entry) as host:
        assert (host.plugins.states()[0].state, host.registry.list()) == ("disabled", [])


def test_a_registration_that_came_too_late_is_stopped_again():
    asked, go_on, stopped, told = threading.Event(), threading.Event(), threading.Event(), Eventually()

    def register(registration, events):
        asked.set()
        assert go_on.wait(WAIT_S)
        return stopped.set

    capability = Capability(id="slow@1.0.0", kind="trigger", triggers={"Trigger": TriggerMethod(register=register)})
    trigger = LocalTrigger(capability, Workers("slow", 1))
    request = capabilities_pb2.TriggerRegistrationRequest(triggerId="w-0", method="Trigger")
    with pytest.raises(CapabilityError, match="no answer within"):
        trigger.register(request, told, timeout_s=0.01)
    assert asked.wait(WAIT_S)
    go_on.set()
    assert stopped.wait(WAIT_S)
