"""The thread that starts runners ends at once, also while a runner starts that takes its time."""

import contextlib
import os
import sys
import threading

import pytest

from strongroom.errors import Unavailable
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.guest.spawner import Spawner

WAIT_S = 30


@pytest.fixture
def slow_start(tmp_path, monkeypatch):
    """Runners that never become ready. What comes out of the pipe says that one has been started."""
    fifo, program = tmp_path / "begun", tmp_path / "runner"
    os.mkfifo(fifo)
    program.write_text(f"#!/bin/sh\necho $$ > {fifo}\nexec sleep 600\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    return fifo


def gone(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def test_closing_waits_for_no_runner_that_has_begun_to_start(slow_start):
    spawner = Spawner()
    first, second = spawner.spawn(), spawner.spawn()
    pid = int(slow_start.read_text())
    spawner.close()
    assert isinstance(first.exception(WAIT_S), Unavailable)
    assert gone(pid), "nothing of it is left, not even a process that nobody waits for"
    with pytest.raises(Unavailable, match="the runner pool is closed"):
        second.result(WAIT_S)
    assert not spawner._thread.is_alive()


def test_whoever_orders_a_runner_while_the_spawner_is_closed_gets_an_answer():
    for _ in range(20):
        spawner, futures = Spawner(), []
        begun = threading.Barrier(2)

        def order(spawner=spawner, futures=futures, begun=begun):
            begun.wait(WAIT_S)
            futures += [spawner.spawn() for _ in range(3)]

        spawner.refuse()
        ordering = threading.Thread(target=order)
        ordering.start()
        begun.wait(WAIT_S)
        spawner.close()
        ordering.join(WAIT_S)
        for future in futures:
            assert isinstance(future.exception(WAIT_S), Unavailable)


class NoCache:
    code_directory = None

    def close(self):
        """Nothing is open."""


def test_a_pool_ends_while_its_first_runner_starts_and_that_is_no_fault(slow_start, caplog):
    pool = RunnerPool(runners_max=1, cache=NoCache(), limits=GuestLimits())
    pool.start()
    pid = int(slow_start.read_text())
    pool.close()
    assert gone(pid)
    assert "a runner did not start" not in caplog.text
