"""The Yjs fixtures of upstream's stores, from their bytes: the same answers, or ours where contract 17 differs."""

import os

import pytest

from strongroom.workspace.document import Document
from strongroom.workspace.reading import Present, Unreadable
from strongroom.workspace.yjs.convert import v2_to_v1
from tests.fakes.replicas import FIXTURES, START_MS, Replica, encrypted, fixture_bytes, keys, told_by


def opened(name, array="kv", client_id=1):
    """A replica over the final state of the fixture ``name``."""
    fixture = FIXTURES[name]
    return Replica(client_id, array=array, guid=fixture["guid"], update=bytes.fromhex(fixture["updateV1"]))


def expected(fixture):
    return sorted((entry["key"], fixture_bytes(entry["val"])) for entry in fixture["expected"])


def present(store):
    return sorted((key, reading.value) for key, reading in store.reads() if isinstance(reading, Present))


def events(fixture, name="events"):
    return [
        (
            {change["key"]: (change["action"], fixture_bytes(change.get("newValue"))) for change in event["changes"]},
            fixture_bytes(event["origin"]),
        )
        for event in fixture[name]
    ]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("plaintext-lww", "table:posts"),
        ("encrypted-lww", "table:secrets"),
        ("activation", "kv"),
        ("first-activation-current-version", "kv"),
        ("conflict-AB", "kv"),
        ("equal-ts-tie", "kv"),
        ("reencrypt-clobber", "kv"),
        ("aad-scope", "table:a"),
        ("aad-scope", "table:b"),
        ("json-edge", "kv"),
    ],
)
def test_the_raw_entries_are_those_of_upstream(name, array):
    replica = opened(name, array)
    raw = [(entry.key, entry.val, entry.ts) for entry in replica.lww.entries()]
    assert raw == [(each["key"], fixture_bytes(each["val"]), each["ts"]) for each in FIXTURES[name]["arrays"][array]]


def test_plaintext_lww_gives_entries_size_and_presence():
    """Entries come in the order of the array, which upstream's map of entries does not keep."""
    fixture, replica = FIXTURES["plaintext-lww"], opened("plaintext-lww", "table:posts")
    store = encrypted(replica)
    assert present(store) == expected(fixture)
    assert {entry.key: entry.ts for entry in replica.lww.entries()} == {e["key"]: e["ts"] for e in fixture["expected"]}
    assert store.size == fixture["size"]
    assert {key: store.has(key) for key in fixture["has"]} == fixture["has"]


@pytest.mark.parametrize(
    ("name", "array", "versions"), [("plaintext-lww", "table:posts", ()), ("encrypted-lww", "table:secrets", (1,))]
)
def test_incremental_updates_give_the_notifications_of_upstream(name, array, versions):
    fixture = FIXTURES[name]
    replica = Replica(array=array, guid=fixture["guid"])
    store = encrypted(replica, *versions)
    told = told_by(store)
    for update in fixture["updatesV1"]:
        replica.document.apply_untrusted(bytes.fromhex(update))
    assert told == events(fixture)
    assert present(store) == expected(fixture)


def test_encrypted_lww_opens_and_writes_the_same_bytes(monkeypatch):
    fixture = FIXTURES["encrypted-lww"]
    replica = Replica(array="table:secrets", guid=fixture["guid"])
    store = encrypted(replica, 1, write_format=1)
    counter = iter(range(1, 100))
    monkeypatch.setattr(os, "urandom", lambda size: b"\xa0" * (size - 4) + next(counter).to_bytes(4, "big"))
    steps = [
        ("s1", {"token": "abc", "n": 1}),
        ("s2", "日本語🔐"),
        ("s3", None),
        ("ключ-🔑", [1, 2, 3]),
        ("s1", {"token": "rotated"}),
    ]
    for key, value in steps:
        store.set(key, value)
        replica.clock.now_ms += 1
    store.delete("s2")
    store.bulk_set([("b1", 1), ("b2", "")])
    assert [(entry.key, entry.val) for entry in replica.lww.entries()] == [
        (each["key"], fixture_bytes(each["val"])) for each in fixture["arrays"]["table:secrets"]
    ]


def test_activation_goes_through_two_keyrings():
    """Rows 1 and 2 of contract 17: times and places stay, and every entry that became readable is announced."""
    fixture = FIXTURES["activation"]
    replica = Replica(guid=fixture["guid"], update=v2_to_v1(bytes.fromhex(fixture["beforeV2"])))
    before = [(each["key"], fixture_bytes(each["val"]), each["ts"]) for each in fixture["before"]]
    assert [(entry.key, entry.val, entry.ts) for entry in replica.lww.entries()] == before
    store = encrypted(replica, write_format=1)
    told = told_by(store)
    assert store.size == fixture["passthrough"]["size"]
    assert present(store) == [tuple(entry) for entry in fixture["passthrough"]["entries"]]

    store.activate(keys(1, 2))
    assert told == [({"v1blob": ("add", "one"), "v2blob": ("add", "two")}, None)]
    assert present(store) == sorted(tuple(entry) for entry in fixture["stateActivate12"]["entries"])
    assert len(store.unreadable()) == fixture["stateActivate12"]["unreadable"]
    assert store.versions() == {2: 4, 3: 1, 1: 1}

    store.activate(keys(1, 2, 3))
    assert told[1:] == [({"v3blob": ("add", "three")}, None)]
    assert present(store) == sorted(tuple(entry) for entry in fixture["stateActivate123"]["entries"])
    assert [reading.key_version for _, reading in store.unreadable()] == [1, 2]
    upstream = {each["key"]: fixture_bytes(each["val"])[:2] for each in fixture["afterActivate123"]}
    assert {entry.key: entry.val[:2] for entry in replica.lww.entries()} == upstream
    assert [(entry.key, entry.ts) for entry in replica.lww.entries()] == [(key, ts) for key, _, ts in before]

    raw = replica.raw()
    store.activate(keys(1, 2, 3))
    assert replica.raw() == raw
    assert len(told) == 2


def test_activation_of_upstream_is_read_as_it_left_it():
    store = encrypted(opened("activation"), 1, 2, 3, write_format=1)
    assert present(store) == sorted(tuple(entry) for entry in FIXTURES["activation"]["stateActivate123"]["entries"])


def test_first_activation_announces_what_is_at_the_current_version():
    """Row 2 of contract 17: upstream told nobody."""
    fixture, replica = FIXTURES["first-activation-current-version"], opened("first-activation-current-version")
    store = encrypted(replica, write_format=1)
    told = told_by(store)
    raw = replica.raw()
    assert store.get("x") is None
    store.activate(keys(1))
    assert store.get("x") == fixture["getAfter"]
    assert told == [({"x": ("add", "hi")}, None)]
    assert replica.raw() == raw


def two_peers(name):
    fixture = FIXTURES[name]
    updates = [v2_to_v1(bytes.fromhex(fixture[f"client{side}UpdateV2"])) for side in "AB"]
    return [Replica(client, guid=fixture["guid"], update=update) for client, update in enumerate(updates, 1)], updates


def test_conflict_ab_converges_on_the_later_edit():
    fixture = FIXTURES["conflict-AB"]
    replicas, updates = two_peers("conflict-AB")
    stores = [encrypted(replica, 1, write_format=1) for replica in replicas]
    told = told_by(stores[0])
    for replica, update in zip(replicas, reversed(updates), strict=True):
        replica.document.apply(update, origin="remote")
    assert [store.get("x") for store in stores] == [fixture["valueA"], fixture["valueB"]] == ["B", "B"]
    assert told == events(fixture, "eventsA")[1:]
    assert replicas[0].raw() == replicas[1].raw()


def test_equal_ts_tie_is_won_by_the_rightmost_entry():
    fixture = FIXTURES["equal-ts-tie"]
    replicas, updates = two_peers("equal-ts-tie")
    for replica, update in zip(replicas, reversed(updates), strict=True):
        replica.document.apply(update)
    assert [replica.lww.get("x") for replica in replicas] == [fixture["winnerOnA"], fixture["winnerOnB"]]
    merged = Document(fixture["guid"], client_id=7)
    for update in updates:
        merged.apply(update)
    fresh = Replica(document=merged)
    assert fresh.lww.get("x") == fixture["winnerOnFreshCtor"]
    assert len(fresh.raw()) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_reencrypt_clobber_ends_with_the_newer_edit(strict):
    """Row 1 of contract 17: what the fixture does with upstream's outcome ``old``, done here, ends with the edit."""
    fixture = FIXTURES["reencrypt-clobber"]
    stale, editor = Replica(1, guid=fixture["guid"]), Replica(2, guid=fixture["guid"])
    a, b = encrypted(stale, strict=strict), encrypted(editor, strict=strict)
    a.set("x", "old")
    editor.receive(stale)
    editor.clock.now_ms += 1000
    b.set("x", "newer edit on B")
    stale.clock.now_ms += 2000
    a.activate(keys(1))
    if strict:
        assert a.adopt_plaintext() == 1
    stale.receive(editor)
    editor.receive(stale)
    assert stale.lww.get("x") == editor.lww.get("x") == "newer edit on B"
    assert fixture["winner"] == "old"


def test_aad_scope_holds_for_format_1_as_upstream_left_it():
    fixture = FIXTURES["aad-scope"]
    document = Document(fixture["guid"], client_id=1)
    document.apply(bytes.fromhex(fixture["updateV1"]))
    a = encrypted(Replica(array="table:a", document=document), 1, write_format=1)
    b = encrypted(Replica(array="table:b", document=document), 1, write_format=1)
    assert b.get("id1") == a.get("id1") == fixture["crossTable"]
    assert a.read("id2") == Unreadable("wrong key material or corrupted blob", 1)


def test_json_edge_is_read_as_upstream_wrote_it():
    fixture = FIXTURES["json-edge"]
    store = encrypted(opened("json-edge"), 1, write_format=1)
    assert present(store) == expected(fixture)
    assert [key for key, _ in store.unreadable()] == ["u"]
    assert len(store.unreadable()) == fixture["unreadableEntryCount"]
    # Row 9 of contract 17: upstream's has and size leave the unreadable entry out.
    assert store.has("u")
    assert store.size == fixture["size"] + fixture["unreadableEntryCount"]


def test_the_vectors_begin_when_the_tests_do():
    assert FIXTURES["plaintext-lww"]["arrays"]["table:posts"][0]["ts"] == START_MS + 3
