"""SIGHUP and the audit log: what could not be put on record is not done, not even read for."""

import queue
import threading
from types import SimpleNamespace

import pytest

from strongroom.app.reload import SIGNAL, Reloader
from strongroom.settings.model import Settings
from strongroom.settings.refusals import unreadable
from strongroom.telemetry.notify import Notifier
from tests.fakes.audit_book import AuditBook

WAIT_S = 30


class Told(AuditBook):
    """Says when it is told something, also when it takes nothing."""

    def __init__(self, **more):
        super().__init__(**more)
        self.heard = queue.SimpleQueue()

    def begin(self, action, **fields):
        super().begin(action, **fields)
        self.heard.put((action, fields["caller"], fields["outcome"]))
        return self


@pytest.fixture
def audit():
    return Told()


@pytest.fixture
def host(audit):
    """Its settings cannot be read, which shows that they were looked at."""

    def read():
        raise unreadable("strongroom.yaml", "there is no such file")

    parts = SimpleNamespace(mode="serve", settings=Settings(), audit=SimpleNamespace(audit=audit))
    reloader = Reloader(parts, read, Notifier())
    wanted = threading.Event()
    reloader.listen(wanted)
    yield SimpleNamespace(reloader=reloader, hang_up=wanted.set)
    reloader.close()


def test_a_signal_while_the_audit_log_refuses_changes_nothing_and_the_next_one_is_heard(host, audit):
    audit.fails = True
    host.hang_up()
    assert audit.heard.get(timeout=WAIT_S) == ("host.reload", SIGNAL, "SR-AUDIT-010")
    assert (host.reloader.problem, audit.records) == ("", []), "nothing was read"
    audit.fails = False
    host.hang_up()
    assert audit.heard.get(timeout=WAIT_S) == ("host.reload", SIGNAL, "SR-CONF-003")
    assert "there is no such file" in host.reloader.problem


def test_where_the_audit_log_only_degrades_a_signal_is_taken(host, audit):
    audit.fails = audit.degrades = True
    host.hang_up()
    assert audit.heard.get(timeout=WAIT_S) == ("host.reload", SIGNAL, "SR-CONF-003")
