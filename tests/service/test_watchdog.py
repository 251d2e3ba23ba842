"""The watchdog of a service hears nothing while the work of its host is wedged, whatever else still runs."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strongroom.app.notify import Reports
from strongroom.engine.work_loop import WorkLoop
from strongroom.storage.database import Database
from strongroom.telemetry.notify import Notifier
from tests.fakes.service_manager import ServiceManager
from tests.faults import figures

WAIT_S = 20
WATCHDOG_S = 0.03
SILENT_S = 0.4
"""Many times what the watchdog allows: a host that is fed meanwhile fails the test; none fails it by being slow."""


class Workers(ThreadPoolExecutor):
    """One worker that has taken nothing for long."""

    moved_s = float("-inf")


class Runs:
    """The runs of a host, as far as a beat goes through them."""

    def __init__(self):
        self.workers, self.lock = [Workers(1)], threading.RLock()

    def __contains__(self, run_id):
        with self.lock:
            return False


@pytest.fixture
def host(tmp_path):
    """A host that reports, as the manager that hears it, its runs and its database."""
    manager = ServiceManager(str(tmp_path / "notify"))
    database, runs = Database.open(tmp_path / "db"), Runs()
    reports = Reports(Notifier(manager.address, watchdog_s=WATCHDOG_S), state=lambda: "ready")
    reports.ready(lambda: 0, tuple, WorkLoop(runs, database, busy_s=0).go_round)
    yield manager, runs, database
    reports.close()
    runs.workers[0].shutdown()
    database.close()
    manager.close()


@pytest.mark.parametrize("part", ["writer of the database", "worker of runs", "lock of runs"])
def test_a_wedged_host_is_silent_until_it_goes_on(host, part):
    manager, runs, database = host
    held, released = threading.Event(), threading.Event()

    def wedge(_connection=None):
        held.set()
        released.wait(WAIT_S)

    def take_lock():
        with runs.lock:
            wedge()

    manager.until("WATCHDOG=1")
    {
        "writer of the database": lambda: database.write(wedge),
        "worker of runs": lambda: runs.workers[0].submit(wedge),
        "lock of runs": threading.Thread(target=take_lock, daemon=True).start,
    }[part]()
    assert held.wait(WAIT_S)
    # A beat that had come back before may still be told, however late; there is one at most.
    for _ in range(2):
        before = len(manager.lines("WATCHDOG=1"))
        released.wait(SILENT_S)
        fed = len(manager.lines("WATCHDOG=1")) - before
        if fed != 1:
            break
    figures.record("O8", f"watchdog fed while the {part} is wedged", demanded=0, measured=fed, met=not fed)
    assert fed == 0
    released.set()
    manager.until("WATCHDOG=1")
