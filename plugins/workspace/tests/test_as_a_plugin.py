"""The plugin in a host: what it needs, and what it offers."""

import pytest

from strongroom.plugin import Misconfigured
from strongroom.plugin.messages import workspace_pb2
from strongroom.testing.plugin_host import MemoryHost, PluginEntry
from strongroom_workspace.plugin import WorkspacePlugin

ENTRY = PluginEntry(name="workspace", factory="strongroom_workspace.plugin:WorkspacePlugin", config={})


def test_it_reads_what_its_host_has_mounted():
    with MemoryHost(ENTRY) as host:
        host.workspaces.mount("notes")
        host.workspaces.put("notes", "", "a", b"1")
        response = host.call("workspace@1.0.0", "Get", workspace_pb2.GetRequest(mount="notes", key="a"))
    answer = workspace_pb2.GetResponse()
    assert response.payload.Unpack(answer)
    assert answer.json == b"1"


def test_as_a_process_it_says_where_it_belongs(tmp_path):
    from strongroom.plugin import Host

    plugin = WorkspacePlugin()
    host = Host(name="workspace", mode="dev", store=None, registry=None, artifacts=None, log=None)
    with pytest.raises(Misconfigured, match="SR-PLUG-120|runs as a process"):
        plugin.start(host)
