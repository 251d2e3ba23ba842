"""The cell of a session: the same bytes again, nothing missing, nothing unknown, and for its owner alone."""

import json
import os
import stat

import pytest

from strongroom.errors import InvalidInput, Misconfigured, StorageFault
from strongroom.workspace.session.cell import CELL_BYTES_MAX, Cell, CellFile, Grant, dump_cell, parse_cell
from tests.fakes.session_server import keyring_of

GRANT = Grant(access_token="access-ü", refresh_token="refresh", access_token_expires_at_ms=1_780_000_000_000)
CELL = Cell(grant=GRANT, user_id="u-1", owner_id="alice", keyring=keyring_of("alice", "2:new,1:old"))
MEMBERS = json.loads(dump_cell(CELL))


def without(path: str) -> bytes:
    members = json.loads(dump_cell(CELL))
    *parents, last = path.split(".")
    inner = members
    for parent in parents:
        inner = inner[int(parent)] if parent.isdigit() else inner[parent]
    del inner[last]
    return json.dumps(members).encode()


def test_the_persisted_cell_round_trips_byte_for_byte():
    written = dump_cell(CELL)
    assert dump_cell(parse_cell(written)) == written
    assert parse_cell(written) == CELL


def test_members_stand_in_the_order_of_the_contract():
    entries = CELL.keyring.entries
    keyring = ",".join(f'{{"version":{e.version},"keyBytesBase64":"{e.key_bytes_base64}"}}' for e in entries)
    assert dump_cell(CELL).decode() == (
        '{"grant":{"accessToken":"access-ü","refreshToken":"refresh","accessTokenExpiresAt":1780000000000},'
        f'"userId":"u-1","ownerId":"alice","keyring":[{keyring}]}}'
    )
    assert [entry.version for entry in entries] == [2, 1]


def test_unknown_members_are_stripped():
    more = {
        **MEMBERS,
        "extra": 1,
        "grant": {**MEMBERS["grant"], "scope": "all"},
        "keyring": [{**entry, "note": "x"} for entry in MEMBERS["keyring"]],
    }
    assert dump_cell(parse_cell(json.dumps(more).encode())) == dump_cell(CELL)


@pytest.mark.parametrize(
    "path",
    [
        "grant",
        "grant.accessToken",
        "grant.refreshToken",
        "grant.accessTokenExpiresAt",
        "userId",
        "ownerId",
        "keyring",
        "keyring.0.version",
        "keyring.1.keyBytesBase64",
    ],
)
def test_a_missing_member_is_rejected(path):
    with pytest.raises(InvalidInput) as caught:
        parse_cell(without(path))
    assert path.rsplit(".", 1)[-1] in str(caught.value.details["field"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"userId": 7}, "userId"),
        ({"userId": ""}, "userId"),
        ({"ownerId": "\ud800"}, "no Unicode text"),
        ({"ownerId": "o" * 20_000}, "characters"),
        ({"keyring": []}, "list of 1 to 255 keys"),
        ({"keyring": [{"version": 1.5, "keyBytesBase64": "x"}]}, "no integer"),
        ({"keyring": [{"version": 0, "keyBytesBase64": "x"}]}, "from 1 to 255"),
        ({"keyring": [{"version": 1, "keyBytesBase64": "AAAA"}]}, "expected 32 decoded bytes, got 3"),
        ({"keyring": MEMBERS["keyring"] + MEMBERS["keyring"][:1]}, "version 2 is there twice"),
        ({"grant": {**MEMBERS["grant"], "accessTokenExpiresAt": -1}}, "no time in milliseconds"),
        ({"grant": {**MEMBERS["grant"], "accessTokenExpiresAt": True}}, "no time in milliseconds"),
        ({"grant": []}, "no object"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_member_of_another_type_is_rejected_and_not_repeated(change, reason):
    with pytest.raises(InvalidInput, match=reason) as caught:
        parse_cell(json.dumps({**MEMBERS, **change}).encode())
    for entry in MEMBERS["keyring"]:
        assert entry["keyBytesBase64"] not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_cut_cell_is_rejected(cut):
    with pytest.raises(InvalidInput):
        parse_cell(dump_cell(CELL)[:cut])


def test_a_cell_has_a_size():
    with pytest.raises(InvalidInput, match="262144"):
        parse_cell(b" " * (CELL_BYTES_MAX + 1))


def test_a_cell_that_is_nested_without_end_is_rejected():
    with pytest.raises(InvalidInput):
        parse_cell(b"[" * 100_000)


def test_no_repr_shows_a_token_or_a_key():
    shown = repr(CELL)
    assert "access-ü" not in shown
    assert "refresh" not in shown.replace("refresh_token", "")
    for entry in CELL.keyring.entries:
        assert entry.key_bytes_base64 not in shown


def test_a_stored_cell_is_there_again_with_mode_0600(tmp_path):
    file = CellFile(tmp_path / "keys" / "session.json")
    file.store(CELL)
    assert file.load() == CELL
    assert file.path.read_bytes() == dump_cell(CELL)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_cell_with_a_wider_mode_is_refused(tmp_path, mode):
    file = CellFile(tmp_path / "session.json")
    file.store(CELL)
    file.path.chmod(mode)
    with pytest.raises(Misconfigured, match="others can read it") as caught:
        file.load()
    assert caught.value.code == "SR-SESSION-003"


def test_a_link_in_place_of_a_cell_is_refused(tmp_path):
    elsewhere = CellFile(tmp_path / "elsewhere.json")
    elsewhere.store(CELL)
    (tmp_path / "session.json").symlink_to(elsewhere.path)
    with pytest.raises(Misconfigured):
        CellFile(tmp_path / "session.json").load()


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff\xfe", without("ownerId"), b"x" * 300_000])
def test_a_corrupt_cell_means_signed_out(tmp_path, content):
    file = CellFile(tmp_path / "session.json")
    file.store(CELL)
    file.path.write_bytes(content)
    assert file.load() is None


def test_no_cell_means_signed_out(tmp_path):
    assert CellFile(tmp_path / "nowhere" / "session.json").load() is None


def test_a_wiped_cell_is_gone_and_wiping_again_is_fine(tmp_path):
    file = CellFile(tmp_path / "session.json")
    file.store(CELL)
    file.wipe()
    file.wipe()
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    file = CellFile(tmp_path / "session.json")
    file.store(CELL)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFault, match="No space left"):
        file.store(Cell(grant=GRANT, user_id="u-2", owner_id="bob", keyring=keyring_of("bob")))
    monkeypatch.undo()
    assert file.load() == CELL
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]
