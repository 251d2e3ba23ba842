"""``strongroom workspace``: mounting, listing, copies and the state of what is stored, against the real service."""

import json

import pytest

from strongroom.cli.main import run
from tests.fakes.workspace_host import WorkspaceHost


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        yield made


@pytest.fixture
def said(host, capsys):
    """Run a command: its exit code, its document or text, and what it said beside it."""

    def call(*arguments):
        code = run(["workspace", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


@pytest.fixture
def notes(host, said):
    assert said("mount", str(host.project), "--name", "notes")[0] == 0
    return host


def test_the_first_mount_is_added_to_the_file_of_the_project(host, said):
    code, out, err = said("mount", str(host.project), "--name", "notes")
    assert (code, "notes  open" in out) == (0, True)
    assert f"notes was added to {host.project}/strongroom.toml" in err
    assert 'name = "notes"' in (host.project / "strongroom.toml").read_text()
    code, document, err = said("mount", str(host.project), "--name", "notes", "--json")
    assert (code, document["schema"], document["declared"], err) == (0, "strongroom.workspace-mounted/v1", False, "")


def test_without_a_name_everything_that_is_declared_is_mounted(host, said):
    host.declare('[[mounts]]\nname = "one"\n[[mounts]]\nname = "two"\n')
    code, document, _ = said("mount", str(host.project), "--json")
    assert (code, [mount["name"] for mount in document["mounts"]]) == (0, ["one", "two"])


@pytest.mark.parametrize(
    ("arguments", "code", "reason", "fix"),
    [
        (["PROJECT"], 65, "SR-MOUNT-001", "--name notes"),
        (["PROJECT", "--name", "no/tes"], 65, "SR-WS-050", "team-notes"),
        (["PROJECT", "--name", "notes", "--declared"], 65, "SR-MOUNT-001", "--name notes"),
        (["nowhere", "--name", "notes"], 65, "SR-MOUNT-001", "name a directory that is there"),
    ],
)
def test_what_cannot_be_mounted_is_refused_and_nothing_is_written(host, said, arguments, code, reason, fix):
    found, out, err = said("mount", *(str(host.project) if each == "PROJECT" else each for each in arguments))
    assert (found, out, reason in err, fix in err) == (code, "", True, True), err
    assert list(host.project.iterdir()) == []
    assert said("list")[1] == ""


def test_a_mount_that_is_not_declared_is_refused_by_the_name_of_the_option(host, said):
    host.declare('[[mounts]]\nname = "one"\n')
    code, _, err = said("mount", str(host.project), "--name", "two", "--declared")
    assert (code, "SR-MOUNT-015" in err, "without `--declared`" in err) == (65, True, True)


def test_the_list_shows_what_is_open_and_why_something_is_not(notes, said, tmp_path):
    said("set", "notes", "a", "1")
    code, document, _ = said("list", "--json")
    (mount,) = document["mounts"]
    assert (code, mount["state"], mount["entries"], mount["unreadable"], mount["key_version"]) == (0, "open", 1, 0, 1)
    assert mount["log_bytes"] > 0
    notes.project.rename(tmp_path / "moved")
    code, out, err = said("list")
    assert (code, "failed" in out, "SR-MOUNT-016" in err, "unmount notes" in err) == (0, True, True, True)


def test_what_was_unmounted_stays_in_its_project(notes, said):
    said("set", "notes", "a", "1")
    assert said("unmount", "notes")[0] == 0
    code, _, err = said("list")
    assert (code, "nothing is mounted" in err) == (0, True)
    for arguments in (("get", "notes", "a"), ("unmount", "notes"), ("verify", "notes"), ("watch", "notes")):
        code, out, err = said(*arguments)
        assert (code, out, "SR-MOUNT-014" in err) == (65, "", True)
    said("mount", str(notes.project))
    assert said("get", "notes", "a")[:2] == (0, "1\n")


def test_a_copy_is_a_new_file_that_is_merged_again(notes, said, tmp_path):
    said("set", "notes", "a", '"MARKER"')
    copy = tmp_path / "copy"
    code, document, _ = said("export", "notes", str(copy), "--json")
    assert (code, document["bytes"]) == (0, copy.stat().st_size)
    assert (copy.stat().st_mode & 0o777, b"MARKER" in copy.read_bytes()) == (0o600, False)
    assert [each.path for each in notes.copies.present()] == [copy]
    before = copy.read_bytes()
    code, _, err = said("export", "notes", str(copy))
    assert (code, "SR-CLI-014" in err, copy.read_bytes() == before) == (73, True, True)
    said("delete", "notes", "a", "--yes")
    code, document, _ = said("import", "notes", str(copy), "--json")
    assert (code, document["entries_changed"], document["unreadable"]) == (0, 0, 0)
    assert "what was deleted since it was made stays deleted" in said("import", "notes", str(copy))[2]


def test_a_copy_brings_everything_into_a_project_that_is_new(notes, said, tmp_path):
    said("set", "notes", "a", '"x"')
    said("export", "notes", str(tmp_path / "copy"))
    said("unmount", "notes")
    (tmp_path / "new").mkdir()
    said("mount", str(tmp_path / "new"), "--name", "notes")
    code, _, err = said("import", "notes", str(tmp_path / "copy"))
    assert (code, "1 entries are new or changed" in err) == (0, True)
    assert said("get", "notes", "a")[1] == '"x"\n'


def test_what_is_no_copy_is_refused_and_changes_nothing(notes, said, tmp_path):
    said("set", "notes", "a", "1")
    (tmp_path / "none").write_text("hello")
    code, _, err = said("import", "notes", str(tmp_path / "none"))
    assert (code, "SR-WS-100" in err) == (65, True)
    assert said("get", "notes", "a")[1] == "1\n"
    code, _, err = said("import", "notes", str(tmp_path / "absent"))
    assert (code, "SR-CLI-007" in err) == (65, True)


def test_an_export_that_fails_leaves_no_file(notes, said, tmp_path):
    code, _, err = said("export", "other", str(tmp_path / "copy"))
    assert (code, "SR-MOUNT-014" in err, (tmp_path / "copy").exists()) == (65, True, False)


def test_verify_ends_with_1_when_something_cannot_be_read(notes, said):
    said("set", "notes", "a", "1")
    code, document, _ = said("verify", "notes", "--json")
    assert (code, document["holds"], document["entries_by_key_version"]) == (0, True, {"1": 1})
    notes.push_plaintext("kv", bad="SENT IN CLEAR")
    code, out, err = said("verify", "notes")
    assert (code, "unreadable: 1 entries" in out, "bad: " in err) == (1, True, True)
    assert "SENT IN CLEAR" not in out + err
    code, document, _ = said("verify", "notes", "--json")
    assert (code, document["holds"], document["unreadable"][0]["key"]) == (1, False, "bad")


def test_migrate_shows_first_and_then_seals(notes, said):
    notes.push_plaintext("kv", pushed="value")
    code, document, _ = said("migrate", "notes", "--dry-run", "--json")
    assert (code, document["plaintext"], document["dry_run"]) == (0, 1, True)
    assert said("get", "notes", "pushed")[0] == 65
    assert said("migrate", "notes")[0] == 0
    assert said("get", "notes", "pushed")[:2] == (0, '"value"\n')


def test_compact_says_what_it_saved(notes, said):
    for number in range(3):
        said("set", "notes", "a", str(number))
    code, document, _ = said("compact", "notes", "--json")
    assert (code, document["rows_before"], document["rows_after"]) == (0, 3, 1)
    assert document["bytes_after"] < document["bytes_before"]
