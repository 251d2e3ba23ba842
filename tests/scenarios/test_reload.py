"""A service takes in what was changed, by call and by SIGHUP; what does not hold changes nothing."""

import hashlib
import json
import shutil
import tarfile
import threading

import grpc
import pytest

from strongroom.pb.strongroom.v1 import capability_pb2, host_pb2, status_pb2, workflow_pb2
from strongroom.pb.strongroom.v1.host_pb2_grpc import HostServiceStub
from tests.fakes.memory_host import WAIT_S
from tests.fakes.numbered_plugin import called, entry, id_of
from tests.fakes.probe_client import ProbeClient
from tests.fakes.reloaded_host import ReloadedHost
from tests.fakes.scripted_guest import until
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

ONE, TWO = entry(1), entry(2)
CALLS = guest("sequential-calls")
DRAIN = "limits.drain_timeout_ms"


@pytest.fixture(scope="module")
def running():
    state = short_directory()
    host = ReloadedHost(state, [ONE, TWO], owner="ab" * 20)
    host.start()
    yield host
    if host.process.poll() is None:
        assert host.stop() == 0
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def host(running):
    """The same, with the configuration that it was started with, taken in."""
    running.callers()
    running.settings(owner="ab" * 20)
    running.plugins(ONE, TWO)
    running.reload()
    return running


def outcome(done):
    return [(each.name, each.change, each.state) for each in done.plugins]


def test_nothing_happens_where_nothing_was_changed(host):
    done = host.reload()
    assert (outcome(done), list(done.applied), list(done.needs_restart), done.callers_changed) == ([], [], [], False)


def test_plugins_come_change_and_go(host):
    host.plugins(entry(1, note="other"), entry(3), {**TWO, "enabled": False})
    assert outcome(host.reload()) == [
        ("number-2", "disabled", "disabled"),
        ("number-1", "changed", "ready"),
        ("number-3", "added", "ready"),
    ]
    with host.channel() as api:
        api.register(called(CALLS.read_bytes(), 3), "three", config=b"1")
        assert not api.execute("three").error
    host.plugins(ONE)
    gone = outcome(host.reload())
    assert sorted(gone[:2]) == [("number-2", "removed", ""), ("number-3", "removed", "")]
    assert gone[2:] == [("number-1", "changed", "ready")]


def test_a_value_that_a_plugin_refuses_is_named_the_old_one_serves_on_and_no_call_fails(host):
    served = entry(4, kind="process")
    host.plugins(ONE, TWO, served)
    host.reload()
    with host.channel() as api, Calling(api, "four", called(CALLS.read_bytes(), 4)) as calling:
        host.plugins(ONE, TWO, {**entry(4, kind="process", delay_ms=-1), "required": True})
        ended = host("reload", "--json")
        assert ended.code == 1
        (plugin,) = ended.json["plugins"]
        assert (plugin["name"], plugin["state"], plugin["last_error"]) == ("number-4", "ready", "")
        assert "plugin number-4, config: delay_ms must not be negative" in plugin["refused"]
        calling.once_more()
    assert calling.failed == []
    status = host.status()
    assert (status.state, status.health, list(status.plugin_problems)) == ("ready", "degraded", [])
    assert status.reload_problem.startswith("plugin number-4 serves on with its old entry: ")
    assert "plugin number-4, config: delay_ms must not be negative" in status.reload_problem
    code, ready = ProbeClient(host.socket.with_name("observe.sock")).ready()
    told = {each["name"]: (each["why"], each["fix"]) for each in ready["checks"] if each["result"] == "failed"}
    assert (code, ready["state"], told) == (
        207,
        status.health,
        {r.check: (r.why, r.fix) for r in status.health_reasons},
    )
    assert list(told) == ["reload"]
    assert "number-4 not changed" in host("audit", "tail", "--json").out, "the record says what is so"
    again = host("plugin", "reload", "number-4")
    assert (again.code, "NOT RELOADED" in again.out) == (1, True), "it is not forgotten by being asked for again"
    assert host.status().reload_problem == status.reload_problem
    host.plugins(ONE, TWO, served)
    assert host("plugin", "reload", "number-4").code == 0
    assert (host.status().health, host.status().reload_problem) == ("ok", ""), "nothing is left of what was refused"
    assert outcome(host.reload()) == []


class Calling(threading.Thread):
    """Calls a plugin through runs, one after the other, beside what the test does."""

    def __init__(self, api, name, binary):
        super().__init__(daemon=True)
        self.failed, self._done, self._ended = [], threading.Semaphore(0), threading.Event()
        self._api, self._name = api, name
        api.register(binary, name, config=b"1")

    def __enter__(self):
        self.start()
        self.once_more()
        return self

    def __exit__(self, *_raised):
        self._ended.set()
        self.join(WAIT_S)

    def once_more(self):
        """Return when a call has ended that began after now."""
        for _ in range(2):
            assert self._done.acquire(timeout=WAIT_S)

    def run(self):
        while not self._ended.is_set():
            try:
                error = self._api.execute(self._name).error
            except grpc.RpcError as raised:
                error = str(raised)
            if error:
                self.failed.append(error)
            self._done.release()


def test_the_doctor_looks_at_the_settings_of_the_running_host_and_says_so(host, tmp_path):
    bundle = tmp_path / "bundle.tar.gz"
    looked = host("doctor", "--json", "--bundle", str(bundle))
    found = {each["check"]: each["found"] for each in looked.json["findings"]}
    assert found["settings"] == f"those of the running host, pid {host.status().pid}"
    # Only the flags of the host name it; this shell's own settings do not.
    assert str(host.state / "state") in found["state"]
    with tarfile.open(bundle) as archive:
        settings = json.load(archive.extractfile("strongroom-doctor/settings.json"))
    assert settings["state_dir"] == {"value": str(host.state / "state"), "layer": "running host", "where": ""}
    asked_for = {each["check"]: each["found"] for each in host("doctor", "--mode", "serve", "--json").json["findings"]}
    assert asked_for["settings"] == "those that a host started here would have"
    assert not host.status().settings, "who does not ask gets none"


def test_settings_that_can_be_changed_are_and_the_others_are_named(host):
    host.settings(
        owner="cd" * 20,
        log={"format": "json"},
        limits={"workflows_max": 1, "runners_max": 3, "drain_timeout_ms": 9000, "steps_max": 777},
    )
    done = host.reload()
    assert set(done.applied) == {"log.format", *(f"limits.{each}_max" for each in ("workflows", "steps")), DRAIN}
    assert set(done.needs_restart) == {"owner", "limits.runners_max"}
    assert set(host.status().needs_restart) == {"owner", "limits.runners_max"}
    assert host.status().owner == "ab" * 20
    with host.channel() as api:
        limits = api.workflows.GetLimits(workflow_pb2.GetLimitsRequest(), timeout=10).limits
        assert {each.name: each.value for each in limits}["limits.steps_max"] == 777
        with pytest.raises(grpc.RpcError, match="workflows are registered"):
            register_two(api)
    until(lambda: any(line.startswith("{") and '"message":"reloaded"' in line for line in host.log))
    again = host.reload()
    assert (list(again.applied), set(again.needs_restart)) == ([], {"owner", "limits.runners_max"})


def register_two(api):
    for config in (b"1", b"2"):
        api.register(CALLS, f"workflow-{config.decode()}", config=config)


def test_a_token_is_taken_and_refused_from_the_next_call_on(host):
    token = "t" * 43
    entry_of_token = {
        "name": "ci",
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        "grants": [{"roles": ["admin"], "owners": "*"}],
    }

    def asked():
        with host.channel() as api:
            stub = HostServiceStub(api.channel)
            metadata = (("authorization", f"Bearer {token}"),)
            return stub.Reload(host_pb2.HostServiceReloadRequest(), timeout=30, metadata=metadata)

    with pytest.raises(grpc.RpcError, match="not known here"):
        asked()
    host.callers(entry_of_token)
    assert host.reload().callers_changed
    assert not asked().callers_changed, "it may reload now"
    host.callers()
    assert asked().callers_changed, "who took himself away was still heard"
    with pytest.raises(grpc.RpcError, match="not known here"):
        asked()


def test_sighup_does_the_same_and_is_on_record(host):
    host.plugins(entry(1, note="by signal"), TWO)
    before = host.status().reload_time.ToMilliseconds()
    host.hang_up()
    until(lambda: host.status().reload_time.ToMilliseconds() > before)
    assert any("a plugin was reloaded" in line and "caller=signal" in line for line in host.log)
    # It is on record once it has ended, which is after its time is told.
    until(lambda: '"caller": "signal"' in host("audit", "tail", "--json").out)


def test_several_signals_are_as_good_as_one_and_the_last_one_is_not_lost(host):
    for number in range(20):
        host.plugins(entry(1, note=f"signal {number}"), TWO)
        host.hang_up()
    host.plugins(ONE, {**TWO, "enabled": False})
    host.hang_up()
    with host.channel() as api:
        until(lambda: api.plugin("number-2").state == "disabled")
    assert host.status().reload_problem == ""
    until(lambda: "a reload is under way" not in host("reload").err)


def test_while_one_reload_goes_on_another_is_refused_with_the_name_of_who_began_it(host):
    with host.channel() as api:
        api.register(called(CALLS.read_bytes(), 1), "slow", config=b"1")
        host.plugins(entry(1, delay_ms=1500), TWO)
        host.reload()
        run = threading.Thread(target=lambda: api.execute("slow"))
        run.start()
        until(lambda: open_calls(api))
        host.plugins(ONE, TWO)
        going_on = threading.Thread(target=host.reload)
        going_on.start()
        until(lambda: not available(api, id_of(1)))
        with pytest.raises(grpc.RpcError, match="a reload is under way") as refused:
            host.reload_plugin("number-2")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        going_on.join(30)
        run.join(30)
    assert outcome(host.reload()) == []


def available(api, capability_id):
    listed = api.capabilities.List(capability_pb2.CapabilityServiceListRequest(), timeout=10).capabilities
    return next(each.available for each in listed if each.id == capability_id)


def open_calls(api):
    return api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=10).runs["running"]


def test_a_plugin_that_is_not_there_is_not_reloaded(host):
    for name, code in (("nobody", "SR-LOAD-003"), ("", "SR-LOAD-002"), ("x" * 65, "SR-LOAD-002")):
        ended = host("plugin", "reload", name or "", "--json")
        assert ended.code == 65
        assert code in ended.err
    host.plugins(ONE, TWO, entry(4))
    with pytest.raises(grpc.RpcError, match="there is no plugin number-4"):
        host.reload_plugin("number-4")


def test_who_has_no_administrators_rights_reloads_nothing(host):
    with host.channel() as api, pytest.raises(grpc.RpcError) as refused:
        HostServiceStub(api.channel).Reload(host_pb2.HostServiceReloadRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_signal_is_harmless_while_a_host_starts_and_while_it_stops():
    state = short_directory()
    host = ReloadedHost(state, [entry(1, delay_ms=1000)])
    ready = threading.Thread(target=host.start)
    ready.start()
    until(lambda: (state / "state" / "strongroom.lock").exists())
    for _ in range(3):
        host.hang_up()
    ready.join(30)
    until(lambda: any("reloaded" in line and "caller=signal" in line for line in host.log))
    with host.channel() as api:
        api.register(called(CALLS.read_bytes(), 1), "slow", config=b"1")
        run = threading.Thread(target=lambda: api.execute("slow"))
        run.start()
        until(lambda: open_calls(api))
        host.process.terminate()
        until(lambda: api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=10).state == "draining")
        host.hang_up()
        run.join(30)
    assert host.process.wait(30) == 0
    assert not [line for line in host.log if "second signal" in line]
    shutil.rmtree(state, ignore_errors=True)
