"""One of ten plugins is reloaded again and again under load; configurations come that do not hold: nobody notices."""

import itertools
import random
import shutil
import threading
from contextlib import contextmanager

import grpc
import pytest

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.fakes.numbered_plugin import called, entry
from tests.fakes.reloaded_host import ReloadedHost
from tests.fakes.scripted_guest import until
from tests.faults.figures import record
from tests.faults.scale import much
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

PLUGINS = range(10)
RELOADED = 0
RELOADS = much(10, 500)
INVALID = much(10, 100)
KILLS = much(1, 30)
S = 120
CALLS = guest("sequential-calls").read_bytes()


def plugins(*, kind="in-process", **of_reloaded):
    return [entry(number, **({"kind": kind, **of_reloaded} if number == RELOADED else {})) for number in PLUGINS]


@contextmanager
def host_of(*entries, **settings):
    state = short_directory()
    host = ReloadedHost(state, entries, **settings)
    try:
        yield host.start()
    finally:
        if host.process is not None and host.process.poll() is None:
            host.kill()
        shutil.rmtree(state, ignore_errors=True)


def register(host):
    with host.channel() as api:
        for number in PLUGINS:
            api.register(called(CALLS, number), f"calls-{number}", config=b"2")


class Load:
    """A client for each workflow, which runs it again and again."""

    def __init__(self, host):
        self._host = host
        self._over = threading.Event()
        self.done = dict.fromkeys(PLUGINS, 0)
        self.failures = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in PLUGINS]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(S)

    def goes_round(self):
        """Wait until each of them has ended a run that it began after now, or failed."""
        before = dict(self.done)
        until(lambda: self.failures or all(self.done[number] > before[number] + 1 for number in PLUGINS))

    def _run(self, number):
        with self._host.channel() as api:
            while not self._over.is_set():
                try:
                    answer = api.execute(f"calls-{number}", timeout=S)
                except grpc.RpcError as error:
                    self.failures.append((number, f"{error.code()} {error.details()}"))
                    return
                if answer.run.status != run_pb2.RUN_STATUS_COMPLETED:
                    self.failures.append((number, answer.error))
                self.done[number] += 1


@pytest.mark.timeout(0)
def test_one_plugin_of_ten_is_reloaded_under_load_and_no_call_fails():
    with host_of(*plugins()) as host:
        register(host)
        with Load(host) as load:
            for turn in range(RELOADS):
                # Now and then it becomes a process, or one in the host again.
                host.plugins(*plugins(kind="process" if turn % 5 == 3 else "in-process", note=f"turn {turn}"))
                done = host.reload()
                assert [(each.name, each.state, each.calls_cut) for each in done.plugins] == [("number-0", "ready", 0)]
                load.goes_round()
        others = [failure for failure in load.failures if failure[0] != RELOADED]
        record(
            "O2",
            f"one plugin of {len(PLUGINS)} reloaded {RELOADS} times under load",
            demanded="0 failed calls on workflows of the other nine",
            measured=f"{len(others)} of {sum(load.done.values())} runs failed, {len(load.failures)} of all ten",
            met=not others,
        )
        assert load.failures == [], "also of the one that is reloaded: its calls wait"
        assert host.stop() == 0


def spoilt(host, chance):
    """Ways to spoil a configuration that holds otherwise, for ever."""
    manifest = {"version": 1, "plugins": list(host.plugin_entries)}
    first, *others = host.plugin_entries
    settings = {"callers_file": str(host.etc / "callers.yaml"), **host.setting}
    name = f"key_{chance.randrange(1000)}"

    def of_first(**changes):
        return {"version": 1, "plugins": [{**first, **changes}, *others]}

    def callers(text, mode=0o600):
        def write():
            host.private("callers.yaml", text)
            (host.etc / "callers.yaml").chmod(mode)

        return write

    def gone():
        (host.etc / "plugins.yaml").unlink()

    manifests = [
        of_first(**{name: 1}),
        of_first(enabled="perhaps"),
        of_first(command=["python"]),
        of_first(config={"note": "${nowhere}"}),
        of_first(provides=["no id"]),
        of_first(factory="tests.fakes.numbered_plugin:Nobody"),
        of_first(factory="tests.fakes.nothing:Numbered"),
        of_first(config={name: 1}),
        of_first(config={"number": "one"}),
        of_first(at_most_once=[1]),
        {**manifest, "version": 2},
        {**manifest, name: []},
        {"version": 1, "plugins": [*manifest["plugins"], first]},
        {"version": 1, "plugins": {}},
        "version: 1\nplugins: [",
        "version: 1\nplugins: &a []\nmore: *a\n",
        "version: 1\nplugins: !!python/object:os.system {}\n",
        "\0\1\2",
        "#" * 300_000,
    ]
    of_settings = [
        {**settings, name: 1},
        {**settings, "limits": {"steps_max": 0}},
        {**settings, "limits": {"steps_max": "many"}},
        {**settings, "limits": {f"steps_{name}": 1}},
        {**settings, "log": {"level": "loud"}},
        {**settings, "owner": 7},
        {**settings, "callers_file": str(host.etc / "nobody.yaml")},
        "limits: {",
    ]
    ways = [lambda text=text: host.write("plugins.yaml", text) for text in manifests]
    ways += [lambda text=text: host.write("strongroom.yaml", text) for text in of_settings]
    ways += [callers('{"callers": [{"name": "x"}]}'), callers("callers: 1"), callers('{"callers": []}', 0o644), gone]
    chance.shuffle(ways)
    return itertools.cycle(ways)


@pytest.mark.timeout(0)
def test_configurations_that_do_not_hold_change_nothing_and_the_old_one_serves_on():
    chance = random.Random(7)  # noqa: S311 - it chooses faults, no secrets
    with host_of(entry(1), entry(2)) as host, host.channel() as api:
        api.register(called(CALLS, 1), "calls", config=b"1")
        ways = spoilt(host, chance)
        taken = []
        for turn in range(INVALID):
            # Beside what is wrong there is something right, which is not taken either.
            host.plugins(entry(1, refuse="it was taken"), entry(2), entry(3))
            host.settings(limits={"workflows_max": 5, "steps_max": 77})
            host.callers()
            next(ways)()
            with pytest.raises(grpc.RpcError) as refused:
                taken.append(host.reload())
            assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION, (turn, refused.value)
            assert ".yaml" in refused.value.details(), (turn, refused.value)
            status = host.status()
            assert ".yaml" in status.reload_problem
            assert (status.state, status.health, list(status.plugin_problems)) == ("ready", "degraded", [])
            steps = api.workflows.GetLimits(workflow_pb2.GetLimitsRequest(), timeout=S).limits
            assert {each.name: each.value for each in steps}["limits.steps_max"] == 10_000
            assert not api.execute("calls", timeout=S).error
        host.callers()
        host.settings()
        host.plugins(entry(1), entry(2))
        assert list(host.reload().plugins) == []
        assert (host.status().reload_problem, host.status().health) == ("", "ok")
        measured = f"{len(taken)} taken, every run in between completed"
        record("O2", f"{INVALID} invalid configurations", demanded="the old one serves on", measured=measured, met=True)


def reached(api, run_id, status):
    request = run_pb2.RunServiceGetRequest(run_id=run_id)
    until(lambda: api.runs.Get(request, timeout=S).run.status == status)


@pytest.mark.timeout(0)
def test_a_host_that_is_killed_in_a_reload_comes_back_with_the_new_configuration_and_its_runs():
    chance = random.Random(11)  # noqa: S311 - it chooses moments, no secrets
    with host_of(*plugins(delay_ms=200)) as host:
        register(host)
        for turn in range(KILLS):
            kind = "process" if turn % 2 else "in-process"
            with host.channel() as api:
                start = run_pb2.StartRequest(workflow=f"calls-{RELOADED}", json=b"{}")
                run_id = api.runs.Start(start, timeout=S).run.run_id
                reached(api, run_id, run_pb2.RUN_STATUS_RUNNING)
            host.plugins(*plugins(kind=kind, delay_ms=chance.choice([0, 20])))
            host.hang_up()
            threading.Event().wait(chance.uniform(0, 0.4))
            host.kill()
            host.start()
            with host.channel() as api:
                reached(api, run_id, run_pb2.RUN_STATUS_COMPLETED)
            assert list(host.reload().plugins) == [], "what is on the disk is what it goes by"
            host.plugins(*plugins(delay_ms=200))
            host.reload()
        assert host.stop() == 0
