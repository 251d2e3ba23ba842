"""The registry: who may add what, what stays when it goes, and what comes back."""

import threading

import pytest

from strongroom.errors import CapabilityError, Conflict, InvalidInput, NotFound, PluginAway
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.registry import Registry
from strongroom.registry.slot import Offer
from strongroom.registry.states import Lifecycle, PluginState
from tests.fakes.memory_host import WAIT_S, Eventually


class Backend:
    def __init__(self, word: str) -> None:
        self.word = word
        self.sinks: dict[str, object] = {}
        self.refuse = 0
        self.tried = threading.Semaphore(0)

    def execute(self, request, *, timeout_s):
        return capabilities_pb2.CapabilityResponse(error="", value=None, payload=None)

    def register(self, request, sink, *, timeout_s):
        self.tried.release()
        if self.refuse:
            self.refuse -= 1
            raise CapabilityError("Public", "System", "Unavailable", "not yet")
        self.sinks[request.triggerId] = sink

    def unregister(self, request):
        self.sinks.pop(request.triggerId, None)

    def ack(self, trigger_id, event_id, method):
        pass


def offer(capability_id="a@1.0.0", *, plugin="p", executable=True, trigger=None, kind="combined") -> Offer:
    return Offer(
        id=capability_id,
        kind=kind,
        description="",
        plugin=plugin,
        executable=Backend("x") if executable else None,
        trigger=trigger,
    )


def request(trigger_id="w-0"):
    return capabilities_pb2.TriggerRegistrationRequest(triggerId=trigger_id)


def test_what_was_added_is_found_and_listed():
    registry = Registry()
    registry.add(offer("b@1.0.0"))
    registry.add(offer("a@1.2.0"))
    assert registry.get("a@1.0.0").id == "a@1.2.0"
    assert [e.id for e in registry.list()] == ["a@1.2.0", "b@1.0.0"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "null"),
        (offer("a"), "invalid id"),
        (offer(kind="gadget"), "unknown capability type: gadget"),
        (offer(executable=False), "unknown capability type"),
    ],
    ids=["null", "bad id", "bad kind", "offers nothing"],
)
def test_what_is_no_capability_is_refused(bad, reason):
    with pytest.raises(InvalidInput, match=reason):
        Registry().add(bad)


def test_a_taken_id_stays_with_its_plugin_while_that_is_there():
    registry = Registry()
    registry.add(offer())
    for plugin in ("p", "q"):
        text = "capability already exists: id a@1.0.0 found in registry: state READY"
        with pytest.raises(Conflict, match=text):
            registry.add(offer(plugin=plugin))


def test_a_plugin_that_is_away_keeps_its_id_from_others():
    registry = Registry()
    registry.add(offer())
    registry.suspend("a@1.0.0")
    with pytest.raises(Conflict, match="state TRANSIENT_FAILURE"):
        registry.add(offer(plugin="q"))
    assert registry.add(offer()).available


def test_a_removed_id_is_free_and_its_handles_follow():
    registry = Registry()
    registry.add(offer())
    handle = registry.get_executable("a@1.0.0")
    registry.remove("a@1.0.0")
    with pytest.raises(CapabilityError, match="capability unavailable"):
        handle.execute(capabilities_pb2.CapabilityRequest(), timeout_s=1)
    assert not registry.get("a@1.0.0").available
    registry.add(offer(plugin="q"))
    handle.execute(capabilities_pb2.CapabilityRequest(), timeout_s=1)
    assert handle.entry.plugin == "q"


def test_a_removed_id_answers_no_request_for_another_version():
    registry = Registry()
    registry.add(offer("a@1.1.0"))
    registry.remove("a@1.1.0")
    with pytest.raises(NotFound, match="no compatible capability found for id a@1.0.0"):
        registry.get("a@1.0.0")


def test_what_is_not_there_cannot_be_removed():
    with pytest.raises(NotFound, match="unable to remove, capability not found: a@1.0.0"):
        Registry().remove("a@1.0.0")


def test_the_wrong_kind_is_told_apart():
    registry = Registry()
    registry.add(offer("t@1.0.0", executable=False, trigger=Backend("t")))
    registry.add(offer("x@1.0.0"))
    text = "capability with id: {} does not satisfy the capability interface"
    with pytest.raises(InvalidInput, match=text.format("t@1.0.0")):
        registry.get_executable("t@1.0.0")
    with pytest.raises(InvalidInput, match=text.format("x@1.0.0")):
        registry.get_trigger("x@1.0.0")


def test_registrations_survive_and_are_made_again():
    registry, first, second, told = Registry(), Backend("1"), Backend("2"), Eventually()
    registry.add(offer(trigger=first))
    trigger = registry.get_trigger("a@1.0.0")
    trigger.register(request(), told, timeout_s=1)
    registry.suspend("a@1.0.0")
    assert told.notes == ["degraded: capability unavailable"]
    registry.add(offer(trigger=second))
    told.wait(lambda t: "restored" in t.notes)
    second.sinks["w-0"].event(capabilities_pb2.TriggerEvent(id="e1"))
    assert [e.id for e in told.events] == ["e1"]


def test_a_registration_that_fails_to_come_back_is_told_and_tried_again():
    registry, second, told = Registry(), Backend("2"), Eventually()
    second.refuse = 1
    registry.add(offer(trigger=Backend("1")))
    registry.get_trigger("a@1.0.0").register(request(), told, timeout_s=1)
    registry.suspend("a@1.0.0")
    registry.add(offer(trigger=second))
    told.wait(lambda t: t.notes[-1] == "restored")
    assert any("not yet" in note for note in told.notes)


def test_a_registration_that_was_given_up_meanwhile_is_not_made_again():
    registry, second, told, kept = Registry(), Backend("2"), Eventually(), Eventually()
    registry.add(offer(trigger=Backend("1")))
    trigger = registry.get_trigger("a@1.0.0")
    trigger.register(request("w-0"), told, timeout_s=1)
    trigger.register(request("w-1"), kept, timeout_s=1)
    registry.suspend("a@1.0.0")
    trigger.unregister(request("w-0"))
    registry.add(offer(trigger=second))
    kept.wait(lambda t: "restored" in t.notes)
    assert list(second.sinks) == ["w-1"]


def test_a_registration_while_the_plugin_is_away_is_unavailable():
    registry = Registry()
    registry.add(offer(trigger=Backend("1")))
    trigger = registry.get_trigger("a@1.0.0")
    registry.suspend("a@1.0.0")
    with pytest.raises(CapabilityError, match="capability unavailable"):
        trigger.register(request(), Eventually(), timeout_s=1)


@pytest.mark.parametrize("end", ["suspended", "removed"])
def test_a_call_of_a_plugin_that_is_away_names_it_its_state_and_its_last_error(end):
    registry = Registry()
    state = PluginState(name="p", kind="process", state=Lifecycle.FAILED, last_error="keys/p.key may not be read")
    registry.ask_states_of({"p": state}.get, lambda _capability_id: None)
    registry.add(offer(trigger=Backend("1")))
    executable, trigger = registry.get_executable("a@1.0.0"), registry.get_trigger("a@1.0.0")
    (registry.suspend if end == "suspended" else registry.remove)("a@1.0.0")
    for call in (
        lambda: executable.execute(capabilities_pb2.CapabilityRequest(), timeout_s=1),
        lambda: trigger.register(request(), Eventually(), timeout_s=1),
    ):
        with pytest.raises(PluginAway) as caught:
            call()
        assert (caught.value.code, caught.value.name) == ("SR-CAP-008", "Unavailable")
        assert caught.value.message.startswith("capability unavailable: plugin p is failed; `strongroom plugin list`")
        assert caught.value.why == "keys/p.key may not be read"
        assert "keys/p.key" not in str(caught.value), "this text reaches guests"
        assert caught.value.fix


def test_many_threads_add_and_suspend_and_one_wins_each_time():
    registry, won = Registry(), []
    registry.add(offer())
    registry.suspend("a@1.0.0")

    def race() -> None:
        try:
            registry.add(offer())
            won.append(1)
        except Conflict:
            pass

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(won) == 1


def test_a_call_waits_for_a_plugin_that_is_being_started_again():
    registry = Registry(restart_wait_s=30)
    registry.add(offer())
    handle = registry.get_executable("a@1.0.0")
    registry.suspend("a@1.0.0")
    answers = []
    request = capabilities_pb2.CapabilityRequest()
    calling = threading.Thread(target=lambda: answers.append(handle.execute(request, timeout_s=30)))
    calling.start()
    registry.add(offer())
    calling.join(30)
    assert len(answers) == 1


@pytest.mark.parametrize("end", ["removed", "out of time"])
def test_a_call_does_not_wait_for_a_plugin_that_does_not_come_back(end):
    registry = Registry(restart_wait_s=30 if end == "removed" else 0.01)
    registry.add(offer())
    handle = registry.get_executable("a@1.0.0")
    registry.suspend("a@1.0.0")
    timer = threading.Timer(0.05, registry.remove, ("a@1.0.0",))
    timer.start()
    with pytest.raises(CapabilityError, match="capability unavailable"):
        handle.execute(capabilities_pb2.CapabilityRequest(), timeout_s=30)
    timer.join()
