"""What a host tells its service manager: a line that is true, a watchdog fed by its work, time for its end."""

import threading
from itertools import pairwise

import pytest

from strongroom.app.notify import BEATS, EXTEND_S, Reports
from strongroom.registry.states import Lifecycle, PluginState
from strongroom.telemetry.notify import Notifier
from tests.fakes.service_manager import ServiceManager

WAIT_S = 20


class Host:
    """A host with as many runs and such plugins as a test says."""

    def __init__(self):
        self.state, self.runs = "ready", 0
        self.plugins = [plugin("vault", Lifecycle.READY), plugin("kvstore", Lifecycle.FAILED)]

    def reports(self, manager, watchdog_s=None):
        notifier = Notifier(manager.address if manager else "", watchdog_s=watchdog_s)
        return Reports(notifier, state=lambda: self.state, look_s=0.01)

    def ready(self, reports, go_round=None):
        reports.ready(lambda: self.runs, lambda: self.plugins, go_round)


def plugin(name, state):
    return PluginState(name=name, kind="process", state=state)


@pytest.fixture
def manager(tmp_path):
    manager = ServiceManager(str(tmp_path / "notify"))
    yield manager
    manager.close()


def test_the_line_follows_what_the_host_does_and_is_said_only_when_it_differs(manager):
    host = Host()
    reports = host.reports(manager)
    host.ready(reports)
    assert manager.until("READY=1") == ["READY=1", "STATUS=ready: running 0, draining 0, plugins 1/2"]
    host.runs = 3
    assert manager.until("STATUS=") == ["STATUS=ready: running 3, draining 0, plugins 1/2"]
    host.plugins = [plugin("vault", Lifecycle.READY), plugin("other", Lifecycle.DISABLED)]
    assert manager.until("STATUS=") == ["STATUS=ready: running 3, draining 0, plugins 1/1"]
    host.state = "draining"
    reports.stopping()
    assert manager.until("STOPPING=1") == ["STOPPING=1", "STATUS=draining: running 0, draining 3, plugins 1/1"]
    reports.close()
    lines = manager.lines("STATUS=")
    assert all(one != another for one, another in pairwise(lines))


def test_a_host_that_drains_asks_for_time_again_and_again_and_one_that_works_does_not(manager):
    host = Host()
    reports = host.reports(manager)
    host.ready(reports)
    host.runs = 1
    manager.until("STATUS=ready: running 1")
    assert manager.lines("EXTEND") == []
    reports.stopping()
    for _ in range(3):
        assert manager.until("EXTEND") == [f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000:.0f}"]
    reports.close()


def test_a_start_that_migrates_asks_for_time_until_it_is_ready(manager):
    host = Host()
    reports = host.reports(manager)
    reports.migrating()
    assert manager.until("STATUS=") == ["STATUS=starting: a backup is made, then the database is migrated"]
    for _ in range(3):
        assert manager.until("EXTEND") == [f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000:.0f}"]
    host.ready(reports)
    for asking in (each for each in threading.enumerate() if each.name == "start-time"):
        asking.join(WAIT_S)
        assert not asking.is_alive()
    reports.close()


def test_a_reload_is_said_with_its_beginning_and_its_end(manager):
    reports = Host().reports(manager)
    Host().ready(reports)
    manager.until("READY=1")
    reports.reloading()
    assert manager.until("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
    reports.reloaded()
    assert manager.until("READY=1")
    reports.close()


def test_the_watchdog_is_fed_after_each_turn_of_the_work_and_never_without_one(manager):
    turns, again, checked = [], threading.Event(), threading.Event()
    outcomes = iter([True, False, RuntimeError("out of order"), True])

    def go_round(given_up):
        turns.append(len(manager.lines("WATCHDOG=1")))
        outcome = next(outcomes, None)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            # This turn never ends: the work is wedged.
            again.set()
            checked.wait(WAIT_S)
            return False
        return outcome

    reports = Host().reports(manager, watchdog_s=0.003 * BEATS)
    Host().ready(reports, go_round)
    assert again.wait(WAIT_S)
    manager.until("WATCHDOG=1")
    manager.until("WATCHDOG=1")
    assert len(manager.lines("WATCHDOG=1")) == 2, "two turns came back, one did not, one failed, and one never ends"
    reports.close()
    checked.set()


def test_a_turn_that_is_slow_and_comes_back_feeds(manager):
    begun, goes_on = threading.Event(), threading.Event()

    def go_round(given_up):
        begun.set()
        return goes_on.wait(WAIT_S)

    reports = Host().reports(manager, watchdog_s=0.01)
    Host().ready(reports, go_round)
    assert begun.wait(WAIT_S)
    assert manager.lines("WATCHDOG=1") == []
    goes_on.set()
    assert manager.until("WATCHDOG=1") == ["WATCHDOG=1"]
    reports.close()


def test_a_manager_without_a_watchdog_is_not_fed_and_without_a_manager_no_thread_is_begun(manager):
    def go_round(given_up):
        raise AssertionError("nobody wants to know")

    before = threading.active_count()
    alone = Host().reports(None)
    Host().ready(alone, go_round)
    assert threading.active_count() == before
    reports = Host().reports(manager)
    Host().ready(reports, go_round)
    assert not [each.name for each in threading.enumerate() if each.name == "watchdog"]
    reports.close()
