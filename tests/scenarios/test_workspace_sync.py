"""Whole daemons sync their workspaces through the relay of one of them, and with the Yjs that browsers run."""

import pytest

from tests.fakes.canary import Canary
from tests.fakes.node import NodeProcess
from tests.fakes.web_socket_tap import WebSocketTap
from tests.fakes.workspace_hosts import WorkspaceHosts, eventually, write_client_tokens


@pytest.fixture
def hosts():
    with WorkspaceHosts() as made:
        yield made


@pytest.fixture
def page():
    with NodeProcess("peer.cjs") as process:
        yield process


def joined(hosts, page, token):
    """Have a page in the room of ``notes``, with the stock provider of y-websocket."""
    base = f"ws://{hosts.address}/api/owners/shared/rooms"
    page.ask("connect", base=base, room="notes", params={"deviceId": "page", "token": token})
    page.ask("synced")


def test_two_hosts_converge_also_after_edits_offline_a_conflict_and_kill_9_of_the_relay(hosts):
    token = hosts.token()
    a = hosts.with_relay().declare("local").start()
    a.mount()
    a.set("from-a", "hello")
    b = hosts.client(tokens={hosts.address: token}).declare(f"http://{hosts.address}").start()
    b.mount()
    b.holds({"from-a": "hello"})
    b.set("from-b", {"n": 1})
    b.set("t1", {"title": "both"}, "notes:tasks")
    a.holds({"from-a": "hello", "from-b": {"n": 1}})
    a.holds({"t1": {"id": "t1", "title": "both"}}, "notes:tasks")
    a.kill()
    b.becomes("offline")
    eventually(lambda: "the relay cannot be reached" in b.listed()["sync_problem"], lambda: f"a reason: {b.listed()}")
    b.set("from-a", "edited offline at b")
    b.set("offline", True)
    a.start()
    a.set("from-a", "edited at a, later")
    b.becomes("connected")
    expected = {"from-a": "edited at a, later", "from-b": {"n": 1}, "offline": True}
    a.holds(expected)
    b.holds(expected)
    for host in (a, b):
        assert host.workspace("verify", "notes")["holds"]
    b.workspace("delete", "notes", "offline", "--yes")
    expected.pop("offline")
    a.holds(expected)
    assert (a.stop(), b.stop()) == (0, 0)


def test_a_page_with_stock_yjs_syncs_both_ways_and_its_plaintext_is_refused_and_shown(hosts, page):
    token = hosts.token()
    a = hosts.with_relay().declare("local").start()
    a.mount()
    a.set("title", "sealed")
    joined(hosts, page, token)
    (entry,) = page.ask("length", array="kv", length=1)
    assert entry["key"] == "title", "structure is visible"
    assert list(entry["val"].values())[:2] == [2, 1], "the value is a blob of format 2 under key version 1"
    page.ask("push", array="kv", values=[{"key": "planted", "val": "not sealed", "ts": entry["ts"] + 1}])
    eventually(lambda: a.listed()["unreadable"] == 1, lambda: f"one unreadable entry: {a.listed()}")
    verified = a.workspace("verify", "notes", code=1)
    assert [each["key"] for each in verified["unreadable"]] == ["planted"]
    assert "plaintext after activation" in verified["unreadable"][0]["reason"]
    assert "SR-CLI-162" in a.workspace("get", "notes", "planted", code=65)
    assert a.values() == {"title": "sealed"}, "it is believed nowhere"
    page.ask("remove", array="kv", index=1)
    eventually(lambda: a.workspace("entries", "notes")["entries"][1:] == [], "the page did not take it back")
    a.set("planted", "sealed too")
    assert [each["key"] for each in page.ask("length", array="kv", length=2)] == ["title", "planted"]


def test_no_plaintext_is_in_any_frame_or_in_any_file(hosts, page):
    canary = Canary.new()
    token = hosts.token()
    a = hosts.with_relay().declare("local").start()
    with WebSocketTap(hosts.address) as tap:
        b = hosts.client(tokens={tap.address: token}).declare(f"ws://{tap.address}").start()
        a.mount()
        b.mount()
        joined(hosts, page, token)
        a.set("first", canary.text)
        b.set("row", {"text": [canary.text]}, "notes:tasks")
        a.holds({"row": {"id": "row", "text": [canary.text]}}, "notes:tasks")
        b.holds({"first": canary.text})
        page.ask("length", array="kv", length=1)
        assert (a.stop(), b.stop()) == (0, 0)
    assert b"first" in tap.crossed, "the test sees frames"
    assert canary.found_in(tap.crossed) == []
    assert canary.found_in(bytes.fromhex("".join(page.ask("seen")["received"]))) == []
    assert any(b"first" in path.read_bytes() for path in (a.state / "relay").rglob("*.db")), "the test sees files"
    assert canary.found_below(hosts.directory) == []
    assert canary.found_in("".join(a.log + b.log).encode()) == []
    assert token.encode() not in "".join(a.log + b.log).encode()


def test_a_wrong_token_or_owner_is_listed_with_what_to_do_and_mounting_again_connects(hosts):
    wrong_owner, right = hosts.token("alice"), hosts.token()
    hosts.with_relay().start()
    b = hosts.client(tokens={hosts.address: "guessed"}).declare(f"ws://{hosts.address}").start()
    b.mount()
    refused = b.becomes("refused")
    assert "SR-SYNC-012 the relay does not admit this connection" in refused["sync_problem"]
    assert "see that relay.client_tokens_file has this address with its token" in refused["sync_problem"]
    assert "guessed" not in refused["sync_problem"]
    b.set("kept", 1)
    write_client_tokens(hosts.directory / "b.tokens", {hosts.address: wrong_owner})
    b.mount()
    eventually(lambda: "SR-SYNC-034" in b.listed()["sync_problem"], lambda: f"another refusal: {b.listed()}")
    write_client_tokens(hosts.directory / "b.tokens", {hosts.address: right})
    b.mount()
    assert b.becomes("connected")["sync_problem"] == ""


def test_a_project_that_names_another_relay_gets_no_token_for_it(hosts):
    token = hosts.token()
    with WebSocketTap() as other:
        b = hosts.client(tokens={hosts.address: token}).declare(f"ws://{other.address}").start()
        b.mount()
        eventually(lambda: other.offered, "nobody came")
        b.becomes("offline")
        b.declare(f"ws://localhost:{other.address.rpartition(':')[2]}")
        b.workspace("unmount", "notes")
        before = len(other.offered)
        b.mount()
        eventually(lambda: len(other.offered) > before, "nobody came again")
        b.stop()
    assert set(other.offered) == {("strongroom",)}
