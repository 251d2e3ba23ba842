"""What a provider is told of its mount, and what it may ask for."""

import pytest

from strongroom.crypto.keyring_entry import Keyring
from strongroom.errors import Unavailable
from strongroom.keyring.owner_keyring import derive_keyring
from strongroom.plugin.mounts import MountProvider
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.persistence.names import device_id, y_doc_client_id
from tests.fakes.mount_rig import MountRig, Watching, remote

ONE = "[[mounts]]\nname = 'one'\nprovider = 'watching'\n"


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def watched(rig: MountRig, **more) -> Watching:
    watching = Watching(**more)
    rig.providers.append(watching.provider())
    return watching


def test_a_mount_context_has_every_field_of_the_contract(rig):
    watching = watched(rig)
    rig.declare(ONE)
    rig.mounts.mount(rig.project, "one")
    (context,) = watching.contexts
    assert (context.project_dir, context.mount, context.owner_id) == (rig.project, "one", "shared")
    assert context.device_id == device_id("one") == "one-daemon"
    assert context.y_doc_client_id == y_doc_client_id(str(rig.project))
    assert 1 <= context.y_doc_client_id <= 2**53
    keyring = context.keyring()
    assert isinstance(keyring, Keyring)
    assert keyring == derive_keyring(rig.root, "shared")
    context.open_web_socket("wss://relay.example/x", ["epicenter"])
    assert rig.dialed == [("wss://relay.example/x", ("epicenter",))]
    calls = []
    end = context.on_reconnect_signal(lambda: calls.append(1))
    rig.session.reconnect()
    end()
    rig.session.reconnect()
    assert calls == [1]


def test_the_repr_of_a_context_and_of_an_open_mount_shows_no_key(rig):
    watching = watched(rig)
    rig.declare(ONE)
    rig.mounts.mount(rig.project, "one")
    shown = repr(watching.contexts) + repr(rig.mounts.get("one")) + repr(rig.mounts.get("one").keys())
    for entry in rig.session.keyring().entries:
        assert entry.key_bytes_base64 not in shown


def test_the_client_id_is_the_same_at_every_start_and_the_documents_is_fresh(rig):
    watching = watched(rig)
    rig.declare(ONE)
    seen = []
    for _ in range(2):
        rig.mounts.mount(rig.project, "one")
        seen.append(rig.mounts.get("one").workspace.document.client_id)
        rig.mounts.unmount("one")
    assert len({context.y_doc_client_id for context in watching.contexts}) == 1
    assert len(set(seen)) == 2


def test_a_web_socket_to_the_sessions_server_carries_the_bearer_and_no_other_does(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path))
    watching = watched(rig)
    rig.declare(ONE)
    rig.mounts.mount(rig.project, "one")
    (context,) = watching.contexts
    context.open_web_socket("wss://session.example/api", ["epicenter"])
    context.open_web_socket("wss://elsewhere.example/api", ["epicenter"])
    assert rig.dialed == [
        ("wss://session.example/api", ("epicenter", "bearer.alice")),
        ("wss://elsewhere.example/api", ("epicenter",)),
    ]
    rig.mounts.close()


def test_connect_gets_the_document_the_relay_and_the_context(rig):
    rig.declare("[[mounts]]\nname = 'notes'\nrelay = 'local'\n")
    opened = rig.open()
    (connection,) = rig.connections
    assert (connection.document, connection.relay) == (opened.workspace.document, "local")
    assert connection.context.device_id == "notes-daemon"
    assert opened.status().sync == "connected"


def test_connect_is_not_asked_for_a_mount_without_a_relay_and_disposed_with_one(rig):
    rig.open("plain")
    assert rig.connections == []
    assert rig.mounts.get("plain").status().sync == "off"
    rig.declare("[[mounts]]\nname = 'notes'\nrelay = 'wss://relay.example'\n")
    rig.open()
    rig.mounts.unmount("notes")
    assert rig.connections[0].disposed == 1


def test_a_host_that_does_not_sync_refuses_a_mount_with_a_relay(tmp_path):
    rig = MountRig(tmp_path, connects=False)
    rig.declare("[[mounts]]\nname = 'notes'\nrelay = 'local'\n")
    with pytest.raises(Unavailable, match="this host does not sync"):
        rig.mounts.mount(rig.project, "notes")
    rig.mounts.close()


def test_a_definition_names_the_workspace_unless_the_project_does(rig):
    fuji = WorkspaceDefinition("epicenter-fuji")
    rig.providers.append(MountProvider(name="fuji", open=lambda context: context.open_workspace(fuji)))
    rig.declare(
        "[[mounts]]\nname = 'A'\nprovider = 'fuji'\n[[mounts]]\nname = 'b'\nprovider = 'fuji'\nworkspace = 'mine'"
    )
    rig.mounts.mount(rig.project)
    assert rig.mounts.get("A").workspace.id == "epicenter-fuji"
    assert rig.mounts.get("b").workspace.id == "mine"
