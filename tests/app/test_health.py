"""How a host is for probes: which state each part that is not well makes, in how much time, and with what words."""

import threading
from types import SimpleNamespace

import pytest

from strongroom.app import health as module
from strongroom.app.condition import Condition
from strongroom.app.health import HostHealth
from strongroom.app.reach import Reached
from strongroom.errors import Unavailable
from strongroom.modules.module import Backend
from strongroom.registry.states import Lifecycle, PluginState


class Host:
    """The parts that a verdict is made of, each of them well until a test says otherwise."""

    def __init__(self):
        self.state, self.now, self.reads = "ready", 0.0, 0
        self.answer, self.plugin_states, self.mounts = None, [plugin("vault")], []
        self.disk = SimpleNamespace(is_low=False)
        self.log_problems = ()
        log = SimpleNamespace(failing="", state=lambda: SimpleNamespace(problems=self.log_problems))
        self.audit = SimpleNamespace(is_ready=True, log=log, audit=SimpleNamespace(unrecorded=0))
        self.database = SimpleNamespace(read=self.read)
        self.plugins = SimpleNamespace(states=lambda: self.plugin_states)
        self.workspaces = SimpleNamespace(mounts=SimpleNamespace(all=lambda: self.mounts))
        self.beat = SimpleNamespace(is_wedged=False)
        self.pool = SimpleNamespace(is_without_runners=lambda: self.is_without_runners)
        self.is_without_runners = False
        self.reloader = SimpleNamespace(problem="")
        self.reach = SimpleNamespace(last=Reached())
        self.keeper = SimpleNamespace(problem="")
        self.condition = Condition(self, self.keeper, self.reloader, self.reach)
        self.health = HostHealth(lambda: self.state, clock=lambda: self.now)

    def read(self, _query):
        self.reads += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            self.answer.wait(30)

    def watched(self):
        self.health.watch(self, self.condition, self.beat)
        return self

    def verdict(self):
        self.now += 10
        found = self.health.verdict()
        return found.state, {each.name: each.why for each in found.checks if not each.is_well}


def plugin(name, state=Lifecycle.READY, **more):
    return PluginState(name=name, kind="process", state=state, **more)


@pytest.fixture
def host():
    return Host().watched()


def test_a_host_without_parts_starts_and_lives():
    host = Host()
    host.state = "starting"
    assert host.verdict() == ("starting", {})
    assert host.health.is_alive()
    host.state = "ready"
    assert host.verdict() == ("starting", {}), "it says so of itself before it can be looked at"


def test_a_host_whose_parts_are_well_is_ready_and_every_check_is_listed(host):
    assert host.verdict() == ("ready", {})
    assert [each.name for each in host.health.verdict().checks] == [
        "work loop",
        "database",
        "lock of the database",
        "audit",
        "disk",
        "runners",
        "plugin vault",
        "reload",
    ]


def test_a_host_whose_lock_another_has_writes_nothing_and_says_so(host):
    host.keeper.problem = "SR-APP-007"
    why = "this host does not hold it, so it writes nothing: SR-APP-007"
    assert host.verdict() == ("unavailable", {"lock of the database": why})
    host.keeper.problem = ""
    assert host.verdict() == ("ready", {})


@pytest.mark.parametrize("state", ["draining", "stopped"])
def test_a_host_that_stops_drains_whatever_else_is(host, state):
    host.state, host.disk.is_low = state, True
    assert host.verdict() == ("draining", {})


def test_what_is_optional_and_away_degrades_a_host_and_its_words_stay_inside(host):
    host.plugin_states += [
        plugin("http", Lifecycle.FAILED, last_error="a secret text"),
        plugin("x", Lifecycle.DISABLED),
    ]
    host.mounts += [SimpleNamespace(name="notes", state="failed", code="SR-MOUNT-001", problem="a secret text")]
    ill = {"plugin http": "it is failed", "workspace notes": "it is not open: SR-MOUNT-001"}
    assert host.verdict() == ("degraded", ill)


NITRO, SOFTWARE = Backend("nitro", False), Backend("insecure-software", True)
OPTIONAL = {
    "a backend that cannot execute": ("confidential backend", {"last": Reached(None, "a secret text", "")}),
    "a backend without hardware": ("confidential backend", {"last": Reached(SOFTWARE, "", "")}),
    "a vault that is away": ("vault", {"last": Reached(NITRO, "", "a secret text")}),
    "runners that do not start": ("runners", {"is_without_runners": True}),
    "a reload that was refused": ("reload", {"problem": "a secret text"}),
    "an audit log that was cut": ("audit", {"log_problems": ("a secret text",)}),
    "records that were lost": ("audit", {"unrecorded": 3}),
}


@pytest.mark.parametrize("what", OPTIONAL)
def test_each_thing_that_status_shows_as_a_problem_degrades_a_host_with_what_to_do(host, what):
    name, changes = OPTIONAL[what]
    for key, value in changes.items():
        (holder,) = [each for each in (host.reach, host.reloader, host, host.audit.audit) if hasattr(each, key)]
        setattr(holder, key, value)
    state, checks = host.verdict()
    assert (state, list(checks)) == ("degraded", [name])
    assert "secret" not in str(host.health.verdict())
    assert all(each.fix for each in host.health.verdict().checks if not each.is_well)


def test_what_confidential_workflows_need_is_listed_where_somebody_offers_it(host):
    host.reach.last = Reached(NITRO, "", "")
    assert host.verdict() == ("ready", {})
    assert {"confidential backend", "vault"} <= {each.name for each in host.health.verdict().checks}


def test_the_worst_of_several_is_the_state_of_a_host(host):
    host.reloader.problem, host.disk.is_low = "no", True
    assert host.verdict()[0] == "read_only"
    host.answer = Unavailable("SR-STORE-002", "the database cannot be reached")
    assert host.verdict()[0] == "unavailable"
    host.disk.is_low = False
    assert host.verdict()[0] == "unavailable"


def test_an_audit_log_that_takes_nothing_degrades_or_makes_a_host_read_only_as_its_policy_says(host):
    host.audit.log.failing = "the disk says a secret"
    state, checks = host.verdict()
    assert (state, list(checks)) == ("degraded", ["audit"])
    assert "secret" not in str(checks)
    host.audit.is_ready = False
    assert host.verdict()[0] == "read_only"


def test_a_full_disk_makes_a_host_read_only(host):
    host.disk.is_low = True
    assert host.verdict() == ("read_only", {"disk": "there is no room left"})


def test_a_database_that_refuses_makes_a_host_unavailable_by_its_code(host):
    host.answer = Unavailable("SR-STORE-002", "the database cannot be reached", why="password=x")
    assert host.verdict() == ("unavailable", {"database": "SR-STORE-002"})


def test_a_database_that_hangs_takes_a_bounded_time_and_one_thread(host, monkeypatch):
    monkeypatch.setattr(module, "DATABASE_S", 0.02)
    host.answer = threading.Event()
    for _ in range(3):
        assert host.verdict()[0] == "unavailable"
    assert host.reads == 1
    host.answer.set()


def test_work_that_does_not_go_round_is_wedged_before_anything_else_is_looked_at(host):
    host.beat.is_wedged = True
    assert host.verdict()[0] == "wedged"
    assert not host.health.is_alive()
    assert host.reads == 0


def test_who_asks_every_moment_is_no_load(host):
    for _ in range(100):
        host.health.verdict()
    assert host.reads == 1
