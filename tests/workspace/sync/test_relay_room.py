"""The relay room as the older system's clients know it: presence, sync, dispatch, and frames that make no sense."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from strongroom.workspace.sync.close_codes import CloseCode
from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import RelayRig, append, closed_with, connected, new_documents, until, values, write_tokens
from tests.fakes.upstream_peer import UpstreamPeer

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "epicenter-yjs.json").read_text())
FRAMES = next(each for each in VECTORS["fixtures"] if each["name"] == "sync-frames")


@pytest.fixture
def rig(tmp_path):
    with RelayRig(tmp_path) as made:
        yield made


@pytest.fixture
def peer(rig):
    """Opens connections of the older dialect, by device."""
    with ExitStack() as stack:

        def opened(device, guid="notes", token="alice-writes"):  # noqa: S107 - of these tests alone
            url = f"ws://{rig.address}/api/owners/alice/rooms/{guid}?deviceId={device}"
            socket = stack.enter_context(rig.raw_url(url, ["epicenter", f"bearer.{token}"]))
            return UpstreamPeer(socket, guid).joined()

        yield opened


def test_only_the_dialect_is_echoed_never_the_token(peer):
    assert peer("a").socket.subprotocol == "epicenter"


def test_the_first_frames_are_those_of_the_vectors(peer):
    one, two = peer("a", "frames"), peer("b", "frames")
    assert one.binary().hex() == FRAMES["step1OfEmptyDoc"]
    assert two.binary().hex() == FRAMES["step1OfEmptyDoc"]
    one.socket.send(bytes.fromhex(FRAMES["updateFrame"]))
    assert two.binary().hex() == FRAMES["updateFrame"]
    two.socket.send(bytes.fromhex(FRAMES["step1OfEmptyDoc"]))
    two.take(two.binary())
    assert values(two.document) == FRAMES["arrays"]["kv"], "the library does not keep the order of members"
    assert peer("c", "frames").binary().hex() == FRAMES["step1OfDoc"]


def test_full_handshake_both_sides_get_what_they_lack(peer):
    one, two = peer("a").sync(), peer("b")
    one.push({"key": "x"})
    append(two.document, {"key": "y"})
    two.sync()
    assert {each["key"] for each in values(two.document)} == {"x", "y"}
    one.sync()
    assert {each["key"] for each in values(one.document)} == {"x", "y"}


def test_update_is_fanned_out_to_others_and_not_echoed(peer):
    one, two, three = (peer(name).sync() for name in "abc")
    one.push("first")
    for other in (two, three):
        assert isinstance(frames.decode(other.binary()), frames.Update)
    two.push("second")
    assert isinstance(frames.decode(one.binary()), frames.Update), "of its own change it heard nothing in between"


def test_both_dialects_meet_in_one_room(rig, peer):
    (document,) = new_documents(1)
    connected(rig.client(document))
    one = peer("a").sync()
    one.push({"key": "from upstream"})
    until(lambda: values(document) == [{"key": "from upstream"}])
    append(document, {"key": "from here"})
    one.take(one.binary())
    assert [each["key"] for each in values(one.document)] == ["from upstream", "from here"]


def test_a_thousand_operations_arrive(peer):
    one, two = peer("a").sync(), peer("b").sync()
    for number in range(1_100):
        one.push(number)
    while len(values(two.document)) < 1_100:
        two.take(two.binary())
    assert values(two.document) == list(range(1_100))


def test_presence_is_sent_on_upgrade_without_the_own_device(peer):
    assert peer("a").others() == []
    assert peer("b").others() == ["a"]


def test_first_socket_of_a_device_announces_it_to_others_with_its_members(peer):
    one = peer("a")
    assert one.others() == []
    peer("b")
    (device,) = one.text("presence")["devices"]
    assert sorted(device) == ["actions", "connectedAt", "deviceId"]
    assert (device["deviceId"], device["actions"]) == ("b", {})
    assert device["connectedAt"] > 1_700_000_000_000, "milliseconds"


def test_second_socket_of_a_device_is_no_news_and_leaving_with_one_of_two_is_none_either(peer):
    one = peer("a")
    first, second = peer("b"), peer("b")
    one.others(["b"])
    assert second.others() == ["a"], "it learns who is there all the same"
    first.socket.close()
    peer("c")
    assert one.others() == ["b", "c"], "the very next frame"


def test_leaving_is_announced_after_the_last_socket_closed(peer):
    one, two = peer("a"), peer("b")
    one.others(["b"])
    two.socket.close()
    assert one.others() == []


def test_hand_over_within_the_grace_period_is_no_news(tmp_path):
    with RelayRig(tmp_path, times=RelayTimes(leave_s=30)) as rig, ExitStack() as stack:

        def opened(device):
            url = f"ws://{rig.address}/api/owners/alice/rooms/notes?deviceId={device}"
            return UpstreamPeer(stack.enter_context(rig.raw_url(url, ["epicenter", "bearer.alice-writes"]))).joined()

        one, two = opened("a"), opened("b")
        one.others(["b"])
        two.socket.close()
        until(lambda: rig.relay.status().connections == 1)
        opened("b")
        opened("c")
        assert one.others() == ["b", "c"]


def test_a_revoked_token_is_put_out_with_4401_and_leaves_at_once(tmp_path):
    times = RelayTimes(leave_s=3_600, tokens_s=0.02)
    with RelayRig(tmp_path, times=times, tokens={"one": ("alice", "rw"), "two": ("alice", "rw")}) as rig:
        room = f"ws://{rig.address}/api/owners/alice/rooms/notes?deviceId="
        with (
            rig.raw_url(room + "a", ["epicenter", "bearer.one"]) as first,
            rig.raw_url(room + "b", ["epicenter", "bearer.two"]) as second,
        ):
            stays = UpstreamPeer(first)
            stays.others(["b"])
            write_tokens(rig.tokens_file, {"one": ("alice", "rw")})
            assert closed_with(second)[0] == CloseCode.NOT_ADMITTED
            assert stays.others() == []


def test_presence_publish_reaches_others(peer):
    one, two = peer("a"), peer("b")
    one.others(["b"])
    actions = {"open_note": {"type": "query", "title": "Open", "input": {"id": "string"}}}
    two.say(type="presence_publish", actions=actions)
    while not (said := one.text("presence")["devices"][0]["actions"]):
        pass
    assert said == actions


@pytest.mark.parametrize(
    "actions",
    [{"Open": {"type": "query"}}, {"a-b": {"type": "query"}}, {"a": {"type": "other"}}, {"a": 1}, {"a" * 65: {}}, [1]],
    ids=["upper case", "a hyphen", "unknown type", "no object", "too long", "a list"],
)
def test_actions_that_break_the_key_rules_are_dropped_and_the_connection_goes_on(peer, actions):
    one, two = peer("a"), peer("b")
    two.others()
    one.say(type="presence_publish", actions=actions)
    one.socket.send("ping")
    one.text("pong")
    one.say(type="presence_publish", actions={"fine": {"type": "mutation"}})
    assert two.text("presence")["devices"][0]["actions"] == {"fine": {"type": "mutation"}}


def test_ping_is_answered_pong(peer):
    one = peer("a")
    one.socket.send("ping")
    assert one.text("pong") == "pong"


def test_dispatch_to_anybody_is_answered_recipient_offline(peer):
    one = peer("a")
    peer("b")
    one.say(type="dispatch_request", id="7", to="b", action="open_note", input={"id": "x"})
    assert one.text("dispatch_result") == {
        "type": "dispatch_result",
        "id": "7",
        "result": {"data": None, "error": {"name": "RecipientOffline", "to": "b"}},
    }


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "dispatch_request", "to": "b", "action": "x"},
        {"type": "dispatch_request", "id": "7", "action": "x"},
        {"type": "dispatch_request", "id": "7", "to": "b"},
        {"type": "dispatch_request", "id": 7, "to": "b", "action": "x"},
        {"type": "dispatch_response", "id": "7", "result": {}},
    ],
)
def test_a_dispatch_with_missing_members_is_dropped(peer, frame):
    one = peer("a")
    one.say(**frame)
    one.socket.send("ping")
    one.text("pong")
    assert [said for said in one.texts if said != "pong" and said["type"] != "presence"] == []


@pytest.mark.parametrize("text", ["nonsense", "[]", "1", '{"type": "other"}', "{}", '{"type": 1}', "[" * 100_000])
def test_bad_json_and_unknown_types_close_with_4400(rig, peer, text):
    one = peer("a")
    one.socket.send(text)
    assert closed_with(one.socket)[0] == CloseCode.REFUSED
    assert rig.refused == {"SR-SYNC-020": 1}


@pytest.mark.parametrize("frame", ["", "00", "0005", "01ff", "0233", "8080", "020100ff", "ff" * 12])
def test_truncated_and_overlong_frames_are_ignored_and_counted(rig, peer, frame):
    one, two = peer("a").sync(), peer("b").sync()
    one.socket.send(bytes.fromhex(frame))
    one.push("after")
    two.take(two.binary())
    assert values(two.document) == ["after"]
    assert sum(rig.refused.values()) == 1


def test_unknown_frame_numbers_are_ignored(rig, peer):
    one = peer("a").sync()
    one.socket.send(b"\x07\x01\x00")
    one.sync()
    assert rig.refused == {}


def test_a_v1_update_where_v2_is_expected_is_refused_and_surfaced(rig, peer):
    one, two = peer("a").sync(), peer("b").sync()
    one.socket.send(frames.update(bytes.fromhex(FRAMES["updateV1"])))
    code, reason = closed_with(one.socket)
    assert (code, reason.split()[0]) == (CloseCode.REFUSED, "SR-WS-041")
    two.push("goes on")
    assert values(peer("c").sync().document) == ["goes on"]
    assert rig.refused == {"SR-WS-041": 1}


def test_a_reader_of_the_older_dialect_reads_and_its_changes_are_counted(rig, peer):
    peer("a").sync().push("one")
    reader = peer("b", token="alice-reads").sync()
    until(lambda: values(reader.sync().document) == ["one"])
    reader.push("two")
    until(lambda: rig.refused == {"SR-SYNC-017": 1})
    assert values(peer("c").sync().document) == ["one"]


def test_life_time_over_closes_with_4408(tmp_path):
    with RelayRig(tmp_path, times=RelayTimes(life_s=0.05)) as rig:
        url = f"ws://{rig.address}/api/owners/alice/rooms/notes?deviceId=a"
        with rig.raw_url(url, ["epicenter", "bearer.alice-writes"]) as socket:
            assert closed_with(socket)[0] == CloseCode.LIFE_OVER


def test_a_room_wakes_up_with_what_it_held(rig, peer):
    one = peer("a").sync()
    one.push("kept")
    one.sync()
    one.socket.close()
    until(lambda: rig.relay.status().rooms == 0, "sleep")
    assert values(peer("b").sync().document) == ["kept"]
