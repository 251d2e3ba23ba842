"""The example of a plugin that provides workspaces, in a real host: what fits, what does not, and what is older."""

from pathlib import Path

import pytest

from tests.fakes.workspace_hosts import WorkspaceHosts

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "notes"
OLD = {"name": "of the first shape"}


@pytest.fixture
def host():
    with WorkspaceHosts() as hosts:
        made = hosts.host("a", PYTHONPATH=str(EXAMPLE))
        made.options = ("--plugins-file", str(EXAMPLE / "plugins.yaml"))
        yield made.start()


def test_a_project_that_names_the_provider_has_its_tables_and_their_checks(host):
    host.declare(more='provider = "notes"')
    assert host.mount()["provider"] == "notes"
    host.set("n1", {"title": "Milk", "stars": 2}, "notes:notes")
    assert host.values("notes:notes") == {"n1": {"id": "n1", "title": "Milk", "body": "", "stars": 2}}
    refused = host("workspace", "set", "notes:notes", "n2", '{"title": 7}')
    assert refused.code == 65, refused
    assert "title" in refused.err, "the place that is wrong is named"
    assert "SR-WS-053" in refused.err
    assert list(host.values("notes:notes")) == ["n1"], "nothing was written"
    assert "SR-WS-063" in host("workspace", "set", "notes", "theme", '"blue"').err
    host.set("theme", "dark")
    assert host.values() == {"theme": "dark"}


def test_a_row_of_an_older_version_is_read_as_one_of_today_and_stored_anew_when_it_is_written(host):
    host.declare()
    host.mount()
    host.set("old", OLD, "notes:notes")
    host.set("odd", {"id": "odd", "_v": 9}, "notes:notes")
    host.workspace("unmount", "notes")
    host.declare(more='provider = "notes"')
    host.mount()
    read = host.workspace("get", "notes:notes", "old")
    assert read["value"] == {"id": "old", "title": "of the first shape", "body": "", "stars": 0}
    assert read["valid"]
    odd = host.workspace("get", "notes:notes", "odd")
    assert not odd["valid"]
    assert "unknown _v value: 9" in odd["faults"][0], "a newer program wrote it"
    host.set("old", {"title": "written again"}, "notes:notes")
    host.workspace("unmount", "notes")
    host.declare()
    host.mount()
    row = host.values("notes:notes")["old"]
    host.set("old", {**row, "stars": 5}, "notes:notes")
    host.workspace("unmount", "notes")
    host.declare(more='provider = "notes"')
    host.mount()
    assert host.values("notes:notes")["old"] == {**row, "stars": 5}, "a host without the plugin keeps the row's version"


def test_a_project_that_names_a_provider_that_no_plugin_has_says_so(host):
    host.declare(more='provider = "nots"')
    said = host("workspace", "mount", str(host.project))
    assert "no plugin provides mount:nots" in said.err
    assert "notes" in said.err, "those that there are"
    (plugin, _) = host("plugin", "list", "--json").json["plugins"]
    assert (plugin["name"], plugin["mounts"]) == ("notes", ["notes"])
    assert "mount:notes" in host("plugin", "list").out
