"""The desk of mounted workspaces: what it answers is on disk, and what it refuses changed nothing."""

import json

import pytest

from strongroom.engine import workspaces as module
from strongroom.engine.workspace_rows import checked_json
from strongroom.engine.workspaces import PAGE_MAX, LateDesk
from strongroom.errors import InvalidInput, LimitExceeded, NotFound, StorageFault
from strongroom.settings.workspaces import WorkspaceSettings
from strongroom.workspace.json_value import ENTRY_KEY_BYTES_MAX, VALUE_BYTES_MAX
from tests.fakes.workspace_host import WorkspaceHost


@pytest.fixture
def host(tmp_path):
    made = WorkspaceHost(tmp_path, settings=WorkspaceSettings(entries_max=2000))
    made.open()
    yield made
    made.mounts.close()


@pytest.fixture
def desk(host):
    return host.desk


def put(desk, key, value, table=""):
    return desk.put("notes", table, key, json.dumps(value).encode())


def value_of(desk, key, table=""):
    found = desk.get("notes", table, key)
    return None if found is None else json.loads(found.json)


def code(call, kind=InvalidInput):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.code


def test_what_was_written_is_read_also_by_the_next_host(host, desk):
    written = put(desk, "greeting", {"en": ["hello", 1, None, True, 0.5]})
    assert (written.json, written.key_version) == (None, 1), "an answer to a write repeats no value"
    host.restart().reopen_known()
    assert value_of(host.desk, "greeting") == {"en": ["hello", 1, None, True, 0.5]}
    assert host.desk.get("notes", "", "greeting").time_ms == written.time_ms


def test_a_value_of_exactly_the_limit_is_kept_and_one_byte_more_is_not(desk):
    largest = b'"' + b"x" * (VALUE_BYTES_MAX - 2) + b'"'
    desk.put("notes", "", "large", largest)
    assert desk.get("notes", "", "large").json == largest
    refused = code(lambda: desk.put("notes", "", "large", largest[:-1] + b'x"'), LimitExceeded)
    assert refused in {"SR-WS-091", "SR-MOUNT-020"}
    assert desk.get("notes", "", "large").json == largest


@pytest.mark.parametrize(
    "untrusted",
    [b"", b"hello", b"{", b"NaN", b"Infinity", b"\xff", b'"\xed\xa0\x80"', b"1 2", b"[" * 100_000, b"9" * 5000],
)
def test_what_is_no_json_is_refused_and_the_old_value_stays(desk, untrusted):
    put(desk, "key", "old")
    assert code(lambda: desk.put("notes", "", "key", untrusted)) == "SR-WS-090"
    assert value_of(desk, "key") == "old"


@pytest.mark.parametrize("untrusted", [b"9007199254740992", b"1e400", b"[" * 91 + b"]" * 91])
def test_what_peers_would_read_as_something_else_is_refused_and_the_old_value_stays(desk, untrusted):
    put(desk, "key", "old")
    assert code(lambda: desk.put("notes", "", "key", untrusted)) == "SR-WS-008"
    assert value_of(desk, "key") == "old"


@pytest.mark.parametrize("key", ["", "x" * (ENTRY_KEY_BYTES_MAX + 1), "ü" * (ENTRY_KEY_BYTES_MAX // 2 + 1)])
@pytest.mark.parametrize("table", ["", "tasks"])
def test_a_key_that_is_empty_or_too_long_is_refused(desk, key, table):
    assert code(lambda: put(desk, key, {}, table)) == "SR-WS-094"
    assert desk.page("notes", table).items == ()


def test_a_key_may_be_as_long_as_the_limit(desk):
    key = "ü" * (ENTRY_KEY_BYTES_MAX // 2)
    put(desk, key, 1)
    assert value_of(desk, key) == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([1], "a row is a JSON object"),
        ("text", "a row is a JSON object"),
        ({"id": "another"}, "its id is another one"),
        ({"_v": "x"}, "_v is the number of a schema"),
        ({"_v": True}, "_v is the number of a schema"),
        ({"_v": 0}, "_v is the number of a schema"),
    ],
)
def test_what_is_no_row_is_refused_and_the_old_row_stays(desk, row, why):
    put(desk, "a", {"title": "old"}, "tasks")
    with pytest.raises(InvalidInput) as caught:
        put(desk, "a", row, "tasks")
    assert (caught.value.code, why in caught.value.why) == ("SR-WS-092", True)
    assert value_of(desk, "a", "tasks") == {"id": "a", "title": "old"}


def test_a_row_has_its_id_and_no_number_of_a_schema(desk):
    put(desk, "a", {"title": "x", "_v": 3}, "tasks")
    assert value_of(desk, "a", "tasks") == {"id": "a", "title": "x"}


@pytest.mark.parametrize("table", ["x" * 300, "ü" * 128])
def test_a_table_with_an_unusable_name_is_refused(desk, table):
    assert code(lambda: put(desk, "a", {}, table)) == "SR-WS-059"


def test_pages_are_whole_in_order_and_end(desk, monkeypatch):
    keys = [f"key-{number:03}" for number in range(25)]
    for key in reversed(keys):
        put(desk, key, "x" * 100)
    put(desk, "other", 1)
    seen, after = [], ""
    while True:
        page = desk.page("notes", "", prefix="key-", after=after, limit=10)
        seen += [item.key for item in page.items]
        if not page.more:
            break
        after = seen[-1]
    assert seen == keys
    monkeypatch.setattr(module, "PAGE_BYTES_MAX", 150)
    small = desk.page("notes", "", prefix="key-", limit=10)
    assert (len(small.items), small.more) == (1, True), "a page that is full by its bytes has one entry at least"


def test_a_page_has_a_limit_and_a_table_that_is_not_there_has_no_entries(desk):
    assert code(lambda: desk.page("notes", "", limit=PAGE_MAX + 1), LimitExceeded) == "SR-WS-093"
    assert desk.page("notes", "ghost").items == ()
    assert desk.get("notes", "ghost", "x") is None
    assert desk.delete("notes", "ghost", "x") is False
    assert desk.tables("notes") == []


def test_a_table_that_is_only_watched_is_not_listed(desk):
    desk.watch("notes", "ghost", on_change=lambda change: None).end()
    assert desk.tables("notes") == []
    put(desk, "a", {}, "ghost")
    assert desk.tables("notes") == ["ghost"]


def test_what_was_deleted_is_gone_also_for_the_next_host(host, desk):
    put(desk, "key", 1)
    assert desk.delete("notes", "", "key") is True
    assert desk.delete("notes", "", "key") is False
    host.restart().reopen_known()
    assert host.desk.get("notes", "", "key") is None


def test_a_watch_tells_what_changes_where_it_comes_from_and_ends(host, desk):
    heard = []
    watch = desk.watch("notes", "", prefix="k", on_change=heard.append)
    put(desk, "key", 1)
    put(desk, "other", 1)
    put(desk, "key", 2)
    desk.delete("notes", "", "key")
    assert [(c.action, c.key, c.json, c.remote) for c in heard] == [
        ("add", "key", b"1", False),
        ("update", "key", b"2", False),
        ("delete", "key", None, False),
    ]
    heard.clear()
    host.push_plaintext("kv", kpushed="SENT IN CLEAR")
    assert [(c.action, c.key, c.json, c.remote) for c in heard] == [("unreadable", "kpushed", None, True)]
    assert "plaintext" in heard[0].unreadable
    assert watch.is_alive()
    host.mounts.unmount("notes")
    assert not watch.is_alive()
    watch.end()
    watch.end()


def test_a_watch_of_a_workspace_that_was_opened_again_is_over(host, desk):
    watch = desk.watch("notes", "", on_change=lambda change: None)
    host.mounts.unmount("notes")
    host.open()
    assert not watch.is_alive()


def test_an_entry_that_cannot_be_read_is_listed_with_its_reason_and_may_be_deleted(host, desk):
    put(desk, "good", 1)
    host.push_plaintext("kv", bad="SENT IN CLEAR")
    page = desk.page("notes", "")
    assert [(item.key, item.json) for item in page.items] == [("bad", None), ("good", b"1")]
    assert "plaintext" in page.items[0].unreadable
    assert "SENT IN CLEAR" not in repr(page)
    assert desk.delete("notes", "", "bad") is True


def test_a_full_workspace_takes_no_new_entry_and_lets_old_ones_change(tmp_path):
    host = WorkspaceHost(tmp_path, settings=WorkspaceSettings(entries_max=2))
    host.open()
    put(host.desk, "a", 1)
    put(host.desk, "b", 1)
    assert code(lambda: put(host.desk, "c", 1), LimitExceeded) == "SR-MOUNT-021"
    put(host.desk, "a", 2)
    assert (value_of(host.desk, "a"), value_of(host.desk, "c")) == (2, None)
    host.mounts.close()


def test_what_did_not_reach_the_disk_is_not_called_written(host, desk, monkeypatch):
    def full():
        raise StorageFault("SR-STORE-045", "the disk is full", fix="make room")

    put(desk, "old", 1)
    monkeypatch.setattr(host.mounts.get("notes").built.log, "flush", full)
    assert code(lambda: put(desk, "key", 1), StorageFault) == "SR-STORE-045"
    assert code(lambda: desk.delete("notes", "", "old"), StorageFault) == "SR-STORE-045"


def test_plugins_are_told_that_nothing_is_open_yet():
    late = LateDesk()
    for call in (
        lambda: late.get("notes", "", "k"),
        lambda: late.page("notes", ""),
        lambda: late.put("notes", "", "k", b"1"),
        lambda: late.delete("notes", "", "k"),
        lambda: late.watch("notes", "", on_change=print),
    ):
        assert code(call, NotFound) == "SR-WS-096"


def test_a_name_that_is_not_mounted_is_refused_everywhere(desk):
    for call in (
        lambda: desk.get("other", "", "k"),
        lambda: desk.page("other", ""),
        lambda: desk.put("other", "", "k", b"1"),
        lambda: desk.delete("other", "", "k"),
        lambda: desk.watch("other", "", on_change=print),
        lambda: desk.tables("other"),
        lambda: desk.status("other"),
    ):
        assert code(call, NotFound) == "SR-MOUNT-014"


def test_refusals_show_nothing_of_the_value():
    with pytest.raises(InvalidInput) as caught:
        checked_json(b'{"password": "MARKER"')
    assert "MARKER" not in f"{caught.value} {caught.value.why} {caught.value.details}"
    assert caught.value.__cause__ is None
