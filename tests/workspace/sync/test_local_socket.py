"""A mount beside the relay: the same frames, in memory."""

import threading
from collections import deque

import pytest

from strongroom.errors import InvalidInput, NotFound, Unavailable
from strongroom.settings.relay import RelaySettings
from strongroom.workspace.sync.local_socket import MESSAGES_MAX
from strongroom.workspace.sync.relay import Relay
from strongroom.workspace.yjs import frames
from tests.fakes.relay_rig import RelayRig, append, connected, in_step, new_documents, until, values


@pytest.fixture
def relay(tmp_path):
    """A relay that listens nowhere."""
    made = Relay(RelaySettings(), tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_relay_that_listens_nowhere_serves_mounts_of_its_own_daemon(relay):
    assert relay.status().address == ""
    socket = relay.connect_local("alice", "notes", "mount-daemon")
    assert socket.subprotocol == "strongroom"
    assert frames.decode_y(socket.recv(10)) == frames.Step1(b"\x00")
    socket.send(frames.y_step1(b"\x00"))
    assert isinstance(frames.decode_y(socket.recv(10)), frames.Step2)
    assert relay.status().connections == 1
    socket.close()
    socket.close()
    until(lambda: relay.status().connections == 0)
    with pytest.raises(Unavailable):
        socket.send(b"")
    with pytest.raises(Unavailable):
        socket.recv(1)


def test_waiting_for_a_message_ends_when_told(relay):
    socket = relay.connect_local("alice", "notes", "d")
    socket.recv(10)
    with pytest.raises(TimeoutError):
        socket.recv(0.01)


def test_a_local_client_meets_one_over_the_network(tmp_path):
    with RelayRig(tmp_path) as rig:
        near, far = new_documents(2)
        connected(rig.local_client(near), rig.client(far))
        append(near, *("x" * 1_000 for _ in range(300)))
        append(far, "far")
        in_step(near, far)


def test_more_than_the_queue_holds_waits_for_its_reader_and_nothing_is_lost(relay):
    reader = relay.connect_local("alice", "notes", "reader")
    writer = relay.connect_local("alice", "notes", "writer")
    (document,) = new_documents(1)
    changes = []
    document.on_update(lambda update, origin: changes.append(update))
    for number in range(4 * MESSAGES_MAX):
        append(document, number)
    sending = threading.Thread(target=lambda: [writer.send(frames.y_update(each)) for each in changes])
    sending.start()
    (copy,) = new_documents(1)
    while len(values(copy)) < len(changes):
        match frames.decode_y(reader.recv(20)):
            case frames.Update(update):
                copy.apply(update)
    sending.join(20)
    assert values(copy) == values(document)


def test_when_the_relay_stops_the_socket_says_so(relay):
    socket = relay.connect_local("alice", "notes", "d")
    relay.stop()
    messages = iter(lambda: socket.recv(10), None)
    with pytest.raises(Unavailable) as closed:
        deque(messages)
    assert closed.value.details["close_code"] == 1001
    with pytest.raises(Unavailable):
        socket.send(b"x")
    with pytest.raises(Unavailable) as stopped:
        relay.connect_local("alice", "notes", "d")
    assert stopped.value.code == "SR-SYNC-022"
    relay.stop()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(("", "notes", "d"), NotFound), (("a", "../x", "d"), NotFound), (("a", "notes", ""), InvalidInput)],
    ids=["no owner", "no workspace id", "no device"],
)
def test_what_names_no_room_is_refused(relay, arguments, fault):
    with pytest.raises(fault):
        relay.connect_local(*arguments)
