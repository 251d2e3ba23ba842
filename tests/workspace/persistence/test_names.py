"""What local things are called, as the golden vectors have it, and as files that stay in their place."""

import json
from pathlib import Path

import pytest

from strongroom.errors import InvalidInput
from strongroom.workspace.persistence import names

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "epicenter.json").read_text())
HOSTILE = ["../../etc", "..", ".", "a/b", "a\\b", "a\0b", "ünï🔑", "%2e%2e", "a b", "~", "CON", " ", "a.db-wal"]


@pytest.mark.parametrize("case", VECTORS["storageNames"], ids=lambda case: case["name"])
def test_local_database_broadcast_channel_and_room_are_named_as_upstream(case):
    place = (case["server"], case["ownerId"], case["guid"])
    assert names.local_prefix(*place[:2]) == case["prefix"]
    assert names.local_name(*place) == case["name"]
    assert names.broadcast_channel(*place) == case["broadcastChannel"]
    assert names.room_name(*place[1:]) == case["doName"]


def test_another_guid_another_owner_and_another_server_change_the_name():
    places = [("s", "o", "g"), ("s", "o", "h"), ("s", "p", "g"), ("t", "o", "g")]
    assert len({names.local_name(*place) for place in places}) == 4
    assert len({names.database_file(Path("/x"), *place) for place in places}) == 4


@pytest.mark.parametrize("case", VECTORS["yDocClientId"], ids=lambda case: case["path"] or "empty")
def test_the_client_id_of_a_path_is_that_of_upstream(case):
    assert names.y_doc_client_id(case["path"]) == case["clientId"]


def test_a_client_id_is_stable_differs_from_path_to_path_and_fits_a_number_of_javascript():
    ids = [names.y_doc_client_id(f"/home/u/{number}") for number in range(1000)]
    assert len(set(ids)) == 1000
    assert ids == [names.y_doc_client_id(f"/home/u/{number}") for number in range(1000)]
    assert all(1 <= each <= 2**53 for each in ids)


def test_the_daemon_of_a_mount_is_a_device_of_its_own():
    assert names.device_id("notes") == "notes-daemon"


def test_a_plain_name_stays_readable_as_a_file():
    path = names.database_file(Path("/state"), "api.example.com", "user_1", "notes.entries.k7x9.content")
    assert path == Path("/state/epicenter/api.example.com/owners/user_1/notes.entries.k7x9.content.db")


@pytest.mark.parametrize("part", HOSTILE)
def test_no_part_of_a_name_reaches_outside_its_directory(tmp_path, part):
    for place in [(part, "o", "g"), ("s", part, "g"), ("s", "o", part)]:
        path = names.database_file(tmp_path, *place)
        assert len(path.relative_to(tmp_path).parts) == 5
        assert ".." not in path.parts
        assert path.resolve() == path


def test_different_parts_give_different_files():
    made = {names.database_file(Path("/x"), "s", owner, "g") for owner in HOSTILE}
    assert len(made) == len(HOSTILE)


@pytest.mark.parametrize("part", ["", "x" * 241, "🔑" * 21], ids=["empty", "too long", "too long once encoded"])
@pytest.mark.parametrize("field", ["server", "owner_id", "guid"])
def test_a_part_that_names_no_file_is_refused_by_its_field(field, part):
    place = {"server": "s", "owner_id": "o", "guid": "g", field: part}
    with pytest.raises(InvalidInput) as refused:
        names.database_file(Path("/x"), **place)
    assert (refused.value.code, refused.value.details["field"]) == ("SR-WS-075", field)


def test_a_part_that_utf_8_cannot_carry_is_refused():
    with pytest.raises(InvalidInput):
        names.database_file(Path("/x"), "s", "\ud800", "g")
