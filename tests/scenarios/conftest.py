"""One daemon for the scenarios that leave it whole, and fresh ones for those that do not."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fakes.live_daemon import LiveDaemon


def short_directory():
    """A directory whose socket path fits into the kernel's 107 bytes; the test's own is often too long."""
    return Path(tempfile.mkdtemp(prefix="sr-"))


@pytest.fixture(scope="session")
def shared():
    """A running daemon that every scenario may use and none may break."""
    state = short_directory()
    daemon = LiveDaemon(state).start()
    yield daemon
    daemon.stop()
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture
def state():
    """A short, empty state directory."""
    made = short_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def daemon(state):
    """A daemon of the test's own, not started yet."""
    made = LiveDaemon(state)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
