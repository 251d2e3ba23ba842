"""The 26 cases of the encrypted wrapper that contract 18 names, and the four of the tri-state reading."""

import logging

import pytest

from strongroom.crypto.workspace_blob import get_key_version, is_encrypted_blob, seal_value
from strongroom.workspace.reading import Absent, Present, Unreadable
from tests.fakes.replicas import KEYS, START_MS, Clock, Replica, encrypted, exchange, keys, told_by

BOTH = pytest.mark.parametrize("write_format", [1, 2], ids=["format 1", "format 2"])


def blob(text, version, key):
    """A value of format 1 as a JavaScript peer seals it."""
    return seal_value(KEYS[version], version, text.encode(), key.encode())


def values(store):
    return {key: reading.value for key, reading in store.reads() if isinstance(reading, Present)}


@BOTH
def test_set_encrypts_get_decrypts_round_trip(write_format):
    store = encrypted(Replica(), 1, write_format=write_format)
    store.set("k", "secret")
    assert store.get("k") == "secret"


@BOTH
def test_values_in_y_array_are_encrypted(write_format):
    replica = Replica()
    encrypted(replica, 1, write_format=write_format).set("k", "secret")
    (value,) = replica.raw()
    assert is_encrypted_blob(value["val"])
    assert value["val"][:2] == bytes([write_format, 1])
    assert b"secret" not in replica.document.update_since()


@BOTH
def test_complex_object_round_trip(write_format):
    value = {"n": 1.5, "i": 3, "t": "日本語🔐", "l": [1, {"x": None}], "b": True, "big": 2**53 - 1, "lone": "\ud800"}
    store = encrypted(Replica(), 1, write_format=write_format)
    store.set("k", value)
    assert store.get("k") == value


def test_delete_works():
    replica = Replica()
    store = encrypted(replica, 1)
    store.set("k", 1)
    store.delete("k")
    assert store.read("k") == Absent()
    assert replica.raw() == []


def test_has_works():
    store = encrypted(Replica(), 1)
    store.set("k", 1)
    assert store.has("k")
    assert not store.has("other")


def test_entries_returns_decrypted_values():
    store = encrypted(Replica(), 1)
    store.bulk_set([("a", 1), ("b", {"x": 2})])
    assert list(store.reads()) == [("a", Present(1)), ("b", Present({"x": 2}))]


def test_when_no_key_is_provided_set_and_get_work_as_plaintext():
    store = encrypted(Replica())
    store.set("k", {"n": 1})
    assert store.get("k") == {"n": 1}
    assert not store.is_active


def test_when_no_key_is_provided_y_array_contains_plaintext():
    replica = Replica()
    encrypted(replica).set("k", {"n": 1})
    assert replica.raw() == [{"key": "k", "val": {"n": 1}, "ts": START_MS}]


def test_observer_receives_decrypted_values_on_add():
    store = encrypted(Replica(), 1)
    told = told_by(store)
    store.set("k", {"n": 1})
    assert told == [({"k": ("add", {"n": 1})}, None)]


def test_observer_receives_decrypted_values_on_update():
    store = encrypted(Replica(), 1)
    store.set("k", 1)
    told = told_by(store)
    store.set("k", 2)
    assert told == [({"k": ("update", 2)}, None)]


def test_observer_receives_correct_action_on_delete():
    store = encrypted(Replica(), 1)
    store.set("k", 1)
    told = told_by(store)
    store.delete("k")
    assert told == [({"k": ("delete", None)}, None)]


def test_unobserve_stops_notifications():
    """As in the later reading API, ``observe`` returns what ends it."""
    store = encrypted(Replica(), 1)
    told = []
    end = store.observe(lambda changes, _: told.append(changes))
    store.set("k", 1)
    end()
    store.set("k", 2)
    assert len(told) == 1


def test_reads_plaintext_entries_as_is_when_key_exists():
    """Row 4 of contract 17: only where the store is not strict."""
    replica = Replica()
    replica.push(("plain", {"n": 1}, 5))
    assert encrypted(replica, 1).get("plain") == {"n": 1}
    late = Replica(2)
    store = encrypted(late, 1)
    late.push(("plain", {"n": 1}, 5))
    assert store.get("plain") == {"n": 1}


def test_reads_encrypted_entries_correctly():
    replica = Replica()
    replica.push(("k", blob('{"n":1}', 1, "k"), 5))
    assert encrypted(replica, 1).get("k") == {"n": 1}


def test_mixed_entries_some_plaintext_some_encrypted():
    replica = Replica()
    store = encrypted(replica, 1)
    replica.push(("plain", "p", 5), ("sealed", blob('"s"', 1, "sealed"), 6))
    assert values(store) == {"plain": "p", "sealed": "s"}


@BOTH
def test_encrypted_value_syncs_and_decrypts_correctly(write_format):
    one, two = Replica(1), Replica(2)
    sender, reader = encrypted(one, 1, write_format=write_format), encrypted(two, 1, write_format=write_format)
    told = told_by(reader)
    sender.set("k", "secret")
    exchange(one, two)
    assert reader.get("k") == "secret"
    assert told == [({"k": ("add", "secret")}, "remote")]


@BOTH
def test_lww_conflict_resolution_works_through_encryption(write_format):
    one, two = Replica(1), Replica(2, clock=Clock(START_MS + 1000))
    first, second = encrypted(one, 1, write_format=write_format), encrypted(two, 1, write_format=write_format)
    first.set("k", "earlier")
    second.set("k", "later")
    exchange(one, two)
    assert first.get("k") == second.get("k") == "later"


def test_passthrough_then_encrypted_via_activate_encryption():
    replica = Replica()
    store = encrypted(replica)
    store.set("before", 1)
    store.activate(keys(1))
    store.set("after", 2)
    assert values(store) == {"before": 1, "after": 2}
    assert all(is_encrypted_blob(value["val"]) for value in replica.raw())


def test_activate_encryption_encrypts_existing_plaintext_entries_in_place():
    """Row 1 of contract 17: in place means the same time and the same position too."""
    replica = Replica()
    store = encrypted(replica)
    store.bulk_set([("a", 1), ("b", 2), ("c", 3)])
    before = [(value["key"], value["ts"]) for value in replica.raw()]
    replica.clock.now_ms += 5000
    store.activate(keys(1))
    assert [(value["key"], value["ts"]) for value in replica.raw()] == before
    assert all(is_encrypted_blob(value["val"]) for value in replica.raw())
    assert values(store) == {"a": 1, "b": 2, "c": 3}


def test_set_in_batch_is_readable_via_get_in_same_batch():
    replica = Replica()
    store = encrypted(replica, 1)
    with replica.document.transaction():
        store.set("k", "secret")
        assert store.get("k") == "secret"
        assert store.has("k")


def test_multiple_sets_in_batch_all_visible_via_entries():
    replica = Replica()
    store = encrypted(replica, 1)
    with replica.document.transaction():
        store.set("a", 1)
        store.set("b", 2)
        assert values(store) == {"a": 1, "b": 2}


def test_corrupted_blob_does_not_crash_observation(caplog):
    replica = Replica()
    store = encrypted(replica, 1)
    told = told_by(store)
    good = blob('"x"', 1, "bad")
    with caplog.at_level(logging.WARNING):
        replica.push(("bad", good[:-1] + bytes([good[-1] ^ 1]), 5))
    assert told == []
    warning = '[encrypted-kv] Failed to decrypt entry "bad": wrong key material or corrupted blob'
    assert warning in caplog.messages


def test_observation_continues_after_decrypt_failure():
    replica = Replica()
    store = encrypted(replica, 1)
    told = told_by(store)
    replica.push(("bad", blob('"x"', 1, "another key"), 5), ("good", blob('"y"', 1, "good"), 6))
    store.set("next", 1)
    assert told == [({"good": ("add", "y")}, None), ({"next": ("add", 1)}, None)]


@BOTH
def test_key_rotation_upgrades_old_version_ciphertext_to_the_new_current_version(write_format):
    replica = Replica()
    store = encrypted(replica, 1, write_format=write_format)
    store.set("k", "secret")
    store.activate(keys(1, 2))
    assert get_key_version(replica.raw()[0]["val"]) == 2
    assert store.get("k") == "secret"


def test_activate_encryption_does_not_emit_spurious_events_for_plaintext_re_encryption():
    store = encrypted(Replica())
    store.set("k", 1)
    told = told_by(store)
    store.activate(keys(1))
    store.activate(keys(1, 2))
    assert told == []


@BOTH
def test_multi_version_keyring_upgrades_all_decryptable_entries_to_the_current_version(write_format):
    replica = Replica()
    for version in (1, 2):
        replica.push((f"v{version}", blob(f'"{version}"', version, f"v{version}"), version))
    replica.push(("v3", blob('"3"', 3, "v3"), 3), ("plain", "p", 4))
    store = encrypted(replica, 1, 2, write_format=write_format)
    assert store.versions() == {2: 3, 3: 1}
    assert values(store) == {"v1": "1", "v2": "2", "plain": "p"}


# Tri-state.


def test_present_a_readable_entry_reports_state_present_with_its_value():
    store = encrypted(Replica(), 1)
    store.set("k", {"n": 1})
    assert store.read("k") == Present({"n": 1})


def test_absent_a_missing_key_reports_state_absent():
    assert encrypted(Replica(), 1).read("nothing") == Absent()


def test_unreadable_a_blob_whose_key_version_is_absent_reports_state_unreadable_with_the_reason():
    replica = Replica()
    replica.push(("k", blob('"x"', 3, "k"), 5))
    store = encrypted(replica)
    assert store.read("k") == Unreadable("keyVersion=3, encryption not active", 3)
    store.activate(keys(1, 2))
    assert store.read("k") == Unreadable("keyVersion=3 not in keyring [2, 1]", 3)
    assert store.unreadable() == [("k", Unreadable("keyVersion=3 not in keyring [2, 1]", 3))]


def test_has_means_raw_existence_and_agrees_with_size_across_present_and_unreadable_rows():
    """Row 9 of contract 17."""
    replica = Replica()
    replica.push(("sealed", blob('"x"', 3, "sealed"), 5), ("plain", 1, 6))
    for store in (encrypted(replica), encrypted(Replica(2, update=replica.document.update_since()), 1)):
        assert [store.has(key) for key in ("sealed", "plain", "nothing")] == [True, True, False]
        assert store.size == len(list(store.reads())) == 2
        assert store.get("sealed") is None
