"""A password as the source of keys: the same one gives the same keys anywhere, and a change can be finished."""

import shutil

import pytest

from strongroom.crypto import password_key
from strongroom.errors import Conflict, Forbidden, InvalidInput, NotFound, WrongState
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.password import change_password, open_with_password, set_password
from strongroom.workspace.password_record import PasswordRecord, check_of, load_record, save_record
from strongroom.workspace.reading import Present, Unreadable
from strongroom.workspace.workspace import Workspace

NOTES = WorkspaceDefinition(id="notes", tables=(), kv=())
TABLE = "table:notes"


@pytest.fixture(autouse=True)
def few_iterations(monkeypatch):
    """What the full count gives is tested with the key itself."""
    monkeypatch.setattr(password_key, "ITERATIONS", 10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "password.json"


def opened(keyring, document=None, **options):
    clock = options.pop("now_ms", lambda: 1_764_000_000_000)
    return Workspace.create(NOTES, document=document, keyring=lambda: keyring, now_ms=clock, **options)


def copy_of(workspace, client_id=7):
    document = Document("notes", client_id=client_id)
    document.apply(workspace.document.update_since())
    return document


def nothing():
    pass


def test_the_same_password_gives_the_same_keys_wherever_the_record_was_copied(path, tmp_path):
    keyring = set_password(path, "correct horse")
    workspace = opened(keyring)
    workspace.store(TABLE).set("a", {"n": 1})
    shutil.copy2(path, tmp_path / "copy.json")
    elsewhere = open_with_password(tmp_path / "copy.json", "correct horse")
    assert elsewhere == keyring
    assert opened(elsewhere, copy_of(workspace)).store(TABLE).get("a") == {"n": 1}


def test_a_key_of_a_password_is_version_1(path):
    assert set_password(path, "correct horse").versions == (1,)


def test_two_workspaces_with_one_password_have_different_keys(path, tmp_path):
    assert set_password(path, "correct horse") != set_password(tmp_path / "other.json", "correct horse")


@pytest.mark.parametrize("wrong", ["", "Correct horse", "correct horse "], ids=["empty", "case", "space"])
def test_a_wrong_password_is_refused_before_anything_is_written_under_it(path, wrong):
    set_password(path, "correct horse")
    with pytest.raises(Forbidden, match="is not that of this workspace") as caught:
        open_with_password(path, wrong)
    assert "horse" not in f"{caught.value} {caught.value.details}"


def test_without_its_record_no_password_is_taken(path):
    with pytest.raises(NotFound, match="has no password here"):
        open_with_password(path, "correct horse")


def test_a_password_is_set_once_and_is_not_empty(path):
    with pytest.raises(InvalidInput, match="cannot be empty"):
        set_password(path, "")
    assert not path.exists()
    set_password(path, "one")
    record = load_record(path)
    with pytest.raises(Conflict, match="has a password"):
        set_password(path, "two")
    assert load_record(path) == record


def test_a_device_without_the_key_notices_sealed_values_and_shows_none(path):
    workspace = opened(set_password(path, "one"))
    workspace.store(TABLE).set("a", "secret")
    other = Workspace.create(NOTES, document=copy_of(workspace), keyring=None)
    reading = other.store(TABLE).read("a")
    assert reading == Unreadable("keyVersion=1, encryption not active", 1)
    assert other.store(TABLE).get("a") is None


def test_changing_the_password_seals_everything_anew_and_keeps_times_and_order(path):
    workspace = opened(set_password(path, "one"))
    workspace.store(TABLE).bulk_set([(str(number), number) for number in range(2_500)])
    workspace.store("kv").set("theme", "dark")
    before = [(entry.key, entry.ts) for entry in workspace.raw_store(TABLE).entries()]
    salt = load_record(path).salt
    done = change_password(workspace, path, "one", "two", settle=nothing)
    assert (done.sealed_again, done.unreadable) == (2_501, 0)
    assert [(entry.key, entry.ts) for entry in workspace.raw_store(TABLE).entries()] == before
    assert workspace.store(TABLE).get("7") == 7
    assert workspace.versions() == {TABLE: {2: 2_500}, "kv": {2: 1}}
    record = load_record(path)
    assert (record.salt, [version for version, _ in record.checks]) == (salt, [2])
    assert opened(open_with_password(path, "two"), copy_of(workspace)).store("kv").get("theme") == "dark"
    with pytest.raises(Forbidden):
        open_with_password(path, "one")


def test_the_old_key_opens_nothing_after_a_change(path):
    old = set_password(path, "one")
    workspace = opened(old)
    workspace.store(TABLE).set("a", "secret")
    change_password(workspace, path, "one", "two", settle=nothing)
    assert not isinstance(opened(old, copy_of(workspace)).store(TABLE).read("a"), Present)


def test_the_log_is_settled_when_all_is_sealed_anew_and_before_the_old_key_goes(path):
    workspace = opened(set_password(path, "one"))
    workspace.store(TABLE).set("a", 1)
    seen = []

    def settle():
        seen.append((workspace.versions()[TABLE], [version for version, _ in load_record(path).checks]))

    change_password(workspace, path, "one", "two", settle=settle)
    assert seen == [({2: 1}, [1, 2])]


def test_a_change_that_was_interrupted_is_finished_with_the_same_two_passwords(path):
    workspace = opened(set_password(path, "one"))
    workspace.store(TABLE).set("a", 1)
    start = copy_of(workspace)

    class Died(Exception):
        pass

    def die():
        raise Died

    with pytest.raises(Died):
        change_password(workspace, path, "one", "two", settle=die)
    # The document on disk is the old one, say: either password is taken, and each opens what is sealed under it.
    assert open_with_password(path, "one").versions == (1,)
    assert open_with_password(path, "two").versions == (2,)
    for wrong in (("one", "three"), ("two", "one"), ("three", "two")):
        with pytest.raises(Forbidden):
            change_password(workspace, path, *wrong, settle=nothing)
    again = opened(open_with_password(path, "one"), start)
    assert change_password(again, path, "one", "two", settle=nothing).sealed_again == 1
    assert again.store(TABLE).get("a") == 1
    assert [version for version, _ in load_record(path).checks] == [2]


def test_an_edit_that_another_device_made_under_the_old_password_wins_over_the_change(path):
    keyring = set_password(path, "one")
    workspace = opened(keyring)
    workspace.store(TABLE).set("a", "old")
    elsewhere = opened(keyring, copy_of(workspace), now_ms=lambda: 1_764_000_000_005)
    elsewhere.store(TABLE).set("a", "edited")
    change_password(workspace, path, "one", "two", settle=nothing)
    workspace.document.apply(elsewhere.document.update_since())
    # It is there and says so, although the key it was sealed with is forgotten.
    assert workspace.store(TABLE).read("a") == Unreadable("keyVersion=1 not in keyring [2]", 1)
    assert opened(keyring, copy_of(workspace)).store(TABLE).get("a") == "edited"


def test_what_no_key_opens_is_counted_and_stays(path):
    workspace = opened(set_password(path, "one"))
    workspace.raw_store(TABLE).set("a", b"\x01\x01" + bytes(60))
    done = change_password(workspace, path, "one", "two", settle=nothing)
    assert (done.sealed_again, done.unreadable) == (0, 1)
    assert workspace.raw_store(TABLE).get("a") == b"\x01\x01" + bytes(60)


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [("one", "", InvalidInput), ("one", "one", InvalidInput), ("wrong", "two", Forbidden), ("", "two", Forbidden)],
    ids=["empty", "the same", "wrong", "wrong and empty"],
)
def test_a_refused_change_changes_nothing(path, old, new, refused):
    workspace = opened(set_password(path, "one"))
    workspace.store(TABLE).set("a", 1)
    record, state = load_record(path), workspace.document.update_since()
    with pytest.raises(refused):
        change_password(workspace, path, old, new, settle=nothing)
    assert (load_record(path), workspace.document.update_since()) == (record, state)


def test_versions_begin_again_after_the_last(path):
    set_password(path, "one")
    record = load_record(path)
    key = password_key.key_of_password("one", record.salt)
    save_record(path, PasswordRecord(record.salt, ((255, check_of(record.salt, 255, key)),)))
    workspace = opened(open_with_password(path, "one"))
    workspace.store(TABLE).set("a", 1)
    change_password(workspace, path, "one", "two", settle=nothing)
    assert workspace.versions()[TABLE] == {1: 1}


def test_a_plain_workspace_has_no_password_to_change_and_its_record_stays(path):
    set_password(path, "one")
    record = load_record(path)
    with pytest.raises(WrongState):
        change_password(Workspace.create(NOTES, keyring=None), path, "one", "two", settle=nothing)
    assert load_record(path) == record
