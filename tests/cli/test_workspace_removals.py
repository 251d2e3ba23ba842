"""``strongroom workspace discard`` and ``wipe``: what goes is shown first, and goes only with a yes."""

import json

import pytest

from strongroom.cli.main import run
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import seal_value
from tests.fakes.workspace_host import WorkspaceHost

FORGED = seal_value(Key(bytes(32)), 1, b'"x"', b"elsewhere")
OF_SEVEN = seal_value(Key(bytes(32)), 7, b'"x"', b"key")


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        made.open()
        yield made


@pytest.fixture
def said(host, capsys):
    """Run a command: its exit code, its document or text, and what it said beside it."""

    def call(*arguments):
        code = run(["workspace", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def test_what_cannot_be_opened_is_listed_and_goes_with_a_yes(host, said):
    host.push_plaintext("kv", bad=FORGED)
    host.push_plaintext("table:tasks", row=FORGED)
    code, out, err = said("discard", "notes", "--dry-run")
    assert (code, "entry tasks/row" in out, "2 would go for good; nothing was changed" in err) == (0, True, True)
    code, _, err = said("discard", "notes", "--no-input")
    assert (code, "--yes" in err) == (2, True)
    code, document, err = said("discard", "notes", "--yes", "--json")
    assert (code, document["schema"], document["discarded"]) == (0, "strongroom.workspace-discarded/v1", True)
    assert sorted(each["place"] for each in document["entries"]) == ["bad", "tasks/row"]
    assert said("verify", "notes")[0] == 0
    code, _, err = said("discard", "notes")
    assert (code, "everything can be opened" in err) == (0, True)


def test_what_only_lacks_a_key_needs_its_own_word(host, said):
    host.push_plaintext("kv", away=OF_SEVEN)
    code, out, err = said("discard", "notes", "--dry-run", "--entries")
    assert (code, "v7" in out, "--even-unheld" in err) == (0, True, True)
    code, _, err = said("discard", "notes", "--yes")
    assert (code, "SR-WS-121" in err) == (65, True)
    assert said("discard", "notes", "--rows", "--yes")[0] == 0, "no row lacks anything"
    assert said("discard", "notes", "--even-unheld", "--yes")[0] == 0
    assert said("verify", "notes")[0] == 0


def test_a_project_is_wiped_after_it_was_unmounted(host, said):
    project = str(host.project)
    code, _, err = said("wipe", project, "--owner-id", "shared", "--yes")
    assert (code, "SR-MOUNT-037" in err, "unmount notes" in err) == (65, True, True)
    assert said("unmount", "notes")[0] == 0
    code, document, _ = said("wipe", project, "--owner-id", "shared", "--dry-run", "--json")
    log = ".strongroom/log/epicenter/local/owners/shared/notes.db"
    assert (code, document["schema"], document["wiped"]) == (0, "strongroom.workspace-wiped/v1", False)
    assert log in document["paths"]
    assert (host.project / log).exists()
    code, _, err = said("wipe", project, "--owner-id", "shared", "--no-input")
    assert (code, "--yes" in err) == (2, True)
    code, _, err = said("wipe", project, "--owner-id", "shared", "--yes")
    assert (code, log in err, "are gone for good" in err) == (0, True, True)
    assert not (host.project / log).exists()
    code, _, err = said("wipe", project, "--owner-id", "nobody", "--yes")
    assert (code, "nobody has nothing" in err) == (0, True)
