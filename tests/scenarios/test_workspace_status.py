"""What `status` says of workspaces: how many are open, and which are not and why."""

import shutil

import pytest

from tests.faults.workspace_storm import quiet_daemon
from tests.scenarios.conftest import short_directory


@pytest.fixture
def project():
    made = short_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_workspace_that_cannot_be_opened_stands_in_status_and_stops_nothing(state, project):
    host = quiet_daemon(state).start()
    try:
        assert host("workspace", "mount", str(project), "--name", "notes").code == 0
        well = host("status", "--json").json
        assert (well["workspaces"], well["workspace_problems"]) == (1, [])
        host.stop()
        shutil.rmtree(project)
        host.start()
        ill = host("status", "--json").json
        assert ill["workspaces"] == 0
        assert len(ill["workspace_problems"]) == 1
        assert ill["workspace_problems"][0].startswith("notes is not open: ")
        assert "SR-MOUNT-" in ill["workspace_problems"][0]
        assert ill["health"] == "degraded"
        assert "NOT OPEN" in host("status").out
    finally:
        if host.process.poll() is None:
            host.kill()
