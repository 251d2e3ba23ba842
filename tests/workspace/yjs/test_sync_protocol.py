"""Frames and steps of the sync protocol in both dialects, as a client takes them; HTTP bodies and state vectors."""

import pytest

from strongroom.errors import Forbidden, InvalidInput, LimitExceeded, Refused
from strongroom.workspace.document import Document
from strongroom.workspace.sync import client_session
from strongroom.workspace.sync.client_session import ClientSession
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.convert import v1_to_v2
from strongroom.workspace.yjs.http_body import SyncBody, decode_body, encode_body
from strongroom.workspace.yjs.limits import CLOCK_MAX, FRAME_BYTES_MAX, UpdateLimits
from strongroom.workspace.yjs.state_vector import decode_state_vector, encode_state_vector
from tests.fakes import yjs_vectors as vectors

UPSTREAM, Y_WEBSOCKET = Dialect.EPICENTER, Dialect.STRONGROOM
WIRES = pytest.mark.parametrize("wire", [UPSTREAM, Y_WEBSOCKET], ids=["upstream", "y-websocket"])
EMPTY = b"\0\0"


class Peer(Document):
    """A document with one array, which remembers where its changes came from."""

    def __init__(self, client, update=None):
        super().__init__("notes", client_id=client)
        self.values = self.array("kv")
        self.origins = []
        if update:
            self.apply(update)
        self.on_update(lambda _update, origin: self.origins.append(origin))

    def put(self, *values):
        for value in values:
            with self.transaction():
                self.values.append(value)


def said(peer, wire, act, origin="relay"):
    """What a client of ``peer`` sends when it does something."""
    session = ClientSession(peer, None, wire, origin, lambda: 0.0, lambda: None)
    act(session)
    session._outbox.close()
    return [message for item in iter(session._outbox.take, None) for message in session._messages(item)]


def opening(peer, wire):
    (frame,) = said(peer, wire, lambda session: session._ask())
    return frame


def change(update_v1, wire):
    (frame,) = said(Peer(1), wire, lambda session: session._changed(update_v1, None))
    return frame


def answer(peer, frame, wire, origin="relay"):
    frames_sent = said(peer, wire, lambda session: session._take(frame), origin)
    assert len(frames_sent) < 2
    return frames_sent[0] if frames_sent else None


def fixture(key):
    return vectors.field("sync-frames", key)


def meet(one, other, wire):
    """The whole handshake: both open, both answer."""
    for asks, gives in ((one, other), (other, one)):
        reply = answer(gives, opening(asks, wire), wire)
        assert answer(asks, reply, wire) is None, "STEP2 is not answered"


def test_the_numbers_of_frames_are_0_step1_1_step2_2_update():
    assert [frames.step1(b"")[0], frames.step2(b"")[0], frames.update(b"")[0]] == [0, 1, 2]
    assert [frames.y_step1(b"")[:2], frames.y_step2(b"")[:2], frames.y_update(b"")[:2]] == [b"\0\0", b"\0\1", b"\0\2"]
    assert [frames.y_awareness(b"")[0], frames.y_denied("")[0], frames.y_query_awareness()[0]] == [1, 2, 3]


def test_step1_carries_the_state_vector():
    assert opening(Peer(1), UPSTREAM) == fixture("step1OfEmptyDoc")
    assert opening(Peer(1, fixture("updateV1")), UPSTREAM) == fixture("step1OfDoc")
    assert frames.decode(fixture("step1OfDoc")) == frames.Step1(fixture("stateVector"))
    assert opening(Peer(1, fixture("updateV1")), Y_WEBSOCKET) == b"\0" + fixture("step1OfDoc")


def test_step1_is_answered_with_step2_that_holds_what_is_lacking():
    assert frames.step2(vectors.v2("sync-frames")) == fixture("step2ReplyToEmpty")
    document = Peer(1, fixture("updateV1"))
    document.update_since = lambda _: fixture("updateV1")  # pycrdt writes other bytes for the same content
    assert answer(document, fixture("step1OfEmptyDoc"), UPSTREAM) == fixture("step2ReplyToEmpty")
    assert answer(document, b"\0" + fixture("step1OfEmptyDoc"), Y_WEBSOCKET) == frames.y_step2(fixture("updateV1"))


def test_step2_is_applied_and_not_answered():
    for wire, frame in ((UPSTREAM, fixture("step2ReplyToEmpty")), (Y_WEBSOCKET, frames.y_step2(fixture("updateV1")))):
        peer = Peer(2)
        assert answer(peer, frame, wire, origin="remote") is None
        assert peer.values.to_py() == [{"key": "k", "val": "v", "ts": 1767227000000.0}]
        assert peer.origins == ["remote"]


def test_an_update_frame_is_applied_and_not_answered():
    for wire, frame in ((UPSTREAM, fixture("updateFrame")), (Y_WEBSOCKET, frames.y_update(fixture("updateV1")))):
        assert change(fixture("updateV1"), wire) == frame
        peer = Peer(2)
        assert answer(peer, frame, wire) is None
        assert peer.state_vector() == fixture("stateVector")


@WIRES
def test_an_empty_update_changes_nothing(wire):
    peer = Peer(1, fixture("updateV1"))
    before = peer.update_since()
    assert answer(peer, change(EMPTY, wire), wire) is None
    assert peer.update_since() == before
    level = answer(peer, opening(peer, wire), wire)
    assert level == (frames.step2(v1_to_v2(EMPTY)) if wire is UPSTREAM else frames.y_step2(EMPTY))


@WIRES
def test_a_full_handshake_brings_both_sides_together(wire):
    one, other = Peer(1), Peer(2)
    one.put({"key": "a", "val": 1, "ts": 1})
    other.put({"key": "b", "val": "ü😀", "ts": 2})
    meet(one, other, wire)
    assert one.values.to_py() == other.values.to_py()
    assert {entry["key"] for entry in one.values.to_py()} == {"a", "b"}
    one.put({"key": "c", "val": None, "ts": 3})
    answer(other, change(one.update_since(other.state_vector()), wire), wire)
    assert other.values.to_py() == one.values.to_py()


@WIRES
def test_documents_of_more_than_1000_operations_are_synced(wire):
    one, other = Peer(1), Peer(2)
    for number in range(1_200):
        one.put({"key": f"k{number}", "val": number, "ts": number})
        if number % 3 == 0:
            with one.transaction():
                del one.values[number // 3]
    for number in range(50):
        with other.transaction():
            other.values.insert(0, {"key": f"o{number}", "val": b"\x01\x02", "ts": number})
    meet(one, other, wire)
    assert len(one.values) == len(other.values) == 850
    assert one.values.to_py() == other.values.to_py()


def test_a_handshake_across_dialects_agrees():
    """A relay speaks V2 with one peer and V1 with another; the document between them is the same."""
    relay, upstream, browser = Peer(1), Peer(2), Peer(3)
    upstream.put({"key": "u", "val": 1, "ts": 1})
    browser.put({"key": "b", "val": 2, "ts": 2})
    for _ in range(2):
        meet(relay, upstream, UPSTREAM)
        meet(relay, browser, Y_WEBSOCKET)
    assert upstream.values.to_py() == browser.values.to_py() == relay.values.to_py()
    assert len(relay.values) == 2


def test_unknown_numbers_are_ignored():
    for frame in (b"\3", b"\3\1\0", b"\x80\1"):
        assert isinstance(frames.decode(frame), frames.Ignored)
        assert answer(Peer(1), frame, UPSTREAM) is None
    for frame in (b"\4", b"\0\3\0", b"\2\1", b"\x80\1"):
        assert isinstance(frames.decode_y(frame), frames.Ignored)
        assert answer(Peer(1), frame, Y_WEBSOCKET) is None


def test_what_is_not_about_sync_does_nothing_to_a_document():
    awareness = frames.y_awareness(b"\0")
    assert frames.decode_y(awareness) == frames.Awareness(b"\0")
    assert frames.decode_y(frames.y_query_awareness()) == frames.QueryAwareness()
    assert frames.decode_y(frames.y_denied("not yours")) == frames.Denied("not yours")
    peer = Peer(1)
    for frame in (awareness, frames.y_query_awareness()):
        assert answer(peer, frame, Y_WEBSOCKET) is None
    with pytest.raises(Forbidden, match="the token may only read"):
        answer(peer, frames.y_denied(""), Y_WEBSOCKET)
    assert peer.origins == []


@pytest.mark.parametrize("key", ["step1OfDoc", "step2ReplyToEmpty", "updateFrame"])
def test_a_truncated_frame_is_refused_and_harmless(key):
    peer = Peer(1)
    for wire, frame in ((UPSTREAM, fixture(key)), (Y_WEBSOCKET, b"\0" + fixture(key))):
        for end in range(len(frame)):
            with pytest.raises(InvalidInput) as refused:
                answer(peer, frame[:end], wire)
            assert refused.value.code == "SR-WS-030"
        with pytest.raises(InvalidInput, match="1 bytes stand behind the end of the frame"):
            answer(peer, frame + b"\0", wire)
    assert peer.update_since() == EMPTY
    assert peer.origins == []


@WIRES
def test_a_refused_frame_changes_nothing(wire):
    peer = Peer(1)
    child = bytes([1, 1, 1, 0, 9, 1, 1, 97, 1, 103, 126, 0])
    with pytest.raises(Forbidden, match="a child document"):
        answer(peer, change(child, wire), wire)
    other_way = fixture("updateFrame")[1:] if wire is Y_WEBSOCKET else b"\x27" + fixture("updateV1")
    head = b"\0\2" if wire is Y_WEBSOCKET else b"\2"
    with pytest.raises(InvalidInput) as refused:
        answer(peer, head + other_way, wire)
    assert refused.value.code == ("SR-WS-032" if wire is Y_WEBSOCKET else "SR-WS-041")
    assert peer.update_since() == EMPTY


def test_a_frame_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(client_session, "_RECEIVED", UpdateLimits(bytes_max=FRAME_BYTES_MAX))
    for wire in (UPSTREAM, Y_WEBSOCKET):
        write = frames.y_update if wire is Y_WEBSOCKET else frames.update
        with pytest.raises(LimitExceeded) as refused:
            answer(Peer(1), write(bytes(FRAME_BYTES_MAX + 1)), wire)
        assert refused.value.code == "SR-WS-033"


def test_the_text_form_of_a_frame_shows_no_payload():
    for frame in (fixture("updateFrame"), fixture("step1OfDoc"), fixture("step2ReplyToEmpty")):
        assert "x" not in repr(frames.decode(frame)).partition("(")[2]
    assert "b'" not in repr(decode_body(fixture("httpBodyWithUpdate")))


def test_http_bodies_carry_a_state_vector_and_an_update_that_may_be_empty():
    vector, update = fixture("stateVector"), vectors.v2("sync-frames")
    assert encode_body(b"\0") == fixture("httpBodyNoUpdate")
    assert encode_body(vector, update) == fixture("httpBodyWithUpdate")
    assert decode_body(fixture("httpBodyNoUpdate")) == SyncBody(b"\0", b"")
    assert decode_body(fixture("httpBodyWithUpdate")) == SyncBody(vector, update)


def test_a_malformed_http_body_is_an_error_and_no_crash():
    whole = fixture("httpBodyWithUpdate")
    for body in [*(whole[:end] for end in range(len(whole))), whole + b"\0", b"\1\1\0", b"\2\x80\0\0"]:
        with pytest.raises(InvalidInput, match="the body of the sync request is malformed") as refused:
            decode_body(body)
        assert refused.value.code == "SR-WS-043"
    with pytest.raises(LimitExceeded, match="the body of a sync request has"):
        decode_body(bytes(FRAME_BYTES_MAX + 1))


def test_state_vectors_are_written_with_the_highest_client_first():
    clocks = {1: 5, 2**32: 1, 300: 0}
    assert decode_state_vector(encode_state_vector(clocks)) == clocks
    assert list(decode_state_vector(encode_state_vector(clocks))) == [2**32, 300, 1]
    for name in vectors.NAMES:
        vector = vectors.field(name, "stateVector")
        assert encode_state_vector(decode_state_vector(vector)) == vector


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        (b"", "SR-WS-030"),
        (b"\1\1", "SR-WS-030"),
        (b"\0\0", "SR-WS-031"),
        (b"\2\1\1\1\1", "SR-WS-040"),
        (b"\xff\xff\xff\x7f", "SR-WS-034"),
        (encode_state_vector({1: CLOCK_MAX + 1}), "SR-WS-035"),
    ],
    ids=["nothing", "cut", "trailing", "client twice", "too many clients", "clock too high"],
)
def test_a_state_vector_that_no_library_writes_is_refused(vector, code):
    with pytest.raises(Refused) as refused:
        decode_state_vector(vector)
    assert refused.value.code == code
    with pytest.raises(Refused):
        answer(Peer(1), frames.step1(vector), UPSTREAM)
