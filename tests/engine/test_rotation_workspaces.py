"""Keys of mounted workspaces: promoted while people write, sealed again with their log, and the old one gone."""

import threading

import pytest

from strongroom.app.keys import key_desk
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import seal_value
from strongroom.engine.rotation_mounts import HostWorkspaces
from strongroom.engine.workspace_discard import discard, discardable
from strongroom.errors import NotFound, WrongState
from strongroom.storage.database import Database
from strongroom.workspace.mount.copies import Copies
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.reading import Present
from strongroom.workspace.session.local import LocalSession
from tests.fakes.key_rig import KeyRig
from tests.fakes.workspace_rig import push_raw

PLAIN = "MARKER"


def no_web_socket(_url, _subprotocols):
    raise AssertionError("nothing is synced here")


class Host:
    """The keys and the mounts of one host, wired as the host wires them."""

    def __init__(self, url, directory, *versions):
        self.database = Database.open(url)
        self.rig = KeyRig(self.database, directory, *versions)
        self.session = LocalSession(self.rig.root, "shared")
        self.mounts = Mounts(directory / "state", session=self.session, providers=dict, open_web_socket=no_web_socket)
        self.copies = Copies(directory / "state" / "copies.json")
        self.rig.life.on_change.append(self.session.rotated)
        workspaces = HostWorkspaces(self.mounts, self.copies)
        self.desk = key_desk(self.rig.life, self.database, self.rig.keys, workspaces)

    def mount(self, project, name="notes"):
        project.mkdir(exist_ok=True)
        self.mounts.mount(project, name)
        return self.mounts.get(name)

    def promote_next(self, *versions):
        self.rig.write(*versions)
        self.rig.life.reload()
        self.desk.promote(versions[0])

    def rewrap(self, workspace=""):
        self.desk.rotation.start(workspace)
        return list(self.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1]

    def close(self):
        self.desk.rotation.close()
        self.mounts.close()
        self.database.close()


@pytest.fixture
def start(sqlite_url, tmp_path):
    made = []

    def start_host(*versions):
        made.append(Host(sqlite_url, tmp_path, *versions))
        return made[-1]

    yield start_host
    for host in made[-1:]:
        host.close()


def write(mount, numbers):
    store = mount.workspace.store("kv")
    for number in numbers:
        store.set(f"key {number}", f"{PLAIN} {number}")
    mount.flush()


def readable(mount):
    return {key for key, reading in mount.workspace.store("kv").reads() if isinstance(reading, Present)}


def test_a_workspace_is_promoted_sealed_again_and_reads_without_the_old_secret(start, tmp_path):
    host = start(1)
    mount = host.mount(tmp_path / "project")
    write(mount, range(50))
    host.promote_next(2, 1)
    write(mount, range(50, 60))
    counts = mount.needed()
    assert counts[1] >= 50
    assert counts[2] >= 10, "what is written after the promotion is under the new version, at once"
    with pytest.raises(WrongState, match=f"{counts[1]} blobs of workspace notes"):
        host.desk.retire(1)
    ended = host.rewrap("notes")
    assert (ended.state, ended.problems) == ("done", ())
    assert set(mount.needed()) == {2}
    assert host.desk.retire(1)
    write(mount, range(60, 70))
    host.close()
    again = start(2)
    again.mounts.reopen_known()
    assert readable(again.mounts.get("notes")) == {f"key {number}" for number in range(70)}
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PLAIN.encode() not in path.read_bytes()


def test_a_project_that_is_closed_counts_until_it_is_mounted_and_sealed_again(start, tmp_path):
    host = start(1)
    write(host.mount(tmp_path / "project"), range(5))
    host.mounts.unmount("notes")
    host.promote_next(2, 1)
    with pytest.raises(WrongState, match="blobs of project notes") as caught:
        host.desk.retire(1)
    assert "mount it and rewrap, or forget it" in caught.value.fix
    host.mount(tmp_path / "project")
    assert host.rewrap().state == "done"
    assert host.desk.retire(1)


def test_a_project_that_is_left_behind_on_purpose_does_not_count(start, tmp_path):
    host = start(1)
    write(host.mount(tmp_path / "project"), range(5))
    host.mounts.unmount("notes")
    host.promote_next(2, 1)
    assert host.desk.retire(1, forget=["notes"])
    assert [each.name for each in host.desk.holdings() if each.kind == "project"] == []


def test_an_export_counts_as_long_as_it_is_where_it_was_put(start, tmp_path):
    host = start(1)
    host.promote_next(2, 1)
    export = tmp_path / "notes.copy"
    export.write_bytes(b"sealed")
    host.copies.add(export, "notes", [1], 7)
    with pytest.raises(WrongState, match=f"1 blobs of backup {export}"):
        host.desk.retire(1)
    export.unlink()
    assert host.desk.retire(1)


def test_people_who_write_during_a_promotion_and_sealing_again_lose_nothing(start, tmp_path):
    host = start(1)
    mount = host.mount(tmp_path / "project")
    write(mount, range(300))
    stop, written, wrong = threading.Event(), [], []

    def edit():
        number = 1000
        while not stop.is_set():
            try:
                write(mount, [number])
            except Exception as error:
                wrong.append(repr(error))
                return
            written.append(f"key {number}")
            number += 1

    editor = threading.Thread(target=edit)
    editor.start()
    for version in (2, 3, 4):
        host.promote_next(*range(version, 0, -1))
        assert host.rewrap().state == "done"
    stop.set()
    editor.join()
    assert wrong == []
    assert host.rewrap().state == "done"
    assert set(mount.needed()) == {4}
    assert readable(mount) == {f"key {number}" for number in range(300)} | set(written)
    for version in (1, 2, 3):
        assert host.desk.retire(version)


def test_workspaces_of_a_session_elsewhere_have_other_keys_and_do_not_count(start, tmp_path):
    host = start(1)
    write(host.mount(tmp_path / "project"), range(5))
    assert [each.name for each in HostWorkspaces(host.mounts, host.copies).opened()] == ["notes"]
    assert HostWorkspaces(host.mounts, host.copies, is_own=lambda: False).opened() == []


def test_looking_counts_values_and_rows_of_a_workspace_and_changes_nothing(start, tmp_path):
    host = start(1)
    mount = host.mount(tmp_path / "project")
    write(mount, range(5))
    push_raw(mount.workspace, "kv", [("bad", seal_value(Key(bytes(32)), 1, b"1", b""), 1_764_000_000_000)])
    mount.flush()
    host.promote_next(2, 1)
    before = mount.needed()
    rows = mount.log.rows_by_version()[1]
    (checked,) = [each for each in host.desk.check_rewrap() if each.name == "workspace notes"]
    assert (checked.opens, checked.closed) == (5 + rows, 1)
    assert checked.problems[0].startswith("bad: ")
    assert mount.needed() == before
    assert [each.name for each in host.desk.check_rewrap("notes")] == ["workspace notes"]
    with pytest.raises(NotFound) as refused:
        host.desk.check_rewrap("other")
    assert refused.value.code == "SR-KEY-028"


def test_a_version_that_only_a_forged_value_needs_goes_after_it_was_discarded(start, tmp_path):
    host = start(1)
    mount = host.mount(tmp_path / "project")
    write(mount, range(5))
    push_raw(mount.workspace, "kv", [("bad", seal_value(Key(bytes(32)), 1, b"1", b""), 1_764_000_000_000)])
    mount.flush()
    host.promote_next(2, 1)
    host.rewrap()
    with pytest.raises(WrongState) as refused:
        host.desk.retire(1)
    assert "strongroom workspace discard N --dry-run" in refused.value.fix
    found = discardable(mount, rows=True, entries=True)
    discard(mount, rows=True, entries=True, even_unheld=False, listing=found.listing)
    assert host.desk.retire(1)
    assert len(readable(mount)) == 5
