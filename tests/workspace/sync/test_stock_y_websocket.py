"""Browsers: the stock provider of y-websocket, unchanged, syncs with the relay and with encrypted stores behind it."""

import time

import pytest

from strongroom.keyring.workspace_keys import derive_workspace_keys
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.limits import RelayTimes
from tests.fakes.canary import Canary
from tests.fakes.node import NodeProcess
from tests.fakes.relay_rig import RelayRig, append, connected, in_step, new_documents, until, values
from tests.fakes.workspace_rig import keyring


@pytest.fixture
def rig(tmp_path):
    with RelayRig(tmp_path) as made:
        yield made


@pytest.fixture
def page():
    with NodeProcess("peer.cjs") as process:
        yield process


@pytest.fixture
def other_page():
    with NodeProcess("peer.cjs") as process:
        yield process


def opened(rig, page, device, **more):
    """Connect a page with its token in the query, as y-websocket can send no headers."""
    page.ask("connect", base=rig.base, room="notes", params={"deviceId": device, "token": "alice-writes"}, **more)
    page.ask("synced")


def test_two_pages_and_a_python_client_sync_both_ways(rig, page, other_page):
    opened(rig, page, "a")
    opened(rig, other_page, "b")
    (document,) = new_documents(1)
    connected(rig.client(document, "c"))
    page.ask("push", array="kv", values=[{"from": "a"}])
    until(lambda: values(document) == [{"from": "a"}])
    append(document, {"from": "c"})
    assert page.ask("length", array="kv", length=2) == [{"from": "a"}, {"from": "c"}]
    assert other_page.ask("length", array="kv", length=2) == [{"from": "a"}, {"from": "c"}]
    other_page.ask("remove", array="kv", index=0)
    until(lambda: values(document) == [{"from": "c"}])
    assert rig.refused == {}


def test_a_page_gets_its_token_through_as_a_subprotocol_beside_a_dialect(rig, page):
    page.ask(
        "connect",
        base=rig.base,
        room="notes",
        params={"deviceId": "a"},
        protocols=["strongroom", "bearer.alice-writes"],
    )
    page.ask("synced")


def test_what_an_encrypted_store_holds_reaches_a_page_and_the_disk_as_ciphertext_only(rig, page, tmp_path):
    canary = Canary.new()
    first, second = new_documents(2)
    keys = derive_workspace_keys(keyring(1), "notes")
    stores = [
        EncryptedStore(
            LwwStore(document, "kv", now_ms=lambda: time.time_ns() // 1_000_000),
            owner_id="alice",
            strict=True,
            write_format=2,
        )
        for document in (first, second)
    ]
    for store in stores:
        store.activate(keys)
    connected(rig.client(first, "a"), rig.local_client(second))
    opened(rig, page, "page")
    stores[0].set("title", {"text": canary.text})
    until(lambda: stores[1].has("title"))
    assert stores[1].get("title") == {"text": canary.text}, "who has the key reads it"
    (entry,) = page.ask("length", array="kv", length=1)
    assert entry["key"] == "title", "structure is visible"
    assert list(entry["val"].values())[:2] == [2, 1], "the value is a blob of format 2 under key version 1"
    rig.relay.stop()
    crossed = b"\xff".join(each if isinstance(each, bytes) else each.encode() for each in rig.frames)
    assert b"title" in crossed, "the test sees frames"
    assert canary.found_in(crossed) == []
    assert canary.found_in("".join(page.ask("seen")["received"]).encode()) == []
    assert canary.found_below(tmp_path) == []
    assert any(b"title" in path.read_bytes() for path in (tmp_path / "relay").rglob("*.db")), "the test sees files"


def test_what_a_page_wrote_offline_comes_when_the_relay_is_back(rig, page):
    opened(rig, page, "a")
    page.ask("push", array="kv", values=["before"])
    (document,) = new_documents(1)
    client = rig.client(document, "b")
    until(lambda: values(document) == ["before"])
    rig.relay.stop()
    page.ask("unsynced")
    page.ask("push", array="kv", values=["meanwhile"])
    append(document, "also")
    rig.restart()
    assert sorted(page.ask("length", array="kv", length=3)) == ["also", "before", "meanwhile"]
    until(lambda: len(values(document)) == 3)
    connected(client)


def test_a_page_sees_who_is_there_until_they_leave(rig, page, other_page):
    opened(rig, page, "a", awareness={"name": "ann"})
    opened(rig, other_page, "b", awareness={"name": "ben"})
    assert page.ask("others", count=1) == [{"name": "ben"}]
    assert other_page.ask("others", count=1) == [{"name": "ann"}]
    page.ask("awareness", state={"name": "ann", "at": 7})
    until(lambda: other_page.ask("others", count=1) == [{"name": "ann", "at": 7}])
    other_page.process.kill()
    assert page.ask("others", count=0) == []


def test_a_lone_page_hears_its_own_awareness_since_it_takes_silence_for_a_dead_relay(rig, page):
    opened(rig, page, "a", awareness={"name": "ann"})
    heard = len(page.ask("seen")["received"])
    page.ask("awareness", state={"name": "ann", "again": True})
    until(lambda: len(page.ask("seen")["received"]) > heard)
    assert page.ask("seen")["received"][-1].startswith("01"), "an awareness frame"


def test_a_page_with_a_wrong_token_learns_why_and_stops(rig, page):
    page.ask("connect", base=rig.base, room="notes", params={"deviceId": "a", "token": "guess"})
    page.ask("closed")
    ((code, reason),) = page.ask("seen")["closes"]
    assert (code, reason.split()[0]) == (CloseCode.NOT_ADMITTED, "SR-SYNC-012")
    assert not page.ask("connected")


def test_a_page_that_may_only_read_reads_and_is_told_when_it_writes(rig, page, other_page):
    opened(rig, page, "a")
    page.ask("push", array="kv", values=["one", "gone"])
    page.ask("remove", array="kv", index=1)
    other_page.ask("connect", base=rig.base, room="notes", params={"deviceId": "b", "token": "alice-reads"})
    assert other_page.ask("length", array="kv", length=1) == ["one"]
    assert other_page.ask("seen")["denied"] == [], "the handshake alone is no attempt to write"
    other_page.ask("push", array="kv", values=["two"])
    other_page.ask("deniedOnce")
    assert "the token may only read" in other_page.ask("seen")["denied"][0]
    assert other_page.ask("connected"), "it goes on reading"
    page.ask("push", array="kv", values=["three"])
    other_page.ask("length", array="kv", length=3)
    (document,) = new_documents(1)
    connected(rig.client(document))
    assert values(document) == ["one", "three"]
    assert rig.refused == {"SR-SYNC-017": 1}


def test_a_child_document_is_refused_by_name_and_nobody_else_notices(rig, page, other_page):
    opened(rig, page, "a")
    opened(rig, other_page, "b")
    page.ask("child", map="m", key="k")
    page.ask("closed")
    ((code, reason),) = page.ask("seen")["closes"]
    assert (code, reason.split()[0]) == (CloseCode.REFUSED, "SR-WS-039")
    other_page.ask("push", array="kv", values=["goes on"])
    (document,) = new_documents(1)
    connected(rig.client(document))
    assert values(document) == ["goes on"]
    assert rig.refused == {"SR-WS-039": 1}


def test_a_connection_that_is_too_old_is_closed_so_that_a_page_comes_again(tmp_path, page):
    with RelayRig(tmp_path, times=RelayTimes(life_s=0.3)) as rig:
        opened(rig, page, "a")
        page.ask("closed")
        assert page.ask("seen")["closes"][0][0] == CloseCode.LIFE_OVER_COME_AGAIN
        page.ask("synced")


def test_a_thousand_changes_of_a_page_arrive_in_order(rig, page):
    opened(rig, page, "a")
    (document,) = new_documents(1)
    connected(rig.client(document, "b"))
    for start in range(0, 1_000, 50):
        page.ask("push", array="kv", values=list(range(start, start + 50)))
    until(lambda: values(document) == [float(each) for each in range(1_000)])
    in_step(document)
