"""Opening: refusals in their order, all mounts at once, and none when one fails."""

import threading
from pathlib import Path

import pytest

from strongroom.errors import (
    Conflict,
    InvalidInput,
    KeyMissing,
    LimitExceeded,
    Misconfigured,
    NotFound,
    PluginFault,
    StrongroomError,
    Unavailable,
)
from strongroom.keyring.root import parse_secrets
from strongroom.plugin.mounts import MountContext, MountProvider
from strongroom.settings.workspaces import WorkspaceSettings
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.session.local import LocalSession
from tests.fakes.lease_holder import LeaseHolder
from tests.fakes.mount_rig import MountRig, Watching, remote

TWO = "[[mounts]]\nname = 'one'\nprovider = 'watching'\n[[mounts]]\nname = 'two'\nprovider = 'watching'\n"
THREE = TWO + "[[mounts]]\nname = 'three'\nprovider = 'watching'\n"


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    yield made
    made.mounts.close()


def watched(rig: MountRig, **more) -> Watching:
    watching = Watching(**more)
    rig.providers.append(watching.provider())
    return watching


# The order of refusals


def test_who_is_signed_out_is_told_that_before_anything_is_said_of_names(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path, owner=""))
    rig.declare("[[mounts]]\nname = 'not a name'\n")
    with pytest.raises(Unavailable, match="nobody is signed in") as caught:
        rig.mounts.mount(rig.project)
    assert caught.value.code == "SR-MOUNT-013"
    assert not (rig.project / ".strongroom").exists()
    rig.mounts.close()


def test_a_wrong_file_is_told_before_who_is_signed_in(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path, owner=""))
    rig.declare("[mounts]\nname = 'notes'\n")
    with pytest.raises(Misconfigured, match="one mount where a list"):
        rig.mounts.mount(rig.project)
    rig.mounts.close()


def test_who_is_signed_out_writes_no_file_either(tmp_path):
    rig = MountRig(tmp_path, session=remote(tmp_path, owner=""))
    with pytest.raises(Unavailable):
        rig.mounts.mount(rig.project, "notes")
    assert list(rig.project.iterdir()) == []
    rig.mounts.close()


def test_bad_names_are_refused_before_anything_is_opened(rig):
    rig.declare("[[mounts]]\nname = 'fine'\n[[mounts]]\nname = 'not a name'\n")
    with pytest.raises(Misconfigured, match="it is no name"):
        rig.mounts.mount(rig.project, "fine")
    assert not (rig.project / ".strongroom").exists()


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [("relative", "notes", InvalidInput), ("/no/such/place", "notes", NotFound), ("/", "", NotFound)],
)
def test_a_place_that_is_no_project_is_refused(rig, path, name, kind):
    with pytest.raises(kind):
        rig.mounts.mount(Path(path), name)


def test_an_absent_mount_is_added_only_when_that_is_wanted(rig):
    with pytest.raises(NotFound):
        rig.mounts.mount(rig.project, "notes", declare=False)
    infos, declared = rig.mounts.mount(rig.project, "notes")
    assert declared
    assert [info.name for info in infos] == ["notes"]
    assert rig.mounts.mount(rig.project, "notes") == (infos, False)
    with pytest.raises(NotFound, match="declares no mount plans"):
        rig.mounts.mount(rig.project, "plans", declare=False)


def test_a_mount_of_an_outer_project_is_found_from_within_and_a_new_one_stays_within(rig):
    rig.declare("[[mounts]]\nname = 'notes'\n")
    inner = rig.project / "src"
    inner.mkdir()
    (info,), declared = rig.mounts.mount(inner, "notes")
    assert (info.project_dir, declared) == (rig.project, False)
    (info,), declared = rig.mounts.mount(inner, "plans")
    assert (info.project_dir, declared) == (inner, True)


def test_a_name_that_can_be_no_workspace_is_not_declared(rig):
    with pytest.raises(InvalidInput, match="Invalid workspace id"):
        rig.mounts.mount(rig.project, "My_Notes")
    assert not (rig.project / "strongroom.toml").exists()


def test_a_name_belongs_to_one_project_of_a_host(rig, tmp_path):
    rig.open()
    other = tmp_path / "other"
    other.mkdir()
    rig.declare("[[mounts]]\nname = 'notes'\n", other)
    with pytest.raises(Conflict, match=f"is mounted from {rig.project}"):
        rig.mounts.mount(other, "notes")


def test_a_provider_that_no_plugin_has_is_named(rig):
    rig.declare("[[mounts]]\nname = 'notes'\nprovider = 'fuji'\n")
    with pytest.raises(Unavailable, match="no plugin provides mount:fuji") as caught:
        rig.mounts.mount(rig.project, "notes")
    assert (caught.value.code, caught.value.details["cause"]) == ("SR-MOUNT-012", "SR-MOUNT-022")


def test_a_host_has_a_number_of_mounts(tmp_path):
    rig = MountRig(tmp_path, settings=WorkspaceSettings(mounts_max=1))
    rig.open("one")
    rig.mounts.mount(rig.project, "one")
    with pytest.raises(LimitExceeded, match="the limit is 1") as caught:
        rig.mounts.mount(rig.project, "two")
    assert caught.value.details["setting"] == "workspaces.mounts_max"
    rig.mounts.close()


# All at once, or none


def test_all_mounts_are_opened_at_once(rig):
    watched(rig, gate=threading.Barrier(3))
    rig.declare(THREE)
    infos, _ = rig.mounts.mount(rig.project)
    assert [info.state for info in infos] == ["open"] * 3


def test_one_failure_disposes_the_opened_ones_in_reverse_and_names_the_first(rig):
    watching = watched(rig, fail_for={"two": RuntimeError("a secret of the plugin")})
    rig.declare(THREE)
    with pytest.raises(PluginFault, match="the workspace two was not opened") as caught:
        rig.mounts.mount(rig.project)
    assert (caught.value.code, caught.value.details["mount"]) == ("SR-MOUNT-012", "two")
    assert "a secret of the plugin" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert watching.order == ["three", "one"]
    assert rig.mounts.all() == []
    assert rig.mounts.opened() == []


def test_of_two_failures_the_first_in_the_file_is_returned(rig):
    watched(rig, fail_for={"three": RuntimeError("later"), "one": RuntimeError("first")})
    rig.declare(THREE)
    with pytest.raises(PluginFault, match="the workspace one was not opened"):
        rig.mounts.mount(rig.project)


def test_after_a_failure_nothing_is_in_the_way_of_the_next_mount(rig):
    watching = watched(rig, fail_for={"two": RuntimeError("once")})
    rig.declare(TWO)
    with pytest.raises(PluginFault):
        rig.mounts.mount(rig.project)
    holder = LeaseHolder(rig.project)
    assert holder.said == "held", "the lease was given back"
    holder.leave()
    watching.fail_for.clear()
    assert len(rig.mounts.mount(rig.project)[0]) == 2


def test_what_was_open_before_stays_open_when_another_mount_fails(rig):
    watching = watched(rig, fail_for={"two": RuntimeError("no")})
    rig.declare(TWO)
    rig.mounts.mount(rig.project, "one")
    with pytest.raises(PluginFault):
        rig.mounts.mount(rig.project)
    assert watching.order == []
    assert rig.mounts.get("one").name == "one"


def test_a_provider_that_fails_after_it_opened_leaves_nothing_open(rig):
    watching = watched(rig, fail_for={"one": RuntimeError("late")})
    rig.declare(TWO)
    with pytest.raises(PluginFault):
        rig.mounts.mount(rig.project, "one")
    watching.fail_for.clear()
    rig.mounts.mount(rig.project, "one")
    assert rig.mounts.get("one").status().workspace_id == "one"


def test_an_error_with_a_code_keeps_its_kind_and_its_code(rig, tmp_path):
    rig.open().workspace.store("kv").set("a", 1)
    rig.mounts.unmount("notes")
    session = LocalSession(parse_secrets("1:another-secret"), "shared")
    other = Mounts(tmp_path / "other", session=session, providers=dict, open_web_socket=rig.dial)
    with pytest.raises(KeyMissing) as caught:
        other.mount(rig.project, "notes")
    assert caught.value.code == "SR-MOUNT-012"
    assert caught.value.details["cause"].startswith("SR-WS-")
    other.close()


def returns_none(context: MountContext):
    context.open_workspace(None)


def opens_nothing(context: MountContext):
    return object()


def opens_twice(context: MountContext):
    context.open_workspace(None)
    return context.open_workspace(None)


@pytest.mark.parametrize(
    ("open_it", "reason"),
    [(returns_none, "returned no mount"), (opens_nothing, "returned no mount"), (opens_twice, "is opened already")],
)
def test_a_provider_that_breaks_the_contract_is_told_so(rig, open_it, reason):
    rig.providers.append(MountProvider(name="broken", open=open_it))
    rig.declare("[[mounts]]\nname = 'notes'\nprovider = 'broken'\n")
    with pytest.raises(StrongroomError, match=reason):
        rig.mounts.mount(rig.project, "notes")
    rig.declare("[[mounts]]\nname = 'notes'\n")
    rig.mounts.mount(rig.project, "notes")


def test_a_provider_that_fails_at_its_end_is_closed_all_the_same(rig):
    watched(rig, fails_at_end=True)
    rig.declare(TWO)
    rig.mounts.mount(rig.project, "one")
    rig.mounts.get("one").workspace.store("kv").set("a", 1)
    rig.mounts.unmount("one")
    rig.mounts.mount(rig.project, "one")
    assert rig.mounts.get("one").workspace.store("kv").get("a") == 1
