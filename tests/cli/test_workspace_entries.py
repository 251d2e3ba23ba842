"""``strongroom workspace get``, ``entries``, ``set``, ``delete`` and ``watch``, against the real service."""

import io
import json
import threading

import pytest

from strongroom.cli import workspace_entries
from strongroom.cli.main import run
from tests.fakes.workspace_host import WorkspaceHost


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        made.open()
        yield made


@pytest.fixture
def said(host, capsys):
    def call(*arguments):
        code = run(["workspace", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def test_what_is_set_is_got_in_the_key_values_and_in_a_table(said):
    code, document, _ = said("set", "notes", "greeting", '{"en": "hello", "fr": "ça va"}', "--json")
    assert (code, document["schema"], document["key_version"]) == (0, "strongroom.workspace-set/v1", 1)
    assert said("get", "notes", "greeting")[:2] == (0, '{\n  "en": "hello",\n  "fr": "ça va"\n}\n')
    said("set", "notes:tasks", "t1", '{"title": "x"}')
    code, document, _ = said("get", "notes:tasks", "t1", "--json")
    assert (code, document["value"], document["state"], document["valid"]) == (
        0,
        {"id": "t1", "title": "x"},
        "present",
        True,
    )
    assert said("get", "notes", "t1")[0] == 65, "a table is not the key-values"


def test_a_value_may_come_from_a_file_or_from_stdin(said, tmp_path, monkeypatch):
    (tmp_path / "value.json").write_text('{"a": 1}')
    assert said("set", "notes", "file", f"@{tmp_path / 'value.json'}")[0] == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[2]")))
    assert said("set", "notes", "stdin", "-")[0] == 0
    assert json.loads(said("get", "notes", "file")[1]) == {"a": 1}
    assert json.loads(said("get", "notes", "stdin")[1]) == [2]


@pytest.mark.parametrize(
    ("place", "key", "value", "code", "reason"),
    [
        ("", "k", "1", 2, "SR-CLI-160"),
        ("notes:", "k", "1", 2, "SR-CLI-160"),
        (":tasks", "k", "1", 2, "SR-CLI-160"),
        ("other", "k", "1", 65, "SR-MOUNT-014"),
        ("notes", "", "1", 65, "SR-WS-094"),
        ("notes", "x" * 513, "1", 65, "SR-WS-094"),
        ("notes", "k", "hello", 65, "SR-CLI-005"),
        ("notes", "k", "NaN", 65, "SR-CLI-005"),
        ("notes", "k", "9007199254740992", 65, "SR-WS-008"),
        ("notes", "k", "@nowhere", 65, "SR-CLI-007"),
        ("notes:tasks", "k", "[1]", 65, "SR-WS-092"),
        ("notes:tasks", "k", '{"id": "other"}', 65, "SR-WS-092"),
    ],
)
def test_what_cannot_be_written_is_refused_and_changes_nothing(said, place, key, value, code, reason):
    said("set", "notes", "k", '"old"')
    found, out, err = said("set", place, key, value)
    assert (found, out, reason in err) == (code, "", True), err
    assert said("get", "notes", "k")[1] == '"old"\n'
    assert said("entries", "notes:tasks")[1] == ""


def test_a_key_that_is_not_there_is_said_with_what_lists_those_that_are(said):
    for arguments in (("get",), ("delete", "--yes"), ("delete", "--dry-run")):
        code, out, err = said(arguments[0], "notes:tasks", "nothing", *arguments[1:])
        assert (code, out, "SR-CLI-161" in err) == (65, "", True)
        assert "strongroom workspace entries notes:tasks" in err


def test_an_entry_that_cannot_be_read_is_shown_with_its_reason(said, host):
    said("set", "notes", "good", "1")
    host.push_plaintext("kv", bad="SENT IN CLEAR")
    code, out, err = said("get", "notes", "bad")
    assert (code, out, "SR-CLI-162" in err, "plaintext" in err) == (65, "", True, True)
    code, out, _ = said("entries", "notes")
    assert (code, "bad   [unreadable · " in out, "good  1" in out) == (0, True, True)
    code, document, _ = said("entries", "notes", "--json")
    bad, good = document["entries"]
    assert (bad["state"], bad["value"], bool(bad["unreadable"]), good["state"]) == ("unreadable", None, True, "present")
    assert "SENT IN CLEAR" not in out + err + json.dumps(document)


def test_entries_follow_prefix_and_limit_over_pages(said, monkeypatch):
    monkeypatch.setattr(workspace_entries, "PAGE", 2)
    for number in range(5):
        said("set", "notes", f"k{number}", str(number))
    said("set", "notes", "other", "1")
    said("set", "notes:tasks", "t", "{}")
    code, document, _ = said("entries", "notes", "--prefix", "k", "--limit", "3", "--json")
    assert (code, [each["key"] for each in document["entries"]], document["more"]) == (0, ["k0", "k1", "k2"], True)
    assert document["tables"] == ["tasks"]
    _, document, _ = said("entries", "notes", "--prefix", "k", "--limit", "5", "--json")
    assert ([each["value"] for each in document["entries"]], document["more"]) == ([0, 1, 2, 3, 4], False)
    assert "raise --limit" in said("entries", "notes", "--limit", "1")[2]
    assert said("entries", "notes", "--limit", "0")[0] == 2


def test_a_workspace_that_has_tables_only_says_so(said):
    said("set", "notes:tasks", "t", "{}")
    code, out, err = said("entries", "notes")
    assert (code, out, "no entries; its tables: tasks" in err) == (0, "", True)


def test_deleting_asks_shows_and_deletes(said):
    said("set", "notes", "k", "1")
    code, _, err = said("delete", "notes", "k", "--no-input")
    assert (code, "SR-CLI-002" in err) == (2, True)
    code, document, _ = said("delete", "notes", "k", "--dry-run", "--json")
    assert (code, document["dry_run"]) == (0, True)
    assert said("get", "notes", "k")[0] == 0
    assert said("delete", "notes", "k", "--yes")[0] == 0
    assert said("get", "notes", "k")[0] == 65


def watched(host, capsys, monkeypatch, *options):
    """What ``watch`` prints of three changes, until the workspace is closed."""
    ready = threading.Event()
    watch = host.desk.watch

    def change():
        ready.wait(10)
        host.desk.put("notes", "", "key", '"ü"'.encode())
        host.push_plaintext("kv", bad="SENT IN CLEAR")
        host.desk.delete("notes", "", "key")
        host.mounts.unmount("notes")

    def noticed(*arguments, **named):
        made = watch(*arguments, **named)
        ready.set()
        return made

    monkeypatch.setattr("strongroom.engine.workspaces.WorkspaceDesk.watch", lambda _, *a, **n: noticed(*a, **n))
    monkeypatch.setattr("strongroom.services.workspaces.LOOK_S", 0.01)
    thread = threading.Thread(target=change)
    thread.start()
    code = run(["workspace", "watch", "notes", *options])
    thread.join()
    return code, *capsys.readouterr()


def test_a_watch_prints_changes_until_the_workspace_is_closed(host, capsys, monkeypatch):
    code, out, err = watched(host, capsys, monkeypatch)
    assert (code, "SR-CLI-163" in err, "watching notes" in err) == (69, True, True)
    added, unreadable, deleted = out.splitlines()
    assert added.split() == ["add", "key", '"ü"', "(here)"]
    assert unreadable.startswith("unreadable  bad  plaintext")
    assert unreadable.endswith("(from elsewhere)")
    assert deleted.split() == ["delete", "key", "(here)"]


def test_a_watch_with_json_prints_one_document_a_line(host, capsys, monkeypatch):
    code, out, _ = watched(host, capsys, monkeypatch, "--json")
    assert code == 69
    documents = [json.loads(line) for line in out.splitlines()]
    changes = [each for each in documents if each["schema"] == "strongroom.workspace-change/v1"]
    assert [(each["action"], each["value"], each["remote"]) for each in changes] == [
        ("add", "ü", False),
        ("unreadable", None, True),
        ("delete", None, False),
    ]
