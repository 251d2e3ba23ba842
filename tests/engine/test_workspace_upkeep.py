"""Verifying, migrating, copying and merging mounted workspaces: nothing is lost by it, and nothing is hidden."""

import json
import shutil
import sqlite3

import pytest

from strongroom.engine import workspace_upkeep as module
from strongroom.errors import InvalidInput, LimitExceeded, NotFound
from strongroom.workspace.mount.project_state import ProjectState
from tests.fakes.workspace_host import WorkspaceHost


@pytest.fixture
def start(tmp_path):
    made = []

    def call(name="one"):
        (tmp_path / name).mkdir()
        host = WorkspaceHost(tmp_path / name)
        host.open()
        made.append(host)
        return host

    yield call
    for host in made:
        host.mounts.close()


def put(host, table="", **values):
    for key, value in values.items():
        host.desk.put("notes", table, key, json.dumps(value).encode())


def values(host, table=""):
    return {item.key: json.loads(item.json) for item in host.desk.page("notes", table).items}


def test_a_whole_workspace_verifies(start):
    host = start()
    put(host, a=1, b=2)
    put(host, "tasks", t={"x": 1})
    found = host.upkeep.verify("notes")
    assert (found.readable, found.unreadable, found.rows_carried, found.log_agrees) == (3, (), (), True)
    assert dict(found.entries_by_key_version) == {1: 3}
    assert found.rows >= 1


def test_a_row_that_somebody_changed_is_named_and_what_builds_on_it_is_counted(start):
    written, host = start("written"), start("host")
    for number in range(4):
        put(written, **{f"k{number}": number})
    host.mounts.close()
    shutil.rmtree(host.project)
    # As a host leaves it that is killed.
    shutil.copytree(written.project, host.project)
    path = ProjectState(host.project / ".strongroom").log_path("local", "shared", "notes")
    with sqlite3.connect(path) as log:
        (second,) = log.execute("SELECT id FROM log_rows ORDER BY id LIMIT 1 OFFSET 1").fetchone()
        log.execute("UPDATE log_rows SET data = substr(data, 1, length(data) - 1) || x'00' WHERE id = ?", (second,))
    log.close()
    host.restart().reopen_known()
    for _ in range(2):
        found = host.upkeep.verify("notes")
        assert [row.startswith(f"row {second}: ") for row in found.rows_carried] == [True]
        assert (found.readable, found.rows_waiting) == (1, 2), "k0 is there, k2 and k3 wait"
        host.upkeep.compact("notes")


def test_what_cannot_be_read_is_named_with_its_table_and_reason(start):
    host = start()
    put(host, a=1)
    host.push_plaintext("kv", bad="SENT IN CLEAR")
    host.push_plaintext("table:tasks", row={"id": "row"})
    found = host.upkeep.verify("notes")
    assert found.readable == 1
    assert sorted(item.key for item in found.unreadable) == ["bad", "tasks/row"]
    assert all("plaintext" in item.unreadable for item in found.unreadable)
    assert dict(found.entries_by_key_version) == {0: 2, 1: 1}
    assert "SENT IN CLEAR" not in repr(found)


def test_plaintext_is_sealed_only_on_purpose_and_stays_what_it_was(start):
    host = start()
    host.push_plaintext("kv", pushed="value")
    looked = host.upkeep.migrate("notes", dry_run=True)
    assert (looked.plaintext, looked.archived, looked.unreadable) == (1, 0, 0)
    assert host.desk.get("notes", "", "pushed").json is None, "looking changes nothing"
    done = host.upkeep.migrate("notes", dry_run=False)
    assert done.plaintext == 1
    assert values(host) == {"pushed": "value"}
    assert host.desk.get("notes", "", "pushed").key_version == 1
    assert host.upkeep.migrate("notes", dry_run=True).plaintext == 0
    host.restart().reopen_known()
    assert values(host) == {"pushed": "value"}


def test_a_compacted_workspace_is_the_same_in_one_row(start):
    host = start()
    put(host, **{f"k{number}": number for number in range(50)})
    before = values(host)
    done = host.upkeep.compact("notes")
    assert (done.rows_before, done.rows_after) == (50, 1)
    host.restart().reopen_known()
    assert values(host) == before
    assert host.upkeep.verify("notes").log_agrees


def test_a_copy_merges_into_a_new_project_with_the_same_keys(start, tmp_path):
    one, other = start("one"), start("other")
    put(one, a="MARKER", b=2)
    put(one, "tasks", t={"title": "MARKER"})
    copy = one.upkeep.export("notes", "")
    assert b"MARKER" not in copy
    done = other.upkeep.merge("notes", copy)
    assert (done.entries_changed, done.unreadable) == (3, 0)
    assert (values(other), values(other, "tasks")) == (values(one), values(one, "tasks"))
    assert other.upkeep.merge("notes", copy).entries_changed == 0, "the same copy twice is nothing new"
    other.restart().reopen_known()
    assert values(other) == {"a": "MARKER", "b": 2}


def test_of_two_values_the_newer_one_stays_and_what_was_deleted_stays_deleted(start):
    host = start()
    put(host, kept="old", gone=1)
    copy = host.upkeep.export("notes", "")
    put(host, kept="new")
    host.desk.delete("notes", "", "gone")
    assert host.upkeep.merge("notes", copy).entries_changed == 0
    assert values(host) == {"kept": "new"}


def test_a_copy_is_remembered_where_it_was_put_with_the_versions_that_it_needs(start, tmp_path):
    host = start()
    put(host, a=1)
    path = tmp_path / "copy"
    path.write_bytes(host.upkeep.export("notes", str(path)))
    (found,) = host.copies.present()
    assert (found.path, found.mount, found.key_versions, found.made_ms) == (path, "notes", (1,), 7)


@pytest.mark.parametrize("wrong", [b"", b"no copy", b"strongroom workspace copy 1\n{}\n"])
def test_what_is_no_copy_is_refused_and_changes_nothing(start, wrong):
    host = start()
    put(host, a=1)
    with pytest.raises(InvalidInput) as caught:
        host.upkeep.merge("notes", wrong)
    assert caught.value.code == "SR-WS-100"
    assert values(host) == {"a": 1}


def test_a_copy_of_another_workspace_is_refused(start):
    one, other = start("one"), start("other")
    other.mounts.mount(other.project, "more")
    put(one, a=1)
    with pytest.raises(InvalidInput) as caught:
        other.upkeep.merge("more", one.upkeep.export("notes", ""))
    assert caught.value.code == "SR-WS-101"
    assert other.desk.page("more", "").items == ()


def test_a_copy_has_a_limit_that_is_kept_while_it_comes_in(monkeypatch):
    monkeypatch.setattr(module, "COPY_BYTES_MAX", 10)
    taken = []

    def parts():
        for number in range(100):
            taken.append(number)
            yield b"12345"

    with pytest.raises(LimitExceeded) as caught:
        module.WorkspaceUpkeep.collected(parts())
    assert (caught.value.code, len(taken)) == ("SR-WS-102", 3)
    assert module.WorkspaceUpkeep.collected([b"12345", b"67890"]) == b"1234567890"


def test_a_name_that_is_not_mounted_is_refused_everywhere(start):
    upkeep = start().upkeep
    for call in (
        lambda: upkeep.verify("other"),
        lambda: upkeep.compact("other"),
        lambda: upkeep.migrate("other", dry_run=True),
        lambda: upkeep.export("other", ""),
        lambda: upkeep.merge("other", b""),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.code == "SR-MOUNT-014"
