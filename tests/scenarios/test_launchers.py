"""A whole host whose enclave runners are started in namespaces of their own."""

import json
from pathlib import Path

import pytest

from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.runner_modes import needs_bubblewrap
from tests.scenarios.test_confidential import answered_status, executed, registered

SHIPPED = Path(__file__).resolve().parents[2] / "plugins.yaml"


@pytest.fixture
def daemon(state):
    needs_bubblewrap()
    shipped = SHIPPED.read_text()
    assert shipped.count("launcher: process\n") == 1
    path = state / "plugins.yaml"
    path.write_text(shipped.replace("launcher: process\n", "launcher: bubblewrap\n"))
    daemon = LiveDaemon(state, ("--plugins-file", str(path))).start()
    yield daemon
    daemon.stop()


def test_a_confidential_run_executes_there_and_status_says_so(daemon):
    registered(daemon)
    assert daemon("secret", "set", "API_KEY", stdin=b"s3cret").code == 0
    run = executed(daemon)
    assert run.code == 0, run.err
    assert "present, 6 bytes" in json.dumps(run.json)
    protections = answered_status(daemon)["confidential_protections"]
    assert protections[:2] == ["launcher-bubblewrap", "namespaces"]
    assert "in force" in daemon("status").out
