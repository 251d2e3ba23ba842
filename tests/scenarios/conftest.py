"""One daemon for the scenarios that leave it whole, and fresh ones for those that do not."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.manifests import IN_PROCESS, shipped_with
from tests.guests.build import guest

SECRET = "sesame-canary"
LISTED = b'{"vault_don_secrets": [{"key": "Foo"}]}'


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


@pytest.fixture
def small(daemon):
    """The same, with the shipped plugins that are no processes of their own: no vault, no backend."""
    daemon.options = shipped_with(daemon.state, *IN_PROCESS)
    return daemon


@pytest.fixture(scope="session")
def everything(shared):
    """A run that has seen everything that a guest may see, with a sleep that outlasts its runner."""
    shared("secret", "set", "Foo", stdin=SECRET.encode())
    with shared.channel() as api:
        api.register(guest("everything"), "everything", LISTED, config=b"600")
        return api.execute("everything", b"{}").run.run_id
