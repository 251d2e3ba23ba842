"""Old values become values of today, and keep their time and their place."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto.base64_text import encode_base64
from strongroom.crypto.keyring_entry import Keyring, entry_of
from strongroom.crypto.keys import Key
from strongroom.crypto.password_key import archived_salt, key_of_password
from strongroom.crypto.workspace_blob import get_format_version, get_key_version, is_encrypted_blob
from strongroom.errors import WrongState
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.document import Document
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.migration import migrate
from strongroom.workspace.reading import Present, Unreadable
from strongroom.workspace.workspace import Workspace

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "epicenter-archived.json").read_text())
SECRET = "a deployment's secret"
CLOUD = Key.from_secret(SECRET.encode())
RING = Keyring((entry_of(1, Key(b"\x11" * 32)), entry_of(2, Key(b"\x22" * 32))))
NOTES = WorkspaceDefinition(id="notes", tables=(), kv=())
TABLE = "table:notes"
NOW = 1_764_000_000_000


def archived(value, key=CLOUD, nonce=bytes(12)):
    sealed = AESGCM(key._raw).encrypt(nonce, json.dumps(value).encode(), None)
    return {"v": 1, "ct": encode_base64(nonce + sealed)}


def document_of(client_id=1, **arrays):
    """A document as a program without keys left it."""
    document = Document("notes", client_id=client_id)
    for name, entries in arrays.items():
        store = LwwStore(document, "kv" if name == "kv" else f"table:{name}", now_ms=lambda: NOW)
        for key, value in entries.items():
            store.set(key, value)
    return document


def copy_of(document, client_id=2):
    copy = Document("notes", client_id=client_id)
    copy.apply(document.update_since())
    return copy


def opened(document, client_id=2, **options):
    return Workspace.create(
        NOTES, document=copy_of(document, client_id), keyring=lambda: RING, owner_id="alice", **options
    )


def raw(workspace, array=TABLE):
    return {entry.key: (entry.val, entry.ts) for entry in workspace.raw_store(array).entries()}


OLD = {
    "row": archived({"id": "row", "title": "naïve", "_v": 1}),
    "plain": {"id": "plain", "_v": 1},
    "text": archived("x" * 3_000),
    "null": archived(None),
    "number": 7,
}


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])
@pytest.mark.parametrize("write_format", [1, 2])
def test_archived_values_and_plaintext_are_sealed_under_the_writing_version(strict, write_format):
    workspace = opened(document_of(notes=OLD, kv={"theme": "dark"}), strict=strict, write_format=write_format)
    report = migrate(workspace, [CLOUD])
    assert (report.archived, report.plaintext, report.sealed_before, report.unreadable) == (3, 3, 0, ())
    for array, keys in ((TABLE, OLD), ("kv", ["theme"])):
        found = raw(workspace, array)
        assert found.keys() == set(keys)
        for value, _ts in found.values():
            assert is_encrypted_blob(value)
            assert (get_format_version(value), get_key_version(value)) == (write_format, 2)
    assert workspace.store(TABLE).get("row") == {"id": "row", "title": "naïve", "_v": 1}
    assert workspace.store(TABLE).read("null") == Present(None)
    assert workspace.store(TABLE).get("text") == "x" * 3_000
    assert workspace.store(TABLE).get("number") == 7
    assert workspace.store("kv").get("theme") == "dark"


def test_time_and_order_of_the_entries_stay():
    workspace = opened(document_of(notes=OLD))
    before = [(entry.key, entry.ts) for entry in workspace.raw_store(TABLE).entries()]
    migrate(workspace, [CLOUD])
    assert [(entry.key, entry.ts) for entry in workspace.raw_store(TABLE).entries()] == before
    assert [key for key, _ in before] == list(OLD)


def test_an_edit_that_was_made_elsewhere_meanwhile_wins_over_the_migration():
    start = document_of(notes={"a": archived("old"), "b": "old"})
    elsewhere = copy_of(start, client_id=3)
    LwwStore(elsewhere, TABLE, now_ms=lambda: NOW + 5).bulk_set([("a", "edited"), ("b", "edited")])
    for first_known in (True, False):
        workspace = opened(start, strict=False)
        if first_known:
            migrate(workspace, [CLOUD])
        workspace.document.apply(elsewhere.update_since())
        assert workspace.store(TABLE).get("a") == workspace.store(TABLE).get("b") == "edited"


def test_two_devices_that_both_migrate_converge_on_readable_values():
    start = document_of(notes=OLD)
    one, other = opened(start, 2), opened(start, 3)
    for workspace in (one, other):
        migrate(workspace, [CLOUD])
    one.document.apply(other.document.update_since())
    other.document.apply(one.document.update_since())
    one.document.apply(other.document.update_since())  # what either removed when it saw the other
    assert raw(one) == raw(other)
    for workspace in (one, other):
        assert not workspace.unreadable()
        assert workspace.store(TABLE).get("plain") == {"id": "plain", "_v": 1}
        assert workspace.store(TABLE).size == len(OLD)


BAD = {
    "wrong key": archived("x", Key(bytes(32))),
    "future version": {"v": 2, "ct": archived("x")["ct"]},
    "no base64": {"v": 1, "ct": "!!!!"},
    "cut": {"v": 1, "ct": archived("x")["ct"][:20]},
    "short bytes": b"\x01\x02",
}


def test_what_does_not_open_stays_as_it_was_and_is_reported_with_its_reason():
    document = document_of(notes={**BAD, "good": archived("fine")})
    no_json = {"v": 1, "ct": encode_base64(bytes(12) + AESGCM(CLOUD._raw).encrypt(bytes(12), b"{", None))}
    LwwStore(copy := copy_of(document, 9), TABLE, now_ms=lambda: NOW).set("no json", no_json)
    workspace = opened(copy)
    before = raw(workspace)
    report = migrate(workspace, [CLOUD])
    assert (report.archived, report.plaintext) == (1, 0)
    assert {found.key: found.reason for found in report.unreadable} == {
        **dict.fromkeys(BAD, "an archived value that no given key opens"),
        "short bytes": "plaintext that JSON cannot carry",
        "no json": "an archived value that holds no JSON",
    }
    assert {key: value for key, value in raw(workspace).items() if key != "good"} == {
        key: value for key, value in before.items() if key != "good"
    }
    assert isinstance(workspace.store(TABLE).read("wrong key"), Unreadable)


def test_no_key_at_all_leaves_archived_values_and_seals_plaintext():
    workspace = opened(document_of(notes=OLD))
    report = migrate(workspace)
    assert (report.archived, report.plaintext, len(report.unreadable)) == (0, 2, 3)
    later = migrate(workspace, [CLOUD])
    assert (later.archived, later.plaintext, later.sealed_before, later.unreadable) == (3, 0, 2, ())


def test_keys_are_tried_in_turn():
    password = key_of_password("hunter2", archived_salt("user123", "notes"))
    workspace = opened(document_of(notes={"cloud": archived(1), "password": archived(2, password)}))
    report = migrate(workspace, [Key(bytes(32)), password, CLOUD])
    assert (report.archived, report.unreadable) == (2, ())
    assert [workspace.store(TABLE).get(key) for key in ("cloud", "password")] == [1, 2]


def test_values_that_the_original_wrote_are_migrated_as_they_read():
    cases = [case for case in VECTORS["encryptValue"] if is_json(case["decrypted"])]
    assert len(cases) > 3
    document = document_of(notes={str(number): case["blob"] for number, case in enumerate(cases)})
    workspace = opened(document)
    migrate(workspace, [Key(bytes.fromhex(key)) for key in sorted({case["key"] for case in cases})])
    for number, case in enumerate(cases):
        assert workspace.store(TABLE).get(str(number)) == json.loads(case["decrypted"])


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_an_archived_value_that_was_sealed_as_plaintext_before_is_found_in_it():
    looks_like_one = {"v": 1, "ct": "the user's own"}
    workspace = opened(document_of(notes={"old": archived("inside"), "own": looks_like_one, "row": {"a": 1}}))
    assert workspace.store(TABLE).adopt_plaintext() == 3
    assert workspace.store(TABLE).get("old") == archived("inside")
    report = migrate(workspace, [CLOUD])
    assert (report.archived, report.plaintext, report.sealed_before, report.unreadable) == (1, 0, 2, ())
    assert workspace.store(TABLE).get("old") == "inside"
    assert workspace.store(TABLE).get("own") == looks_like_one
    assert migrate(workspace, [CLOUD]).archived == 0


def test_running_it_twice_changes_nothing():
    workspace = opened(document_of(notes=OLD, kv={"theme": "dark"}))
    migrate(workspace, [CLOUD])
    state = workspace.document.update_since()
    report = migrate(workspace, [CLOUD])
    assert (report.archived, report.plaintext, report.sealed_before, report.unreadable) == (0, 0, 6, ())
    assert workspace.document.update_since() == state


def test_a_dry_run_counts_and_writes_nothing():
    workspace = opened(document_of(notes={**OLD, **BAD}))
    state = workspace.document.update_since()
    dry = migrate(workspace, [CLOUD], dry_run=True)
    assert workspace.document.update_since() == state
    assert dry == migrate(workspace, [CLOUD])
    assert workspace.document.update_since() != state


def test_it_is_one_update_whose_origin_is_nobodys():
    workspace = opened(document_of(notes=OLD))
    updates, changes = [], []
    workspace.document.on_update(lambda update, origin: updates.append(origin))
    workspace.store(TABLE).observe(lambda changed, origin: changes.append((set(changed), origin)))
    migrate(workspace, [CLOUD])
    assert updates == [None]
    # What became readable is told, once.
    assert [keys for keys, _ in changes] == [set(OLD)]
    assert [origin for _, origin in changes] == [None]


def test_more_than_one_message_carries_goes_in_several_updates(monkeypatch):
    monkeypatch.setattr("strongroom.workspace.migration.BATCH_BYTES_MAX", 50)
    workspace = opened(document_of(notes={str(number): "x" * 20 for number in range(6)}))
    updates = []
    workspace.document.on_update(lambda update, origin: updates.append(update))
    assert migrate(workspace).plaintext == 6
    assert len(updates) == 3
    assert not workspace.unreadable()


def test_a_workspace_without_keys_or_with_a_lock_is_refused():
    plain = Workspace.create(NOTES, document=copy_of(document_of(notes=OLD)), keyring=None, owner_id="alice")
    with pytest.raises(WrongState, match="opened without a keyring"):
        migrate(plain, [CLOUD])
    locked = opened(document_of(notes=OLD))
    locked.lock()
    with pytest.raises(WrongState, match="it is locked"):
        migrate(locked, [CLOUD])
