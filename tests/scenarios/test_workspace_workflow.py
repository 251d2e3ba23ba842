"""The example of a workflow that reads, writes and reacts to a mounted workspace, in a real host."""

from pathlib import Path

import pytest

from tests.fakes.workspace_hosts import WorkspaceHosts, eventually
from tests.guests.build import guest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "notes"


@pytest.fixture
def host():
    with WorkspaceHosts() as hosts:
        made = hosts.host("a", PYTHONPATH=str(EXAMPLE))
        made.options = ("--plugins-file", str(EXAMPLE / "plugins.yaml"))
        made.start()
        made.declare(more='provider = "notes"')
        made.mount()
        yield made


def registered(host, name="count"):
    with host.channel() as api:
        return api.register(guest("count"), name)


def counted(host):
    return host.values().get("count")


def test_a_workflow_reacts_to_what_changes_reads_the_row_and_writes_what_it_found(host):
    registered(host)
    host.set("n1", {"title": "Milk"}, "notes:notes")
    expected = {"notes": 1, "last": "n1", "action": "add", "title": "Milk"}
    eventually(
        lambda: counted(host) == expected, lambda: f"{expected}, there is {counted(host)} {host('run', 'list').out}"
    )
    host.set("n1", {"title": "Bread"}, "notes:notes")
    expected = {"notes": 1, "last": "n1", "action": "update", "title": "Bread"}
    eventually(lambda: counted(host) == expected, lambda: f"{expected}, there is {counted(host)}")
    host.workspace("delete", "notes:notes", "n1", "--yes")
    expected = {"notes": 0, "last": "n1", "action": "delete", "title": ""}
    eventually(lambda: counted(host) == expected, lambda: f"{expected}, there is {counted(host)}")
    assert len(host("run", "list", "--json").json["runs"]) == 3, "each change is one run, and its own write is none"


def test_what_changed_while_the_host_was_down_is_told_when_it_is_back(host):
    registered(host)
    host.set("n1", {"title": "Milk"}, "notes:notes")
    eventually(lambda: (counted(host) or {}).get("last") == "n1", lambda: counted(host))
    host.set("n2", {"title": "Bread"}, "notes:notes")
    host.kill()
    host.start()
    expected = {"notes": 2, "last": "n2", "action": "add", "title": "Bread"}
    eventually(lambda: {**expected, **(counted(host) or {}), "action": "add"} == expected, lambda: counted(host))


def test_a_workflow_that_its_operator_did_not_name_may_not_watch(host):
    warned = " ".join(registered(host, "nosy").warnings)
    assert "workflow nosy may not read workspace notes" in warned
    assert "mounts.notes.read" in warned, "the line that would allow it"
    host.set("n1", {"title": "Milk"}, "notes:notes")
    assert counted(host) is None
