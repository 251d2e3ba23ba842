"""A database has one host at a time, on both backends."""

import os
import subprocess
import sys

import pytest

from strongroom.errors import StorageFault, Unavailable
from strongroom.storage.host_lock import lock_database
from tests.fakes.postgres import running_postgres, wheel

HOLD = "import sys; from strongroom.storage.host_lock import lock_database; held = lock_database(sys.argv[1]); "


def test_a_second_host_is_refused_by_the_name_of_the_first(url):
    first = lock_database(url)
    with pytest.raises(Unavailable, match=rf"another strongroom host \(strongroom process {os.getpid()} on ") as caught:
        lock_database(url)
    assert caught.value.code == "SR-APP-007"
    assert "stop that host" in caught.value.fix
    assert first.keep()
    first.release()
    lock_database(url).release()


def test_a_lock_ends_with_its_process(url):
    code = f"{HOLD}print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(Unavailable, match=f"process {process.pid} on"):
        lock_database(url)
    process.kill()
    process.communicate()
    lock_database(url).release()


def test_a_link_to_a_database_is_the_same_database(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    held = lock_database(tmp_path / "real.db")
    with pytest.raises(Unavailable, match="another strongroom host"):
        lock_database(f"sqlite:///{tmp_path}/link.db")
    held.release()
    assert (tmp_path / "real.db.lock").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageFault, match=rf"{tmp_path}/nowhere/a\.db cannot be opened: No such file"):
        lock_database(tmp_path / "nowhere" / "a.db")


def test_a_server_that_does_not_answer_is_no_other_host(tmp_path):
    with pytest.raises(Unavailable) as caught:
        lock_database(f"postgresql+psycopg://postgres@/db?host={tmp_path}")
    assert caught.value.code == "SR-STORE-002"


def test_databases_of_one_server_have_hosts_of_their_own(postgres):
    locks = [lock_database(postgres.create_database()) for _ in range(2)]
    for lock in locks:
        lock.release()


@pytest.fixture
def server():
    with running_postgres(wheel()) as started:
        yield started


def test_a_lock_that_was_lost_with_its_server_is_taken_again(server):
    url = server.create_database()
    lock = lock_database(url)
    server.stop()
    with pytest.raises(Unavailable) as caught:
        lock.keep()
    assert caught.value.code == "SR-STORE-002"
    server.start()
    assert not lock.keep()
    assert lock.keep()
    with pytest.raises(Unavailable, match="another strongroom host"):
        lock_database(url)
    lock.release()


def test_a_lock_that_another_host_took_meanwhile_is_not_held_until_that_is_gone(server):
    url = server.create_database()
    lock = lock_database(url)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'")
    other = lock_database(url)
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"process {os.getpid()} on") as caught:
            lock.keep()
        assert caught.value.code == "SR-APP-007"
    other.release()
    assert not lock.keep()
    lock.release()
