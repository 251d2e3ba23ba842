"""What every plugin host owes every plugin, whether the plugin is in process or a process.

``HostConformance`` is inherited by one test class per kind; each says how its ``Probe`` is loaded.
"""

import threading
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import CapabilityError, PluginFault
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.limits import CallLimits
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import WAIT_S, Eventually, MemoryHost, answer, request

OWNER = "aa" * 20


def text(value: str) -> wrappers_pb2.StringValue:
    return wrappers_pb2.StringValue(value=value)


def number(value: int) -> wrappers_pb2.Int64Value:
    return wrappers_pb2.Int64Value(value=value)


def registration(trigger_id: str, *, name: str = "") -> capabilities_pb2.TriggerRegistrationRequest:
    made = capabilities_pb2.TriggerRegistrationRequest(triggerId=trigger_id, method="Trigger")
    made.metadata.workflow_name = name
    return made


class HostConformance:
    """Tests over one ``Probe``; subclasses give ``entry`` and inherit the rest."""

    def entry(self, **changes: Any) -> PluginEntry:
        raise NotImplementedError

    def basic_test(self) -> PluginEntry:
        return PluginEntry(name="basic-test", factory="strongroom_basic_test.plugin:BasicTest", config={})

    @pytest.fixture
    def host(self, tmp_path: Path):
        with MemoryHost(tmp_path, self.entry(), self.basic_test()) as host:
            yield host

    def ask(self, host: MemoryHost, method: str, message: Any, **metadata: str) -> str:
        handle = host.registry.get_executable("probe@1.0.0")
        response = handle.execute(request(method, message, **metadata), timeout_s=WAIT_S)
        return answer(response, wrappers_pb2.StringValue()).value

    def test_it_is_ready_and_listed_under_its_name(self, host):
        state = host.plugins.states()[0]
        assert (state.name, state.state, state.capabilities) == ("probe", "ready", ("probe@1.0.0",))
        entry = host.registry.get("probe@1.0.0")
        assert (entry.plugin, entry.kind, entry.available) == ("probe", "combined", True)
        assert entry.description == "what a test needs"

    def test_a_call_carries_bytes_and_metadata(self, host):
        payload = wrappers_pb2.BytesValue(value=bytes(range(256)) * 40)
        assert answer(host.call("probe@1.0.0", "echo", payload), wrappers_pb2.BytesValue()) == payload
        assert self.ask(host, "whoami", text(""), workflow_owner=OWNER) == f"probe dev {OWNER} True"

    def test_a_compatible_later_version_answers(self, host):
        assert host.registry.get("probe@1.0.0").id == "probe@1.0.0"
        with pytest.raises(Exception, match="no compatible capability found for id probe@2.0.0"):
            host.registry.get("probe@2.0.0")

    def test_an_error_keeps_its_shape(self, host):
        with pytest.raises(CapabilityError) as caught:
            host.call("probe@1.0.0", "fail_publicly", text(""))
        error = caught.value
        assert (error.visibility, error.origin, error.name, error.message) == (
            "Public",
            "User",
            "OutOfRange",
            "a: b\nc",
        )

    def test_an_error_that_nobody_meant_is_private(self, host):
        with pytest.raises(CapabilityError) as caught:
            host.call("probe@1.0.0", "fail", text(""))
        error = caught.value
        assert (error.visibility, error.origin, error.name) == ("Private", "System", "Unknown")
        assert error.message == "RuntimeError: not meant"

    @pytest.mark.parametrize(
        ("method", "message", "name", "reason"),
        [
            ("nonsense", text(""), "Unimplemented", "has no method 'nonsense'"),
            ("echo", text(""), "InvalidArgument", "must be google.protobuf.BytesValue, it is google.protobuf.String"),
            ("wrong", text(""), "Internal", "returned str"),
        ],
        ids=["unknown method", "wrong payload type", "answer is no message"],
    )
    def test_a_wrong_call_is_told_why(self, host, method, message, name, reason):
        with pytest.raises(CapabilityError, match=reason) as caught:
            host.call("probe@1.0.0", method, message)
        assert caught.value.name == name

    def test_the_store_is_the_owners(self, host):
        assert self.ask(host, "put", text("a=1"), workflow_owner=OWNER) == "stored"
        assert self.ask(host, "put", text("ab=2"), workflow_owner=OWNER) == "stored"
        assert self.ask(host, "get", text("a"), workflow_owner=OWNER) == "1"
        assert self.ask(host, "get", text("a")) == "nothing"
        assert self.ask(host, "list", text("a"), workflow_owner=OWNER) == "a,ab"
        assert self.ask(host, "delete", text("a"), workflow_owner=OWNER) == "deleted"
        assert self.ask(host, "get", text("a"), workflow_owner=OWNER) == "nothing"
        assert host.stores["probe"].values == {(OWNER, "ab"): b"2"}

    @pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 5_000_000], ids=["empty", "one byte", "one chunk", "many"])
    def test_an_artifact_arrives_whole(self, host, size):
        host.artifacts.binaries["ab"] = bytes(size)
        assert answer(host.call("probe@1.0.0", "fetch", text("ab")), wrappers_pb2.Int64Value()).value == size

    def test_a_missing_artifact_is_not_found(self, host):
        with pytest.raises(CapabilityError, match="no such artifact") as caught:
            host.call("probe@1.0.0", "fetch", text("cd"))
        assert caught.value.name == "NotFound"

    def test_a_plugin_calls_another_plugin(self, host):
        assert self.ask(host, "call_other", text("basic-test-action@1.0.0")) == "true"
        assert self.ask(host, "call_other", text("basic-test-action@1.0.0")) == "true"

    def test_a_plugin_asks_for_a_capability_that_nobody_offers(self, host):
        with pytest.raises(CapabilityError, match="no compatible capability found for id nobody@1.0.0") as caught:
            host.call("probe@1.0.0", "call_other", text("nobody@1.0.0"))
        assert caught.value.name == "NotFound"

    def test_a_call_that_takes_too_long_ends_in_time(self, host):
        with pytest.raises(CapabilityError) as caught:
            host.call("probe@1.0.0", "sleep", number(3_000), timeout_s=0.2)
        assert caught.value.name == "DeadlineExceeded"

    def test_what_is_too_big_is_refused_by_size_and_limit(self, tmp_path):
        limits = CallLimits(request_bytes_max=1000, response_bytes_max=2000)
        with MemoryHost(tmp_path, self.entry(), limits=limits) as host:
            with pytest.raises(CapabilityError, match=r"capability request: \d+ bytes, the limit is 1000") as caught:
                host.call("probe@1.0.0", "echo", wrappers_pb2.BytesValue(value=bytes(1000)))
            assert (caught.value.origin, caught.value.name) == ("User", "LimitExceeded")
            with pytest.raises(CapabilityError, match=r"capability response: \d+ bytes, the limit is 2000"):
                host.call("probe@1.0.0", "big", number(2000))

    def test_no_more_calls_are_open_than_allowed(self, tmp_path):
        with MemoryHost(tmp_path, self.entry(), limits=CallLimits(concurrency_max=1)) as host:
            slow = threading.Thread(target=lambda: host.call("probe@1.0.0", "sleep", number(1_500)))
            slow.start()
            try:
                # The slow call may not have begun yet, so a few of these may still get through.
                refusals = [self.refusal_of_a_quick_call(host) for _ in range(10)]
                assert "1 calls of this plugin are open, the limit (concurrency_max), and none ended" in refusals
            finally:
                slow.join()

    def refusal_of_a_quick_call(self, host: MemoryHost) -> str:
        try:
            host.call("probe@1.0.0", "echo", wrappers_pb2.BytesValue(), timeout_s=0.05)
        except CapabilityError as error:
            return error.message
        return ""

    def test_events_arrive_until_the_registration_ends(self, host):
        trigger, told = host.registry.get_trigger("probe@1.0.0"), Eventually()
        trigger.register(registration("w-0"), told, timeout_s=WAIT_S)
        assert self.ask(host, "send", text("w-0=e1")) == "sent"
        assert self.ask(host, "fail_event", text("w-0")) == "failed"
        assert self.ask(host, "send", text("w-0=e2")) == "sent"
        told.wait(lambda t: len(t.events) == 2 and len(t.failures) == 1)
        assert [e.id for e in told.events] == ["e1", "e2"]
        assert told.events[0].triggerType == "probe@1.0.0"
        trigger.ack("w-0", "e1", "Trigger")
        assert self.ask(host, "acked", text("")) == "w-0=e1"
        trigger.unregister(registration("w-0"))
        assert self.ask(host, "send", text("w-0=e3")) == "not registered"
        assert told.notes == []

    def test_a_second_registration_replaces_the_first(self, host):
        trigger, first, second = host.registry.get_trigger("probe@1.0.0"), Eventually(), Eventually()
        trigger.register(registration("w-0"), first, timeout_s=WAIT_S)
        trigger.register(registration("w-0"), second, timeout_s=WAIT_S)
        assert self.ask(host, "send", text("w-0=e1")) == "sent"
        second.wait(lambda t: len(t.events) == 1)
        assert first.events == []

    def test_a_refused_registration_says_why(self, host):
        with pytest.raises(CapabilityError, match="this one is refused") as caught:
            host.registry.get_trigger("probe@1.0.0").register(
                registration("w-0", name="refused"), Eventually(), timeout_s=WAIT_S
            )
        assert caught.value.name == "InvalidArgument"

    def test_the_end_of_the_event_source_is_told(self, host):
        told = Eventually()
        host.registry.get_trigger("probe@1.0.0").register(registration("w-0"), told, timeout_s=WAIT_S)
        assert self.ask(host, "close_events", text("w-0")) == "closed"
        told.wait(lambda t: len(t.notes) == 1)

    def test_an_event_source_that_closed_is_asked_again(self, host):
        told = Eventually()
        host.registry.get_trigger("probe@1.0.0").register(registration("w-0"), told, timeout_s=WAIT_S)
        assert self.ask(host, "close_events", text("w-0")) == "closed"
        told.wait(lambda t: "restored" in t.notes)
        assert self.ask(host, "send", text("w-0=e1")) == "sent"
        told.wait(lambda t: len(t.events) == 1)

    def test_a_pause_is_no_farewell_and_the_registration_can_come_back(self, host):
        trigger, first, second = host.registry.get_trigger("probe@1.0.0"), Eventually(), Eventually()
        trigger.register(registration("w-0"), first, timeout_s=WAIT_S)
        trigger.pause(registration("w-0"))
        trigger.register(registration("w-0"), second, timeout_s=WAIT_S)
        assert self.ask(host, "send", text("w-0=e1")) == "sent"
        second.wait(lambda t: len(t.events) == 1)
        assert first.events == []
        assert self.ask(host, "forgotten", text("")) == ""

    def test_unregistering_is_a_farewell_also_when_nothing_is_live(self, host):
        trigger = host.registry.get_trigger("probe@1.0.0")
        trigger.register(registration("w-0"), Eventually(), timeout_s=WAIT_S)
        trigger.pause(registration("w-0"))
        trigger.unregister(registration("w-0"))
        trigger.unregister(registration("w-1"))
        assert self.ask(host, "forgotten", text("")) == "w-0,w-1"

    def test_after_the_end_a_call_is_unavailable(self, tmp_path):
        with MemoryHost(tmp_path, self.entry()) as host:
            handle = host.registry.get_executable("probe@1.0.0")
        with pytest.raises(CapabilityError, match="capability unavailable"):
            handle.execute(request("echo", text("")), timeout_s=WAIT_S)
        assert host.plugins.states()[0].state == "stopped"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"config": {"capabilty_id": "x"}}, r"plugin probe, config.capabilty_id: no such key"),
            ({"config": {"other_id": 5}}, r"plugin probe, config.other_id: it must be str, it is int"),
            ({"config": {"names": ["a", 1]}}, r"plugin probe, config.names\[1\]: it must be str"),
            ({"config": {"refuse_start": "no database"}}, r"no database"),
            ({"config": {"capability_id": "probe"}}, r"invalid id: probe\. Allowed"),
            ({"config": {"other_id": "probe@1.0.0"}}, r"returned probe@1.0.0 twice"),
            ({"provides": ("other@1.0.0",)}, r"plugin probe offers probe@1.0.0"),
            ({"config": {"other_id": "${nothing}@1.0.0"}}, r"\$\{nothing\} is not known"),
        ],
        ids=["unknown key", "wrong type", "wrong item", "start raises", "bad id", "twice", "provides", "variable"],
    )
    def test_a_plugin_that_does_not_start_is_failed_with_the_reason(self, tmp_path, changes, reason):
        with MemoryHost(tmp_path, self.entry(**changes), self.basic_test()) as host:
            broken, other = host.plugins.states()
            assert (broken.state, other.state) == ("failed", "ready")
            with pytest.raises(AssertionError, match=reason):
                raise AssertionError(broken.last_error)
            assert [e.plugin for e in host.registry.list() if e.available] == ["basic-test"] * 4

    def test_a_required_plugin_that_does_not_start_stops_the_host(self, tmp_path):
        host = MemoryHost(tmp_path, self.entry(required=True, config={"refuse_start": "no database"}))
        with pytest.raises(PluginFault, match="required plugin probe did not start.*no database"):
            host.plugins.start()

    def test_variables_reach_the_config(self, tmp_path):
        entry = self.entry(config={"other_id": "${name}@1.0.0"})
        with MemoryHost(tmp_path, entry, variables={"name": "named"}) as host:
            assert host.registry.get("named@1.0.0").plugin == "probe"
