"""What nobody can open is given up only when a person says so, as it was listed, and then the key can be retired."""

import sqlite3

import pytest

from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import seal_value
from strongroom.errors import Conflict, NotFound, WrongState
from strongroom.keyring.root import parse_secrets
from strongroom.workspace.mount.project_state import STATE_NAME, ProjectState
from tests.fakes.workspace_host import WorkspaceHost

FORGED = seal_value(Key(bytes(32)), 1, b'"x"', b"elsewhere")
OF_SEVEN = seal_value(Key(bytes(32)), 7, b'"x"', b"key")
BOTH = {"rows": True, "entries": True}


@pytest.fixture
def host(tmp_path):
    made = WorkspaceHost(tmp_path)
    made.open()
    for number in range(3):
        made.desk.put("notes", "", f"k{number}", b"1")
    yield made
    made.mounts.close()


def log_of(host):
    return ProjectState(host.project / STATE_NAME).log_path("local", "shared", "notes")


def damage(host, *, version=None):
    """Change the last row as somebody who can write the file does, while the host is away, as after a crash."""
    opened = host.mounts.get("notes")
    opened.log._rows.growth.rows = opened.log._rows.growth.bytes = 0
    host.mounts.close()
    with sqlite3.connect(log_of(host)) as log:
        (last,) = log.execute("SELECT max(id) FROM log_rows").fetchone()
        if version is None:
            log.execute("UPDATE log_rows SET data = CAST(substr(data, 1, 41) AS BLOB) WHERE id = ?", (last,))
        else:
            changed = f"x'01{version:02x}' || substr(data, 3)"
            log.execute(
                f"UPDATE log_rows SET key_version = ?, data = CAST({changed} AS BLOB) WHERE id = ?", (version, last)
            )
    log.close()
    host.restart().reopen_known()
    return last


def listed(host, **options):
    return host.upkeep.discardable("notes", **{**BOTH, **options})


def gone(host, found, *, even_unheld=False, **options):
    chosen = {**BOTH, **options}
    return host.upkeep.discard("notes", **chosen, even_unheld=even_unheld, listing=found.listing)


def test_what_can_be_opened_is_never_listed(host):
    found = listed(host)
    assert (found.rows, found.entries) == ((), ())
    host.push_plaintext("kv", sent="in clear")
    assert listed(host).entries == (), "plaintext can be adopted"
    assert gone(host, listed(host)) == listed(host)
    assert host.desk.get("notes", "", "k0").json == b"1"


def test_a_damaged_row_and_a_forged_value_are_listed_with_reasons_and_go_together(host):
    host.push_plaintext("kv", bad=FORGED)
    host.push_plaintext("table:tasks", row=FORGED)
    host.mounts.get("notes").flush()
    host.desk.put("notes", "", "last", b"1")
    last = damage(host)
    found = listed(host)
    assert [(row.id, row.key_version, row.lacks_key) for row in found.rows] == [(last, 1, False)]
    assert found.rows[0].reason.startswith("it failed authentication")
    assert sorted((entry.place, entry.key_version, entry.lacks_key) for entry in found.entries) == [
        ("bad", 1, False),
        ("tasks/row", 1, False),
    ]
    assert listed(host) == found, "looking changes nothing"
    gone(host, found)
    assert (listed(host).rows, listed(host).entries) == ((), ())
    for _ in range(2):
        verified = host.upkeep.verify("notes")
        assert (verified.readable, verified.unreadable, verified.rows_carried) == (3, (), ())
        assert verified.log_agrees
        host.restart().reopen_known()


@pytest.mark.parametrize("chosen", ["rows", "entries"])
def test_rows_and_entries_go_alone_where_only_they_are_asked_for(host, chosen):
    host.push_plaintext("kv", bad=FORGED)
    host.mounts.get("notes").flush()
    host.desk.put("notes", "", "last", b"1")
    damage(host)
    options = {"rows": chosen == "rows", "entries": chosen == "entries"}
    gone(host, listed(host, **options), **options)
    left = listed(host)
    assert (len(left.rows), len(left.entries)) == ((0, 1) if chosen == "rows" else (1, 0))


def test_what_only_lacks_a_key_is_refused_and_goes_when_that_is_asked_for(host):
    host.push_plaintext("kv", of_seven=OF_SEVEN, bad=FORGED)
    host.mounts.get("notes").flush()
    host.desk.put("notes", "", "last", b"1")
    damage(host, version=9)
    found = listed(host)
    assert [row.lacks_key for row in found.rows] == [True]
    assert {entry.place: entry.lacks_key for entry in found.entries} == {"of_seven": True, "bad": False}
    with pytest.raises(WrongState, match="key version 7, 9 may open them") as refused:
        gone(host, found)
    assert refused.value.code == "SR-WS-121"
    assert listed(host) == found
    gone(host, found, even_unheld=True)
    assert host.mounts.get("notes").needed().keys() == {1}


def test_a_row_whose_key_came_back_is_not_listed_any_more(host):
    damage(host, version=9)
    opened = host.mounts.get("notes")
    assert len(listed(host).rows) == 1
    host.root.become(parse_secrets("9:a-root-secret-of-the-version-nine,1:a-root-secret"))
    host.mounts.rekey()
    (row,) = listed(host).rows
    assert not row.lacks_key, "the key is here, and does not open it"
    assert row.reason.startswith("it failed authentication")
    assert opened.log.carried


def test_only_what_was_listed_goes(host):
    host.push_plaintext("kv", bad=FORGED)
    found = listed(host)
    host.push_plaintext("kv", worse=FORGED)
    with pytest.raises(Conflict) as refused:
        gone(host, found)
    assert refused.value.code == "SR-WS-120"
    assert len(listed(host).entries) == 2
    for listing in ("", "0" * 64):
        with pytest.raises(Conflict):
            host.upkeep.discard("notes", **BOTH, even_unheld=True, listing=listing)


def test_what_waits_beside_a_row_that_goes_stays(host):
    opened = host.mounts.get("notes")
    opened.log._rows.growth.rows = opened.log._rows.growth.bytes = 0
    host.mounts.close()
    with sqlite3.connect(log_of(host)) as log:
        log.execute("UPDATE log_rows SET data = zeroblob(50) WHERE id = 2")
    log.close()
    host.restart().reopen_known()
    found = listed(host)
    assert [row.id for row in found.rows] == [2]
    gone(host, found)
    verified = host.upkeep.verify("notes")
    assert (verified.rows_carried, verified.rows_waiting, verified.readable) == ((), 1, 1)


def test_a_name_that_is_not_mounted_is_refused(host):
    for call in (
        lambda: host.upkeep.discardable("other", **BOTH),
        lambda: host.upkeep.discard("other", **BOTH, even_unheld=True, listing=""),
    ):
        with pytest.raises(NotFound) as refused:
            call()
        assert refused.value.code == "SR-MOUNT-014"
