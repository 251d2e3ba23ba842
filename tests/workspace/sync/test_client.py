"""The client of a relay: when it counts as connected, when it tries again, and what it sends."""

import pytest

from strongroom.errors import Unavailable
from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.sync.subprotocols import Dialect
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from tests.fakes.relay_rig import append, new_documents, until, values
from tests.fakes.scripted_socket import scene

NOTHING = b"\x00\x00"


def update_of(*added):
    document = Document("notes")
    append(document, *added)
    return document.update_since()


def test_it_offers_its_dialect_and_begins_with_what_it_has():
    with scene() as here:
        socket = here.relay.next()
        assert here.relay.offers == [("ws://relay/room", ["strongroom"])]
        assert frames.decode_y(socket.next()) == frames.Step1(b"\x00")


def test_it_is_connected_only_after_the_first_step2_or_update():
    with scene() as here:
        socket = here.relay.next()
        socket.next()
        socket.hear(frames.y_step1(b"\x00"))
        assert frames.decode_y(socket.next()) == frames.Step2(NOTHING), "it answers"
        assert here.client.state == "connecting"
        socket.hear(frames.y_step2(NOTHING))
        here.state("connected")
        assert here.client.problem == ""


def test_an_update_counts_as_well():
    with scene() as here:
        here.relay.next().hear(frames.y_update(update_of("x")))
        here.state("connected")
        assert values(here.document) == ["x"]


def test_a_change_is_sent_and_what_came_from_the_relay_is_not_sent_back():
    with scene() as here:
        socket = here.relay.next()
        socket.next()
        socket.hear(frames.y_step2(update_of("theirs")))
        here.state("connected")
        append(here.document, "ours")
        sent = frames.decode_y(socket.next())
        (copy,) = new_documents(1)
        copy.apply(update_of("theirs"))
        copy.apply(sent.update)
        assert sorted(values(copy)) != ["ours", "theirs"] or values(here.document) == ["theirs", "ours"]
        assert b"ours" in sent.update
        assert b"theirs" not in sent.update
        assert socket.sent.empty()


def test_the_back_off_doubles_up_to_half_a_minute_and_is_spread_by_chance():
    away = [faults.unreachable("away") for _ in range(9)]
    with scene(failures=away) as here:
        waits = []
        for _ in range(9):
            waits.append(here.clock.next_wait())
            assert here.client.state == "offline"
            here.clock.go_on()
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    with scene(chance=0.0, failures=away[:1]) as here:
        assert here.clock.next_wait() == 0.25


def test_a_connection_that_worked_begins_the_back_off_anew():
    with scene(failures=[faults.unreachable("away")] * 3) as here:
        for _ in range(3):
            here.clock.next_wait()
            here.clock.go_on()
        socket = here.relay.next()
        socket.hear(frames.y_step2(NOTHING))
        here.state("connected")
        socket.end(1001)
        assert here.clock.next_wait() == 0.5
        assert here.client.problem.startswith("SR-SYNC-030")


@pytest.mark.parametrize("code", [4400, 4507, 1009, 1011, 1013])
def test_a_relay_that_accepts_and_then_refuses_again_and_again_is_not_hammered(code):
    with scene() as here:
        waits = []
        for _ in range(4):
            socket = here.relay.next()
            socket.hear(frames.y_step2(NOTHING))
            socket.end(code, "SR-WS-039 no")
            waits.append(here.clock.next_wait())
            here.clock.go_on()
    assert waits == [0.5, 1, 2, 4]


def test_4401_stops_for_good_until_a_reconnect_signal():
    with scene() as here:
        here.relay.next().end(4401, "who are you")
        assert here.clock.next_wait() is None, "no time is set"
        assert here.client.state == "refused"
        assert "4401" in here.client.problem
        here.signals.fire()
        here.relay.next().hear(frames.y_step2(NOTHING))
        here.state("connected")
        assert here.client.problem == ""


def test_a_handshake_that_is_forbidden_stops_too():
    with scene(failures=[faults.refused_for_good("it answered 403")]) as here:
        assert here.clock.next_wait() is None
        assert here.client.state == "refused"


@pytest.mark.parametrize("code", [4408, 4508, 1001, 1006])
def test_4408_and_a_relay_that_went_away_are_connected_to_again(code):
    with scene() as here:
        socket = here.relay.next()
        socket.hear(frames.y_step2(NOTHING))
        here.state("connected")
        socket.end(code)
        assert here.clock.next_wait() == 0.5
        here.clock.go_on()
        here.relay.next().hear(frames.y_step2(NOTHING))
        here.state("connected")


def test_a_reconnect_signal_ends_a_long_wait():
    with scene(failures=[faults.unreachable("away")] * 2) as here:
        here.clock.next_wait()
        here.clock.go_on()
        here.clock.next_wait()
        here.signals.fire()
        here.relay.next()


def test_silence_for_a_minute_makes_it_ask_and_for_a_minute_and_a_half_give_up():
    with scene(Dialect.EPICENTER) as here:
        socket = here.relay.next()
        socket.next()
        here.clock.now = 60
        socket.silence()
        assert socket.next() == "ping"
        socket.hear("pong")
        socket.hear(frames.step1(b"\x00"))
        assert isinstance(frames.decode(socket.next()), frames.Step2)
        here.clock.now = 120
        socket.silence()
        assert socket.next() == "ping"
        here.clock.now = 150
        socket.silence()
        assert here.clock.next_wait() == 0.5
        assert "silent" in here.client.problem
        assert socket.closed.is_set()


def test_in_the_dialect_without_ping_it_asks_for_what_is_new():
    with scene() as here:
        socket = here.relay.next()
        socket.next()
        here.clock.now = 60
        socket.silence()
        assert isinstance(frames.decode_y(socket.next()), frames.Step1)


def test_what_was_changed_offline_is_in_the_answer_of_the_next_handshake():
    with scene(failures=[faults.unreachable("away")]) as here:
        here.clock.next_wait()
        append(here.document, "offline")
        here.clock.go_on()
        socket = here.relay.next()
        socket.next()
        socket.hear(frames.y_step1(b"\x00"))
        assert b"offline" in frames.decode_y(socket.next()).update


def test_the_older_dialect_speaks_v2_without_an_outer_number():
    with scene(Dialect.EPICENTER) as here:
        socket = here.relay.next()
        assert here.relay.offers[0][1] == ["epicenter"]
        assert socket.next() == b"\x00\x01\x00"
        socket.hear(frames.step2(v1_to_v2(update_of("theirs"))))
        here.state("connected")
        assert values(here.document) == ["theirs"]
        append(here.document, "ours")
        assert b"ours" in v2_to_v1(frames.decode(socket.next()).update)
        socket.hear('{"type":"presence","devices":[]}')
        socket.hear(frames.step1(b"\x00"))
        assert isinstance(frames.decode(socket.next()), frames.Step2), "text frames do no harm"


@pytest.mark.parametrize(
    "bad",
    [b"", b"\x00\x02\xff", frames.y_update(b"\xff"), frames.y_update(v1_to_v2(update_of(1)))],
    ids=["nothing", "cut short", "no update", "V2"],
)
def test_what_makes_no_sense_is_shown_and_does_no_harm(bad):
    with scene() as here:
        socket = here.relay.next()
        socket.hear(bad)
        socket.hear(frames.y_step2(update_of("good")))
        here.state("connected")
        assert values(here.document) == ["good"]
        assert here.client.problem.startswith("SR-WS-0")


def test_a_token_that_may_only_read_shows_when_a_change_was_not_taken():
    with scene() as here:
        socket = here.relay.next()
        socket.hear(frames.y_step2(NOTHING))
        socket.hear(frames.y_denied("no"))
        until(lambda: here.client.problem.startswith("SR-SYNC-017"))
        assert here.client.state == "connected", "it goes on reading"


def test_a_value_that_no_message_carries_is_shown_by_name():
    with scene() as here:
        socket = here.relay.next()
        socket.hear(frames.y_step2(NOTHING))
        here.state("connected")
        append(here.document, "x" * 6_000_000)
        until(lambda: here.client.problem.startswith("SR-SYNC-032"))


def test_a_large_change_is_sent_in_parts_that_a_relay_takes():
    with scene() as here:
        socket = here.relay.next()
        socket.next()
        append(here.document, *("x" * 100_000 for _ in range(80)))
        (copy,) = new_documents(1)
        while len(values(copy)) < 80:
            message = socket.next()
            assert len(message) < 5 * 1024 * 1024
            copy.apply(frames.decode_y(message).update)


def test_whatever_an_opener_raises_is_tried_again_and_its_words_are_not_shown():
    with scene(failures=[RuntimeError("bearer.secret"), Unavailable("SR-X", "away")]) as here:
        assert here.clock.next_wait() == 0.5
        assert "RuntimeError" in here.client.problem
        assert "secret" not in here.client.problem
        here.clock.go_on()
        assert here.clock.next_wait() == 1


def test_leaving_sends_what_was_changed_last_and_ends_the_trying():
    with scene() as here:
        socket = here.relay.next()
        socket.next()
        append(here.document, "last words")
        here.client.dispose()
        assert b"last words" in socket.next()
        assert socket.closed.is_set()
        assert (here.client.state, here.client.problem) == ("off", "")
        assert here.signals.callbacks == [], "it listens to no signal any more"
        here.client.dispose()


def test_leaving_while_it_waits_ends_at_once():
    with scene(failures=[faults.refused_for_good("no")]) as here:
        here.clock.next_wait()
        here.client.dispose()
        assert here.client.state == "off"
