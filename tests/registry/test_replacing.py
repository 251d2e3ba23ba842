"""A plugin of a running host is replaced: who calls it meanwhile, and what becomes of everything else."""

import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from google.protobuf import wrappers_pb2

from strongroom.errors import CapabilityError, Misconfigured, NotFound, PluginAway, Unavailable
from strongroom.plugin import Call, Capability, hookimpl
from strongroom.plugin.hang_up import HangUp
from strongroom.registry.plan import Change, planned
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import WAIT_S, MemoryHost, answer, request
from tests.fakes.scripted_guest import until
from tests.registry.conformance import text

PROBE = Path(__file__).resolve().parent.parent / "fakes" / "probe_plugin.py"
DRAIN_S = 30.0
IDS = "says@1.0.0"


class Held:
    """What calls of the plugin below wait for."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()


HELD: dict[str, Held] = {}


@dataclass(slots=True, kw_only=True, eq=False)
class Says:
    """Answers with its config, at once or when the test lets it."""

    word: str = ""
    refuse: str = ""
    capability_ids: tuple[str, ...] = (IDS,)
    held: str = ""
    _stopped: bool = field(default=False, init=False)

    @hookimpl
    def start(self, host: object) -> None:
        if self.refuse:
            raise RuntimeError(self.refuse)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        return [Capability(id=each, methods={"say": self.say, "hold": self.hold}) for each in self.capability_ids]

    def say(self, call: Call) -> wrappers_pb2.StringValue:
        return text(self.word)

    def hold(self, call: Call) -> wrappers_pb2.StringValue:
        held = HELD[self.held]
        held.entered.release()
        held.go_on.wait(WAIT_S)
        return text(self.word)


@pytest.fixture
def held(request):
    HELD[request.node.name] = held = Held()
    yield request.node.name, held
    held.go_on.set()
    del HELD[request.node.name]


def says(word, *, name="says", **changes):
    config = {"word": word, "capability_ids": (f"{name}@1.0.0",)} | changes.pop("config", {})
    return PluginEntry(name=name, factory=f"{__name__}:Says", config=config, **changes)


def said(host, method="say", capability_id=IDS, timeout_s=WAIT_S):
    handle = host.registry.get_executable(capability_id)
    return answer(handle.execute(request(method, text("")), timeout_s=timeout_s), wrappers_pb2.StringValue()).value


def take(host, *entries, drain_s=DRAIN_S):
    return host.plugins.take(host.plugins.plan(entries), drain_s=drain_s)


class Asking(threading.Thread):
    """A call on a thread of its own: its answer, or how it failed."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self._work = work
        self.outcome = None
        self.start()

    def run(self):
        try:
            self.outcome = self._work()
        except Exception as error:
            self.outcome = error

    def ended(self):
        self.join(WAIT_S)
        assert not self.is_alive(), "the call did not end"
        return self.outcome


def test_a_call_under_way_ends_on_the_old_one_and_a_later_one_waits_for_the_new_one(tmp_path, held):
    name, gate = held
    with MemoryHost(tmp_path, says("old", config={"held": name}), says("other", name="b")) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        taking = Asking(lambda: take(host, says("new"), says("other", name="b")))
        until(lambda: not host.registry.get(IDS).available)
        later = Asking(lambda: said(host))
        assert first.is_alive(), "a call that is under way is not cut off"
        assert later.is_alive(), "a later call waits, and does not fail"
        gate.go_on.set()
        assert first.ended() == "old"
        assert later.ended() == "new"
        (done,) = taking.ended()
        assert (done.name, done.change, done.state.state, done.calls_cut) == ("says", Change.CHANGED, "ready", 0)


def test_what_takes_longer_than_its_time_does_not_keep_the_new_one_from_coming(tmp_path, held):
    name, gate = held
    with MemoryHost(tmp_path, says("old", config={"held": name})) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        (done,) = take(host, says("new"), drain_s=0.01)
        assert done.calls_cut == 1
        assert said(host) == "new"
        gate.go_on.set()
        # In this process it cannot be taken away from its thread, so it may answer after all.
        assert first.ended() == "old"


def test_nothing_happens_to_what_stays_the_same_wherever_it_stands_in_the_file(tmp_path):
    entries = [says("a", name="a"), says("b", name="b", where="x:plugins[1]")]
    with MemoryHost(tmp_path, *entries) as host:
        seen = len(host.history)
        moved = [replace(entries[1], where="x:plugins[0]"), entries[0]]
        assert take(host, *moved) == []
        assert len(host.history) == seen, "no plugin was told anything"
        assert [state.name for state in host.plugins.states()] == ["b", "a"]


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_what_is_gone_is_missed_at_once_also_by_calls_that_wait_for_their_turn(tmp_path, held, how):
    name, gate = held
    with MemoryHost(tmp_path, says("old", config={"held": name}), says("b", name="b")) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        wanted = [says("old", enabled=False)] if how == "disabled" else []
        taking = Asking(lambda: take(host, *wanted, says("b", name="b")))
        until(lambda: not host.registry.get(IDS).available)
        with pytest.raises(PluginAway):
            said(host)
        gate.go_on.set()
        assert first.ended() == "old"
        assert [each.change for each in taking.ended()] == [how]
        assert [state.name for state in host.plugins.states()] == (["says", "b"] if how == "disabled" else ["b"])


def test_what_is_added_is_started_and_what_is_enabled_too(tmp_path):
    with MemoryHost(tmp_path, says("x", enabled=False)) as host:
        done = take(host, says("x"), says("y", name="b"))
        assert [(each.name, each.change, each.state.state) for each in done] == [
            ("says", "enabled", "ready"),
            ("b", "added", "ready"),
        ]
        assert (said(host), said(host, capability_id="b@1.0.0")) == ("x", "y")


REFUSED = {
    "in-process": ({"refuse": "no disk"}, "RuntimeError: no disk"),
    "wrong type": ({"word": 7}, "plugin says, config.word: it must be str, it is int"),
    "half offered": ({"capability_ids": (IDS, "new@1.0.0", "twice@1.0.0", "bad id")}, "bad id"),
}


@pytest.mark.parametrize("required", [False, True], ids=["optional", "required"])
@pytest.mark.parametrize("why", REFUSED)
def test_one_that_does_not_come_up_serves_on_as_it_was_and_no_call_fails(tmp_path, held, why, required):
    name, gate = held
    config, reason = REFUSED[why]
    old, others = says("old", config={"held": name}, required=required), says("b", name="b")
    with MemoryHost(tmp_path, old, others) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        taking = Asking(lambda: take(host, says("new", config=config, required=required), others))
        until(lambda: not host.registry.get(IDS).available)
        waiting = Asking(lambda: said(host))
        gate.go_on.set()
        assert first.ended() == "old"
        (done,) = taking.ended()
        assert (done.state.state, done.state.required, done.state.last_error) == ("ready", required, "")
        assert re.search(reason, done.refused)
        # A new one that is refused after it has offered something may have answered it.
        assert waiting.ended() in ({"old", "new"} if why == "half offered" else {"old"}), "whoever waited is answered"
        assert said(host) == "old"
        assert {each.id for each in host.registry.list() if each.available} == {IDS, "b@1.0.0"}
        assert host.plugins.plan([says("new", config=config, required=required), others]).steps, "it is tried again"
        (again,) = take(host, says("better"), others)
        assert (again.state.state, again.refused, said(host)) == ("ready", "", "better")


def test_what_the_new_one_does_not_offer_any_more_is_gone_and_may_be_another_ones(tmp_path):
    two = {"capability_ids": (IDS, "more@1.0.0")}
    with MemoryHost(tmp_path, says("old", config=two)) as host:
        take(host, says("new"))
        with pytest.raises(CapabilityError):
            said(host, capability_id="more@1.0.0")
        take(host, says("new"), says("heir", name="b", config={"capability_ids": ("more@1.0.0",)}))
        assert said(host, capability_id="more@1.0.0") == "heir"


def test_a_plugin_is_replaced_whatever_changed_when_that_is_asked_for(tmp_path):
    with MemoryHost(tmp_path, says("same"), says("b", name="b")) as host:
        seen = [state.name for state in host.history].count("b")
        done = host.plugins.reload("says", says("same"), drain_s=DRAIN_S)
        assert (done.change, done.state.state) == ("reloaded", "ready")
        assert [state.name for state in host.plugins.states()] == ["says", "b"]
        assert [state.name for state in host.history].count("b") == seen
        with pytest.raises(NotFound, match="there is no plugin nobody"):
            host.plugins.reload("nobody", says("x", name="nobody"), drain_s=DRAIN_S)


def test_a_config_that_cannot_be_read_is_refused_before_anything_is_done(tmp_path):
    with MemoryHost(tmp_path, says("old"), variables={"state_dir": "/state"}) as host:
        with pytest.raises(Misconfigured, match="config.word: .*nowhere. is not known"):
            host.plugins.plan([says("${nowhere}", where="plugins.yaml:plugins[0]")])
        assert said(host) == "old"


def test_variables_are_replaced_before_configs_are_compared(tmp_path):
    with MemoryHost(tmp_path, says("${state_dir}"), variables={"state_dir": "/state"}) as host:
        assert host.plugins.plan([says("/state")]).steps == ()


def test_a_key_provider_that_differs_is_named_and_left_alone():
    provider = PluginEntry(name="keys", factory="a:B", config={}, provides=("key-provider:x",), required=True)
    plan = planned([provider], [replace(provider, config={"slot": 2})])
    assert (plan.steps, plan.key_providers) == ((), ("keys",))


def test_what_goes_goes_first_so_that_another_one_may_come_with_what_it_offered(tmp_path):
    same = {"capability_ids": (IDS,)}
    with MemoryHost(tmp_path, says("old", name="z", config=same)) as host:
        done = take(host, says("new", name="a", config=same))
        assert [each.change for each in done] == ["removed", "added"]
        assert (done[1].state.state, said(host)) == ("ready", "new")


def test_a_host_that_ends_takes_no_more_and_lets_nobody_wait(tmp_path, held):
    name, gate = held
    with MemoryHost(tmp_path, says("old", config={"held": name})) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        taking = Asking(lambda: take(host, says("new")))
        until(lambda: not host.registry.get(IDS).available)
        waiting = Asking(lambda: said(host))
        host.plugins.stop()
        gate.go_on.set()
        first.ended()
        assert isinstance(taking.ended(), Unavailable)
        assert isinstance(waiting.ended(), PluginAway)


def test_a_call_that_waits_for_a_successor_ends_when_its_caller_hangs_up(tmp_path, held):
    name, gate = held
    hang_up = HangUp()

    def asked(host):
        with hang_up.during():
            return said(host)

    with MemoryHost(tmp_path, says("old", config={"held": name})) as host:
        first = Asking(lambda: said(host, "hold"))
        assert gate.entered.acquire(timeout=WAIT_S)
        taking = Asking(lambda: take(host, says("new")))
        until(lambda: not host.registry.get(IDS).available)
        waiting = Asking(lambda: asked(host))
        hang_up.set()
        assert "nobody waits for the answer any more" in str(waiting.ended())
        gate.go_on.set()
        first.ended()
        taking.ended()
