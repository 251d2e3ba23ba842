"""Mounts when somebody signs out, when another owner signs in, and when keys change."""

import pytest

from strongroom.errors import Unavailable, WrongState
from strongroom.keyring.root import parse_secrets
from strongroom.workspace.session.cell import Grant
from tests.fakes.mount_rig import MountRig, StubServer, Watching, remote


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def put(rig: MountRig, value: object, name: str = "notes") -> None:
    opened = rig.mounts.get(name)
    opened.workspace.store("kv").set("key", value)
    opened.flush()


def value(rig: MountRig, name: str = "notes") -> object:
    return rig.mounts.get(name).workspace.store("kv").get("key")


def states(rig: MountRig) -> dict[str, str]:
    return {info.name: info.state for info in rig.mounts.all()}


# Signing out


def signed_in(tmp_path, server: StubServer | None = None) -> MountRig:
    return MountRig(tmp_path, session=remote(tmp_path, server=server))


def test_signing_out_closes_every_workspace_and_drops_its_keys(tmp_path):
    rig = signed_in(tmp_path)
    opened = rig.open()
    put(rig, "kept")
    store = opened.workspace.store("kv")
    rig.mounts.sign_out()
    assert rig.mounts.opened() == []
    assert states(rig) == {"notes": "signed-out"}
    with pytest.raises(Unavailable, match=r"\[notes-daemon\] auth signed-out\."):
        opened.keys()
    with pytest.raises(WrongState, match="locked|closed"):
        store.set("key", "late")
    with pytest.raises(Unavailable, match="nobody is signed in"):
        rig.mounts.get("notes")
    rig.mounts.close()


def test_what_was_written_before_a_sign_out_is_there_after_the_next_sign_in(tmp_path):
    rig = signed_in(tmp_path)
    rig.open().workspace.store("kv").set("key", "never flushed")
    rig.mounts.sign_out()
    rig.session.sign_in(Grant(access_token="alice"))
    assert states(rig) == {"notes": "open"}
    assert value(rig) == "never flushed"
    rig.mounts.close()


def test_a_late_sign_out_is_an_error_at_the_next_encrypted_write_and_no_silent_loss(tmp_path):
    rig = signed_in(tmp_path)
    opened = rig.open()
    # The session ends, and whoever holds the workspace has not been told yet.
    rig.mounts._end_watching()
    rig.session.sign_out()
    opened.workspace.store("kv").set("key", "late")
    with pytest.raises(Unavailable, match=r"\[notes-daemon\] auth signed-out\."):
        opened.flush()
    with pytest.raises(Unavailable, match=r"\[notes-daemon\] auth signed-out\."):
        rig.mounts.get("notes")
    rig.mounts.close()
    again = MountRig(tmp_path, session=remote(tmp_path))
    again.mounts.reopen_known()
    assert value(again) == "late", "it was refused to its writer, and is on disk all the same"
    again.mounts.close()


def test_the_context_of_a_provider_raises_when_signed_out(tmp_path):
    rig = signed_in(tmp_path)
    watching = Watching()
    rig.providers.append(watching.provider())
    rig.declare("[[mounts]]\nname = 'notes'\nprovider = 'watching'\n")
    rig.open()
    rig.mounts.sign_out()
    with pytest.raises(Unavailable) as caught:
        watching.contexts[0].keyring()
    assert caught.value.what == "[notes-daemon] auth signed-out."
    rig.mounts.close()


def test_nobody_signs_out_of_the_keys_of_this_host(rig):
    rig.open()
    with pytest.raises(WrongState, match="this host's own keys"):
        rig.mounts.sign_out()
    assert states(rig) == {"notes": "open"}


def test_another_owner_closes_what_is_open_and_gets_none_of_it(tmp_path):
    rig = signed_in(tmp_path)
    opened = rig.open()
    put(rig, "of alice")
    rig.session.sign_in(Grant(access_token="bob"))
    with pytest.raises(Unavailable, match="auth signed-out"):
        opened.keys()
    (info,) = rig.mounts.all()
    assert (info.state, info.code) == ("failed", "SR-MOUNT-027")
    assert "alice mounted it, and bob is signed in" in info.problem
    rig.session.sign_in(Grant(access_token="alice"))
    assert value(rig) == "of alice"
    rig.mounts.close()


def test_a_refused_grant_leaves_workspaces_open(tmp_path):
    rig = signed_in(tmp_path)
    rig.open()
    rig.session._refused(rig.session._sign_in_number)
    assert rig.session.state == "reauth-required"
    put(rig, "still written")
    assert value(rig) == "still written"
    rig.mounts.close()


# Rotation


def test_a_new_keyring_reaches_open_workspaces_in_place_and_seals_nothing_again(tmp_path):
    server = StubServer()
    rig = signed_in(tmp_path, server)
    opened = rig.open()
    put(rig, "old")
    server.secrets = "2:fresh,1:a-secret-of-tests"
    rig.session.confirm()
    assert rig.mounts.get("notes") is opened
    status = opened.status()
    assert (status.key_version, status.values_by_version, status.unreadable_count) == (2, {1: 1}, 0)
    opened.workspace.store("kv").set("other", "new")
    assert opened.status().values_by_version == {1: 1, 2: 1}
    rig.mounts.close()


def test_rekey_hands_over_what_the_root_keyring_holds_by_now(rig):
    rig.open()
    put(rig, "old")
    rig.root.become(parse_secrets("2:fresh,1:a-root-secret"))
    rig.mounts.rekey()
    put(rig, "new")
    opened = rig.mounts.get("notes")
    assert opened.status().values_by_version == {2: 1}
    opened.log.compact()
    assert opened.status().rows_by_version == {2: 1}
    rig.root.become(parse_secrets("2:fresh"))
    rig.mounts.rekey()
    rig.restart()
    rig.mounts.reopen_known()
    assert value(rig) == "new"
