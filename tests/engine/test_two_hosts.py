"""Two hosts on one PostgreSQL: whoever lost it writes nothing until the other one is gone, and then goes on."""

import pytest

from strongroom.engine.admission import Start
from strongroom.errors import Unavailable
from strongroom.storage.database import Database
from strongroom.storage.host_lock import lock_database
from tests.fakes.postgres import running_postgres, wheel
from tests.fakes.scripted_guest import WAIT_S
from tests.fakes.workflow_host import OWNER, Gate, WorkflowHost


@pytest.fixture
def server():
    with running_postgres(wheel()) as started:
        yield started


def cut(server):
    """End every session, as a server that is started again does."""
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'")


def start(host):
    return host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id


def test_a_host_that_was_replaced_accepts_and_ends_nothing_and_goes_on_when_it_is_alone_again(server, monkeypatch):
    monkeypatch.setattr("strongroom.engine.running.RETRY_S", 0.05)
    url = server.create_database()
    lock, database = lock_database(url), Database.open(url, alone=True)
    first = WorkflowHost(database)
    first.register()
    gate = Gate()
    first.module.on_trigger = gate
    running = start(first)
    assert gate.entered.wait(WAIT_S)
    cut(server)
    other_lock, other_database = lock_database(url), Database.open(url, alone=True)
    other = WorkflowHost(other_database)
    assert other.engine.resume() == 1
    assert other.engine.wait(running, WAIT_S)[0].status == "completed"
    with pytest.raises(Unavailable):
        start(first)
    for _ in range(2):
        with pytest.raises(Unavailable, match="another strongroom host") as caught:
            start(first)
        assert caught.value.code == "SR-APP-007", "two hosts that both write would both execute what is unfinished"
    gate.release.set()
    assert first.engine.get(running).status == "completed"
    left = Gate()
    other.module.on_trigger = left
    unfinished = start(other)
    assert left.entered.wait(WAIT_S)
    other_database.write(lambda connection: None).result()
    other.engine.dispatcher.close()
    cut(server)
    other_lock.release()
    other_database.close()
    assert not lock.keep()
    first.engine.take_over()
    assert first.engine.wait(unfinished, WAIT_S)[0].status == "completed"
    first.engine.wait(start(first), WAIT_S)
    left.release.set()
    first.close()
    database.close()
    lock.release()


def test_a_host_whose_lock_alone_was_lost_still_keeps_others_from_writing(server, monkeypatch):
    monkeypatch.setattr("strongroom.storage.host_lock.FREED_S", 0.05)
    url = server.create_database()
    database = Database.open(url, alone=True)
    database.write(lambda connection: None).result()
    lock = lock_database(url)  # it was lost by the first host, whose session for writing lives
    other = Database.open(url, alone=True)
    with pytest.raises(Unavailable, match="strongroom process") as caught:
        other.write(lambda connection: None).result()
    assert caught.value.code == "SR-APP-007"
    database.close()
    other.write(lambda connection: None).result()
    other.close()
    lock.release()


def test_databases_that_are_not_opened_alone_share(url):
    one, two = Database.open(url), Database.open(url)
    one.write(lambda connection: None).result()
    two.write(lambda connection: None).result()
    one.close()
    two.close()
