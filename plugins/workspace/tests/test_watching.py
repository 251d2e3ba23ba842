"""Changes of a workspace become events: each once, none lost while somebody listens or comes back."""

import logging
import threading

import pytest
from google.protobuf import any_pb2

from strongroom.plugin import CapabilityError, EventBook, Registration
from strongroom.plugin.messages import capabilities_pb2, workspace_pb2
from strongroom.testing.memory_workspaces import MemoryWorkspaces
from strongroom.testing.plugin_host import WAIT_S, MemoryStore
from strongroom_workspace.grants import Grants
from strongroom_workspace.watching import Watchers
from tests.fakes.workflow_caller import ALICE, WORKFLOW

LOG = logging.getLogger("strongroom.plugins.workspace")


class Heard:
    """Where events arrive."""

    def __init__(self):
        self.changed = threading.Condition()
        self.events = []

    def send(self, event_id, payload):
        message = workspace_pb2.Changed()
        assert payload.Unpack(message)
        with self.changed:
            self.events.append((event_id, message))
            self.changed.notify_all()

    def fail(self, error):
        raise AssertionError(error)

    def unfinished(self):
        return 0

    def close(self):
        """Nothing to close."""

    def wait(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, WAIT_S), self.events
        return [(message.action, message.key, message.json) for _, message in self.events]


class Scene:
    """A host's workspaces, and watchers that can be started anew on the same store."""

    def __init__(self):
        self.workspaces = MemoryWorkspaces()
        self.workspaces.mount("notes")
        self.store = MemoryStore()
        self.restart()

    def restart(self):
        book = EventBook(self.store, log=LOG)
        grants = Grants.parsed({"notes": {"read": ["*/reader"]}})
        self.watchers = Watchers(self.workspaces, grants, book, self.store, LOG)

    def register(self, heard, *, name="reader", **config):
        payload = any_pb2.Any()
        payload.Pack(workspace_pb2.WatchConfig(**{"mount": "notes", **config}))
        metadata = capabilities_pb2.RequestMetadata(
            workflow_id=WORKFLOW, workflow_owner=ALICE, decoded_workflow_name=name
        )
        registration = Registration(trigger_id="t", metadata=metadata, payload=payload, method="Watch")
        return self.watchers.register(registration, heard)

    def watched(self):
        """Wait until somebody watches."""
        for _ in range(3000):
            if any(self.workspaces._watching.values()) and self.store.list("told/"):
                return
            threading.Event().wait(0.01)
        raise AssertionError("nobody watches")


@pytest.fixture
def scene():
    made = Scene()
    yield made
    made.watchers.close()


def test_a_change_is_told_with_its_value(scene):
    heard = Heard()
    scene.register(heard)
    scene.watched()
    scene.workspaces.put("notes", "", "a", b"1")
    scene.workspaces.put("notes", "", "a", b"2", remote=True)
    scene.workspaces.delete("notes", "", "a")
    assert heard.wait(3) == [("add", "a", b"1"), ("update", "a", b"2"), ("delete", "a", b"")]
    assert [message.remote for _, message in heard.events] == [False, True, False]
    assert len({event_id for event_id, _ in heard.events}) == 3


def test_the_first_registration_begins_with_what_is_there(scene):
    scene.workspaces.put("notes", "", "old", b"1")
    heard = Heard()
    scene.register(heard)
    scene.watched()
    scene.workspaces.put("notes", "", "new", b"2")
    assert heard.wait(1) == [("add", "new", b"2")]


def test_what_changed_while_nobody_listened_is_told_once(scene):
    heard = Heard()
    stop = scene.register(heard)
    scene.watched()
    scene.workspaces.put("notes", "", "a", b"1")
    heard.wait(1)
    scene.watchers.ack("t", heard.events[0][0])
    stop()
    scene.watchers.close()
    scene.workspaces.put("notes", "", "b", b"2")
    scene.restart()
    again = Heard()
    scene.register(again)
    assert again.wait(1) == [("update", "b", b"2")]
    scene.workspaces.put("notes", "", "c", b"3")
    assert again.wait(2)[1:] == [("add", "c", b"3")]


def test_only_keys_with_the_prefix_and_of_the_table_are_told(scene):
    heard = Heard()
    scene.register(heard, table="tasks", key_prefix="x/")
    scene.watched()
    scene.workspaces.put("notes", "tasks", "y/1", b"{}")
    scene.workspaces.put("notes", "", "x/1", b"{}")
    scene.workspaces.put("notes", "tasks", "x/1", b"{}")
    assert heard.wait(1) == [("add", "x/1", b"{}")]


def test_a_workspace_that_is_closed_and_opened_again_is_watched_again(scene):
    heard = Heard()
    scene.register(heard)
    scene.watched()
    scene.workspaces.unmount("notes")
    scene.workspaces.mount("notes")
    scene.workspaces.put("notes", "", "a", b"1")
    assert heard.wait(1)[0][1:] == ("a", b"1")


def test_who_may_not_read_may_not_watch(scene):
    with pytest.raises(CapabilityError, match="may not read workspace notes"):
        scene.register(Heard(), name="another")


def test_a_config_without_a_mount_is_refused(scene):
    with pytest.raises(CapabilityError, match="name the workspace to watch"):
        scene.register(Heard(), mount="")


def test_what_is_forgotten_begins_anew(scene):
    stop = scene.register(Heard())
    scene.watched()
    stop()
    scene.watchers.forget("t")
    assert not scene.store.list("told/")
