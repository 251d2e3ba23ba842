"""The encrypted store beyond the named cases: places of values, strict mode, locks, sealing again, refused values."""

import logging
from enum import IntEnum, StrEnum

import pytest

from strongroom.crypto.keys import Key
from strongroom.errors import InvalidInput, WrongState
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.reading import Present, Unreadable
from tests.fakes.replicas import START_MS, Replica, encrypted, keys, told_by

BROKEN = "wrong key material or corrupted blob"


@pytest.fixture
def replica():
    return Replica()


def sealed_value(replica, key="k"):
    return replica.lww.get(key)


@pytest.mark.parametrize(
    ("elsewhere", "key", "ts"),
    [
        ({"array": "table:b"}, "k", START_MS),
        ({"guid": "another"}, "k", START_MS),
        ({"owner_id": "mallory"}, "k", START_MS),
        ({}, "other", START_MS),
        ({}, "k", START_MS + 1),
    ],
    ids=["array", "workspace", "owner", "key", "an old value with a new time"],
)
def test_a_value_of_format_2_opens_only_where_it_was_sealed(elsewhere, key, ts):
    source = Replica(array="table:a")
    encrypted(source, 1, strict=True).set("k", "secret")
    target = Replica(2, array=elsewhere.get("array", "table:a"), guid=elsewhere.get("guid", "test-doc"))
    store = encrypted(target, 1, strict=True, owner_id=elsewhere.get("owner_id", "owner"))
    target.push((key, sealed_value(source), ts))
    assert store.read(key) == Unreadable(BROKEN, 1)
    same = Replica(3, array="table:a")
    untouched = encrypted(same, 1, strict=True)
    same.push(("k", sealed_value(source), START_MS))
    assert untouched.read("k") == Present("secret")


@pytest.mark.parametrize("byte", [0, 1, 2, 30, -1], ids=["format", "version", "nonce", "text", "tag"])
def test_a_changed_byte_of_format_2_is_noticed(replica, byte):
    """Row 7 of contract 17: the header too, also where the keys of both versions are the same."""
    key = Key(b"k" * 32)
    same_keys = WorkspaceKeys({1: key, 2: key, 3: key}, 2)
    store = encrypted(replica)
    store.activate(same_keys)
    store.set("k", "secret")
    blob = bytearray(sealed_value(replica))
    blob[byte] ^= 3
    replica.push(("k", bytes(blob), START_MS + 5))
    assert isinstance(store.read("k"), Unreadable)


def test_plaintext_of_a_peer_after_activation_is_refused_and_surfaced(replica, caplog):
    """Row 4 of contract 17."""
    store = encrypted(replica, 1, strict=True)
    store.set("mine", "sealed")
    told = told_by(store)
    with caplog.at_level(logging.WARNING):
        replica.push(("evil", {"role": "admin"}, START_MS + 1), ("mine", "replaced", START_MS + 2), origin="peer")
    assert told == []
    assert [message.split(":")[0] for message in caplog.messages] == [
        '[encrypted-kv] Failed to decrypt entry "evil"',
        '[encrypted-kv] Failed to decrypt entry "mine"',
    ]
    assert "admin" not in caplog.text
    assert [key for key, _ in store.unreadable()] == ["evil", "mine"]
    assert {reading.reason.split(";")[0] for _, reading in store.unreadable()} == {"plaintext after activation"}
    store.activate(keys(1, 2))
    assert len(store.unreadable()) == 2
    assert store.upgrade(100) == 0
    assert store.versions() == {0: 2}


def test_a_peer_cannot_fill_the_log(replica, caplog):
    store = encrypted(replica, 1, strict=True)
    told_by(store)
    with caplog.at_level(logging.WARNING):
        replica.push(*((f"k{number}", "plain", START_MS) for number in range(50)))
    assert len(caplog.messages) == 11
    assert caplog.messages[-1] == "[encrypted-kv] 40 more entries cannot be read"


def test_adopting_plaintext_is_explicit_counts_and_does_not_last(replica):
    replica.push(("old", {"n": 1}, 5))
    store = encrypted(replica, 1, strict=True)
    told = told_by(store)
    assert store.get("old") is None
    assert store.adopt_plaintext() == 1
    assert store.get("old") == {"n": 1}
    assert told == [({"old": ("add", {"n": 1})}, None)]
    assert replica.lww.entry("old").ts == 5
    assert store.adopt_plaintext() == 0
    replica.push(("new", 1, 6))
    assert [key for key, _ in store.unreadable()] == ["new"]


def test_before_activation_a_strict_store_is_a_plain_one(replica):
    store = encrypted(replica, strict=True)
    replica.push(("k", {"n": 1}, 5))
    assert store.get("k") == {"n": 1}


def test_locking_forgets_the_keys_and_unlocking_is_idempotent(replica):
    """Row 10 of contract 17."""
    store = encrypted(replica, 1, strict=True)
    store.set("k", "secret")
    told = told_by(store)
    store.lock()
    store.lock()
    assert (store.is_active, store.is_locked) == (False, True)
    assert store.read("k") == Unreadable("keyVersion=1, locked", 1)
    assert store.has("k")
    assert store.size == 1
    assert not any(isinstance(getattr(store, name, None), (Key, WorkspaceKeys)) for name in vars(store))
    replica.push(("plain", 1, START_MS + 1))
    assert isinstance(store.read("plain"), Unreadable)
    raw = replica.raw()
    for _ in range(2):
        store.activate(keys(1))
    assert store.get("k") == "secret"
    assert replica.raw() == raw
    assert told == [({"k": ("add", "secret")}, None)]


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.set("k", 1),
        lambda store: store.bulk_set([("k", 1)]),
        lambda store: store.delete("k"),
        lambda store: store.bulk_delete(["k"]),
        lambda store: store.clear(),
        lambda store: store.upgrade(1),
        lambda store: store.adopt_plaintext(),
    ],
    ids=["set", "bulk_set", "delete", "bulk_delete", "clear", "upgrade", "adopt"],
)
def test_a_locked_store_writes_nothing(replica, write):
    store = encrypted(replica, 1)
    store.set("k", "secret")
    raw = replica.raw()
    store.lock()
    with pytest.raises(WrongState) as refused:
        write(store)
    assert refused.value.code == "SR-WS-010"
    assert replica.raw() == raw


def test_a_plain_store_has_nothing_to_seal_with(replica):
    with pytest.raises(WrongState) as refused:
        encrypted(replica).upgrade(1)
    assert refused.value.code == "SR-WS-009"


def test_a_lock_during_reads_makes_the_rest_unreadable(replica):
    store = encrypted(replica, 1)
    store.bulk_set([("a", 1), ("b", 2)])
    reads = store.reads()
    assert next(reads) == ("a", Present(1))
    store.lock()
    assert next(reads) == ("b", Unreadable("keyVersion=1, locked", 1))


def test_clear_removes_what_cannot_be_read_too(replica):
    """Row 8 of contract 17."""
    encrypted(replica, 1).set("sealed", 1)
    other = Replica(2, update=replica.document.update_since())
    store = encrypted(other, 2)
    other.push(("plain", 1, START_MS + 5))
    store.set("mine", 2)
    assert len(store.unreadable()) == 1
    store.clear()
    assert other.raw() == []
    assert store.size == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1: 2}, {"x": {b"y"}}, 2**53, object()])
@pytest.mark.parametrize("versions", [(), (1,)], ids=["plain", "active"])
def test_values_that_json_cannot_carry_are_refused(replica, value, versions):
    """Ours, contract 7: upstream wrote null, an object of indices, or an empty text."""
    store = encrypted(replica, *versions)
    with pytest.raises(InvalidInput) as refused:
        store.bulk_set([("good", 1), ("bad", value)])
    assert refused.value.code == "SR-WS-008"
    assert replica.raw() == []


def test_values_nested_too_deep_are_refused_and_deep_ones_come_back(replica):
    store = encrypted(replica, 1)

    def nested(levels):
        value = 1
        for _ in range(levels):
            value = [value]
        return value

    store.set("deep", nested(90))
    assert store.get("deep") == nested(90)
    with pytest.raises(InvalidInput):
        store.set("deeper", nested(91))


def test_plaintext_written_by_javascript_is_shown_as_json_shows_it(replica):
    store = encrypted(replica)
    value = {"int": 3.0, "half": 0.5, "nan": float("nan"), "bytes": b"\x01\x02", "list": [1.0, None]}
    replica.push(("k", value, 5))
    assert store.get("k") == {"int": 3, "half": 0.5, "nan": None, "bytes": {"0": 1, "1": 2}, "list": [1, None]}
    assert type(store.get("k")["int"]) is int


@pytest.mark.parametrize("versions", [(), (1,)], ids=["plain", "active"])
def test_members_of_enums_are_stored_as_what_they_are_derived_from(replica, versions):
    class Colour(StrEnum):
        RED = "red"

    class Size(IntEnum):
        SMALL = 1

    store = encrypted(replica, *versions)
    store.set("k", {"colour": Colour.RED, "sizes": (Size.SMALL, 2.0)})
    assert store.get("k") == {"colour": "red", "sizes": [1, 2]}
    assert {type(each) for each in (store.get("k")["colour"], *store.get("k")["sizes"])} == {str, int}


def test_a_format_that_there_is_not_is_refused(replica):
    with pytest.raises(InvalidInput) as refused:
        encrypted(replica, write_format=3)
    assert refused.value.code == "SR-WS-011"


def test_nothing_secret_is_in_any_repr(replica):
    store = encrypted(replica, 1)
    store.set("k", "s3cret")
    shown = " ".join(map(repr, [store, store.read("k"), list(store.reads()), replica.lww, replica.lww.entries()]))
    shown += repr(vars(store)) + repr(replica.document) + repr(Document("d"))
    assert "s3cret" not in shown
    assert "\\x11" not in shown
    assert "1111" not in shown


def test_without_keys_a_store_behaves_and_writes_as_a_plain_one(replica):
    plain = Replica(1)
    store = encrypted(replica)
    for target in (plain.lww, store):
        target.set("a", {"n": 1})
        target.bulk_set([("b", "x"), ("c", None)])
        target.delete("b")
    assert replica.raw() == plain.raw()
