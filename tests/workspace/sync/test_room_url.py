"""URL rules: what clients write and what the relay reads, and every trick with a path."""

import pytest

from strongroom.errors import InvalidInput, NotFound
from strongroom.workspace.sync.room_url import RoomAddress, is_guid, parse_target, room_url

ROOM = RoomAddress("alice", "notes")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://relay.example", "ws://relay.example/api/owners/alice/rooms/notes?deviceId=d"),
        ("https://relay.example", "wss://relay.example/api/owners/alice/rooms/notes?deviceId=d"),
        ("ws://127.0.0.1:7", "ws://127.0.0.1:7/api/owners/alice/rooms/notes?deviceId=d"),
        ("wss://[::1]:7", "wss://[::1]:7/api/owners/alice/rooms/notes?deviceId=d"),
    ],
    ids=["http becomes ws", "https becomes wss", "ws stays", "an IPv6 address keeps its brackets"],
)
def test_a_base_becomes_a_web_socket_url(base, expected):
    assert room_url(base, ROOM, "d") == expected


@pytest.mark.parametrize("slashes", ["", "/", "///"])
def test_trailing_slashes_of_the_base_are_stripped_and_a_prefix_is_kept(slashes):
    url = room_url(f"https://relay.example/sync{slashes}", ROOM, "d")
    assert url == "wss://relay.example/sync/api/owners/alice/rooms/notes?deviceId=d"


def test_parts_are_percent_encoded_as_javascript_does_it():
    url = room_url("ws://h", RoomAddress("a/b c+ü!'()*~", "n.m"), "x&y=z")
    assert url == "ws://h/api/owners/a%2Fb%20c%2B%C3%BC!'()*~/rooms/n.m?deviceId=x%26y%3Dz"


@pytest.mark.parametrize(
    "base",
    ["ftp://h", "h", "ws://", "ws://u:p@h", "ws://h?x=1", "ws://h#f", "ws://h:99999", "ws://[::1", ""],
)
def test_a_base_that_is_no_place_to_connect_to_is_refused_without_repeating_it(base):
    with pytest.raises(InvalidInput) as refused:
        room_url(base, ROOM, "d")
    assert refused.value.code == "SR-SYNC-031"
    assert "u:p" not in refused.value.with_fix()


def test_what_a_client_writes_is_what_the_relay_reads():
    address = RoomAddress("a/../b ü%2F", "fuji.entries.k7x9.content")
    url = room_url("ws://h", address, "x&y=z/é")
    target = url.removeprefix("ws://h")
    assert parse_target(target)[0] == address
    assert parse_target(target)[1].device_id == "x&y=z/é"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "",
        "/api/owners/alice/rooms/",
        "/api/owners//rooms/notes",
        "/api/owners/alice/rooms/notes/",
        "/api/owners/alice/rooms/notes/x",
        "//api/owners/alice/rooms/notes",
        "/api/owners/alice/../bob/rooms/notes",
        "/api/owners/alice/rooms/..",
        "/api/owners/alice/rooms/%2e%2e",
        "/api/owners/alice/rooms/a%2Fb",
        "/api/owners/alice/rooms/a%00",
        "/api/owners/a%0Ab/rooms/notes",
        "/api/owners/%ff/rooms/notes",
        "/api/owners/alice/rooms/Notes",
        "/api/owners/alice/rooms/a--b",
        "/api/owners/alice/rooms/a..b",
        "/api/owners/alice/rooms/con",
        "/api/owners/alice/rooms/a.lpt1",
        "/api/owners/alice/rooms/" + "a" * 257,
        f"/api/owners/{'a' * 257}/rooms/notes",
        "/API/owners/alice/rooms/notes",
    ],
)
def test_any_other_path_is_no_room(target):
    with pytest.raises(NotFound, match="no such page"):
        parse_target(target + "?deviceId=d")


def test_a_part_is_decoded_once():
    assert parse_target("/api/owners/a%252Fb/rooms/notes?deviceId=d")[0].owner_id == "a%2Fb"


@pytest.mark.parametrize(
    "query",
    ["", "deviceId=", "deviceId=a&deviceId=b", "deviceId=" + "a" * 129, "deviceId=%00", "deviceId=%ff", "deviceid=d"],
)
def test_a_device_that_cannot_be_told_apart_is_none(query):
    assert parse_target(f"/api/owners/alice/rooms/notes?{query}")[1].device_id == ""


def test_tokens_of_a_query_are_all_seen_and_never_shown():
    query = parse_target("/api/owners/alice/rooms/notes?deviceId=d&token=one&token=two")[1]
    assert query.tokens == ("one", "two")
    assert "one" not in repr(query)


def test_a_query_of_many_parts_is_read_only_as_far_as_a_room_needs():
    parts = "&".join(f"x{number}=1" for number in range(5_000))
    assert parse_target(f"/api/owners/alice/rooms/notes?{parts}&deviceId=d")[1].device_id == ""


@pytest.mark.parametrize("guid", ["a", "epicenter-fuji", "a1-b2.c3.d4-e5.f6", "console", "com10"])
def test_a_guid_is_segments_with_dots(guid):
    assert is_guid(guid)
