"""PostgreSQL is killed under load, one of its processes or all of them: nothing acknowledged is lost, and callers hear
that the host is unavailable until it is not."""

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import psycopg
import pytest

from strongroom.storage.database import Database
from tests.fakes.postgres import running_postgres, wheel
from tests.faults.figures import record
from tests.faults.scale import much
from tests.faults.small_runs import GREET, SmallRuns
from tests.faults.workspace_storm import quiet_daemon

KILLS = much(4, 20)
CLIENTS = 6
DEMANDED_RECOVERY_S = 5
AGAIN_S = 30


def kill_backend(server, name, chance):
    """End one process of the host's sessions. The server then ends all others and recovers by itself."""
    with server.connect() as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (name,)).fetchall()
    os.kill(chance.choice(found)[0], signal.SIGKILL)


def kill_all(server, _name, _chance):
    """End the server as a power cut ends it, and start it as soon as what it left is gone."""
    server.stop(signal.SIGKILL)
    end_s = time.monotonic() + AGAIN_S
    while True:
        try:
            return server.start()
        except RuntimeError:
            # Its other processes notice a little later that it is gone.
            if time.monotonic() > end_s:
                raise
            time.sleep(0.05)


def wait_for(server):
    end_s = time.monotonic() + AGAIN_S
    while True:
        try:
            return server.execute("SELECT 1")
        except psycopg.OperationalError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.02)


def load(runs, number, stop):
    """Start runs, and wait for every third."""
    with runs.daemon.channel() as api:
        count = number
        while not stop.is_set():
            count += 1
            done = runs.execute(api) if count % 3 == 0 else runs.start(api, timeout_s=10)
            stop.wait(0.01 if done else 0.05)


@pytest.mark.timeout(0)
def test_a_database_server_that_is_killed_loses_nothing_and_its_host_goes_on_by_itself():
    chance = random.Random(7)  # noqa: S311 - it chooses whom to kill, no secrets
    with tempfile.TemporaryDirectory(prefix="sr-") as directory, running_postgres(wheel()) as server:
        name = server.create_database_named()
        Database.open(server.url(name)).close()
        daemon = quiet_daemon(Path(directory), variables={"STRONGROOM_DATABASE_URL": server.url(name)}).start()
        runs, stop = SmallRuns(daemon), threading.Event()
        with daemon.channel() as api:
            api.register(GREET, "greet")
        clients = [threading.Thread(target=load, args=(runs, number, stop)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            with daemon.channel() as api:
                for number in range(KILLS):
                    known = len(runs.acknowledged)
                    while len(runs.acknowledged) < known + 2 * CLIENTS:
                        stop.wait(0.02)
                    (kill_all if number % 2 else kill_backend)(server, name, chance)
                    wait_for(server)
                    runs.wait_until_it_works(api)
        finally:
            stop.set()
            for client in clients:
                client.join()
        found = runs.judge()
        assert daemon.stop() == 0
    codes = Counter(refusal.code() for refusal in runs.refusals)
    heard = ", ".join(f"{count} {code.name}" for code, count in codes.items())
    only_unavailable = set(codes) <= {grpc.StatusCode.UNAVAILABLE}
    record(
        "D7",
        f"PostgreSQL: {KILLS} kill -9 of one process or all, {CLIENTS} clients",
        demanded="0 lost, works within 5 s, callers hear UNAVAILABLE",
        measured=f"{runs.kept(found)}, {runs.slowest_s:.1f} s, heard {heard or 'nothing'}",
        met=not found and only_unavailable and runs.slowest_s <= DEMANDED_RECOVERY_S,
    )
    assert found == {}
    assert only_unavailable, [f"{error.code()} {error.details()}" for error in runs.refusals][:5]
    assert runs.refusals, "nobody noticed that it was gone"
