"""A relay that a project names, and that means no good: it fills neither memory nor the log of the host."""

import logging

import pytest

from strongroom.workspace.document import Document
from strongroom.workspace.sync import client_session
from strongroom.workspace.sync.limits import MALFORMED_MAX
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import append, until, values
from tests.fakes.scripted_socket import scene


def update_of(*added):
    document = Document("notes")
    append(document, *added)
    return document.update_since()


def test_a_workspace_grows_by_what_a_relay_sends_up_to_a_limit_and_goes_on(monkeypatch):
    monkeypatch.setattr(client_session, "STATE_BYTES_MAX", 100_000)
    with scene() as here:
        socket = here.relay.next()
        socket.hear(frames.y_step2(update_of("x" * 60_000)))
        here.state("connected")
        socket.hear(frames.y_update(update_of("y" * 60_000)))
        until(lambda: here.client.problem.startswith("SR-SYNC-036"))
        socket.hear(frames.y_update(update_of("small")))
        until(lambda: len(values(here.document)) == 2)
        assert sorted(map(len, values(here.document))) == [5, 60_000]
        assert here.client.state == "connected"


def test_what_was_deleted_makes_room_again(monkeypatch):
    monkeypatch.setattr(client_session, "STATE_BYTES_MAX", 100_000)
    with scene() as here:
        socket = here.relay.next()
        socket.hear(frames.y_step2(update_of("x" * 60_000)))
        until(lambda: values(here.document))
        with here.document.transaction():
            here.document.array("kv").clear()
        socket.hear(frames.y_update(update_of("y" * 60_000)))
        until(lambda: values(here.document) == ["y" * 60_000])


def test_a_token_that_may_only_read_is_told_so_as_often_as_it_writes():
    with scene() as here:
        socket = here.relay.next()
        for _ in range(2 * MALFORMED_MAX):
            socket.hear(frames.y_denied("no"))
        socket.hear(frames.y_step2(update_of("theirs")))
        until(lambda: values(here.document) == ["theirs"])
        assert here.client.state == "connected"


@pytest.mark.parametrize("bad", [b"\x00\x02\xff", frames.y_update(b"\xff" * 50)], ids=["a frame", "an update"])
def test_a_relay_that_talks_nonsense_for_ever_is_left_and_fills_no_log(caplog, bad):
    with caplog.at_level(logging.WARNING, "strongroom.sync"), scene() as here:
        socket = here.relay.next()
        for _ in range(2 * MALFORMED_MAX):
            socket.hear(bad)
        assert here.clock.next_wait() == 0.5, "it comes again, later and later"
        assert socket.closed.is_set()
        assert here.client.state == "offline"
        assert len(caplog.records) <= MALFORMED_MAX + 1
