"""A plugin's own kind of workspace, from its hook to a row on disk; and what a project's file decides about sealing."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from strongroom.crypto.workspace_blob import get_format_version
from strongroom.errors import Unavailable
from strongroom.plugin import MountContext, MountProvider, TableDefinition, WorkspaceDefinition, hookimpl
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.plugin_host import MemoryHost
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.reading import Present, Unreadable
from tests.fakes.mount_rig import MountRig

HERE = __name__


class Note(BaseModel):
    id: str
    title: str


FUJI = WorkspaceDefinition("fuji", tables=(TableDefinition("notes", (Note,)),))


@dataclass
class Fuji:
    """A plugin with nothing but a mount."""

    @hookimpl
    def mounts(self) -> list[MountProvider]:
        return [MountProvider(name="fuji", open=self.open, description="notes with titles")]

    def open(self, context: MountContext):
        opened = context.open_workspace(FUJI)
        if opened.workspace.tables["notes"].count() == 0:
            opened.workspace.tables["notes"].set(Note(id="first", title=f"of {context.owner_id}"))
        return opened


def test_a_plugins_workspace_has_its_tables_and_survives_its_host(tmp_path):
    rig = MountRig(tmp_path)
    rig.declare("[[mounts]]\nname = 'notes'\nprovider = 'fuji'\nmaterialize = ['markdown']\n")
    entry = PluginEntry(name="fuji", factory=f"{HERE}:Fuji", config={}, provides=("mount:fuji",))
    with MemoryHost(entry) as host:

        def start() -> Mounts:
            return Mounts(
                rig.state_dir, session=rig.session, providers=host.registry.mounts.all, open_web_socket=rig.dial
            )

        mounts = start()
        mounts.mount(rig.project, "notes")
        mounts.close()
        mounts = start()
        assert [info.provider for info in mounts.reopen_known()] == ["fuji"]
        assert mounts.get("notes").workspace.tables["notes"].get("first") == Note(id="first", title="of shared")
        mounts.get("notes").built.views.flush()
        assert "of shared" in (rig.project / ".strongroom" / "md" / "notes" / "notes" / "first.md").read_text()
        mounts.close()
    mounts = start()
    (info,) = mounts.reopen_known()
    assert (info.state, info.code) == ("failed", "SR-MOUNT-012")
    assert "no plugin provides mount:fuji" in info.problem
    with pytest.raises(Unavailable):
        mounts.get("notes")
    mounts.close()


@pytest.mark.parametrize(("line", "version"), [("", 2), ("write_format = 2", 2), ("write_format = 1", 1)])
def test_a_project_decides_which_format_is_written(tmp_path, line, version):
    rig = MountRig(tmp_path)
    rig.declare(f"[[mounts]]\nname = 'notes'\n{line}\n")
    opened = rig.open()
    opened.workspace.store("kv").set("key", "value")
    assert get_format_version(opened.workspace.raw_store("kv").entry("key").val) == version
    rig.mounts.close()


@pytest.mark.parametrize(("strict", "kind"), [("true", Unreadable), ("false", Present)])
def test_a_project_decides_whether_plaintext_of_others_is_believed(tmp_path, strict, kind):
    rig = MountRig(tmp_path)
    rig.declare(f"[[mounts]]\nname = 'notes'\nstrict = {strict}\n")
    opened = rig.open()
    opened.workspace.raw_store("kv").set("key", "plaintext of somebody")
    assert isinstance(opened.workspace.store("kv").read("key"), kind)
    assert opened.status().values_by_version == {0: 1}
    rig.mounts.close()
