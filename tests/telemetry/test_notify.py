"""What a service manager hears, word for word, and that nobody fails where there is none."""

import os
import subprocess
import sys

import pytest

from strongroom.telemetry.notify import ADDRESS_BYTES_MAX, STATUS_CHARACTERS_MAX, Notifier
from tests.fakes.service_manager import ServiceManager

OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = f"@strongroom-{os.getpid()}-{tmp_path.name}" if request.param == "abstract" else str(tmp_path / "notify")
    manager = ServiceManager(address)
    yield manager
    manager.close()


def test_each_message_is_what_the_protocol_says(manager):
    told = Notifier(manager.address)
    assert told.is_heard
    told.ready("ready: running 0")
    assert manager.until("READY=") == ["READY=1", "STATUS=ready: running 0"]
    told.ready()
    assert manager.until("READY=") == ["READY=1"]
    told.stopping()
    assert manager.until("STOPPING=") == ["STOPPING=1"]
    told.status("running 1")
    assert manager.until("STATUS=") == ["STATUS=running 1"]
    told.extend(1.5)
    assert manager.until("EXTEND") == ["EXTEND_TIMEOUT_USEC=1500000"]
    told.watchdog()
    assert manager.until("WATCHDOG") == ["WATCHDOG=1"]


def test_a_reload_says_when_it_began_on_the_clock_that_nobody_sets(manager):
    Notifier(manager.address).reloading("reading the settings")
    reloading, when, status = manager.until("RELOADING=1")
    assert (reloading, status) == ("RELOADING=1", "STATUS=reading the settings")
    assert when.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_a_status_is_one_line_that_has_an_end(manager):
    told = Notifier(manager.address)
    told.status("a\nREADY=1\x1b[2J")
    (line,) = manager.until("STATUS=")
    assert line == r"STATUS=a\nREADY=1\x1b[2J"
    told.status("x" * 10_000)
    (line,) = manager.until("STATUS=")
    assert len(line) == len("STATUS=") + STATUS_CHARACTERS_MAX


def test_the_variables_are_taken_out_of_the_environment():
    variables = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "PATH": "/"}
    told = Notifier.taken_from(variables)
    assert (told.is_heard, told.watchdog_s, variables) == (True, 30.0, {"PATH": "/"})


def test_no_child_inherits_them():
    code = (
        "import os, subprocess, sys; from strongroom.telemetry.notify import Notifier;"
        "Notifier.taken_from(os.environ); subprocess.run([sys.executable, '-c', 'import os; print(dict(os.environ))'])"
    )
    variables = {**os.environ, "NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    shown = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert "PATH" in shown.stdout
    assert not [name for name in OURS if name in shown.stdout]


def test_without_an_address_nothing_happens(caplog):
    told = Notifier.taken_from({"WATCHDOG_USEC": "30000000"})
    assert (told.is_heard, told.watchdog_s) == (False, None)
    for say in (told.ready, told.stopping, told.reloading, told.watchdog):
        say()
    told.status("x")
    told.extend(1)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "address",
    ["vsock:2:1234", "run/notify", "@", "/" + "x" * ADDRESS_BYTES_MAX],
    ids=["another kind", "relative", "no name", "too long"],
)
def test_an_address_that_is_none_is_said_once_and_harms_nobody(address, caplog):
    told = Notifier(address, watchdog_s=1.0)
    told.ready()
    assert (told.is_heard, told.watchdog_s) == (False, None)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "NOTIFY_SOCKET" in caplog.messages[0]


def test_a_manager_that_is_gone_is_said_once_and_harms_nobody(tmp_path, caplog):
    told = Notifier(str(tmp_path / "gone"))
    told.ready()
    told.watchdog()
    assert caplog.messages == ["the service manager cannot be told"]


@pytest.mark.parametrize(
    ("usec", "pid"),
    [("", ""), ("0", ""), ("-5", ""), ("1e6", ""), ("9" * 30, ""), ("30000000", "1"), ("30000000", "me")],
    ids=["not there", "zero", "negative", "no whole number", "too large", "another process", "no process"],
)
def test_a_watchdog_that_is_not_meant_is_not_fed(usec, pid):
    variables = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    assert Notifier.taken_from(variables).watchdog_s is None
