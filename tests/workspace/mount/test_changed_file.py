"""A project's file that is changed while its mounts are open: nobody is told that what it says now holds."""

import pytest

from strongroom.errors import Conflict, InvalidInput
from tests.fakes.mount_rig import MountRig

AS_IT_WAS = '[[mounts]]\nname = "notes"\nmaterialize = ["markdown"]\n'


@pytest.fixture
def rig(tmp_path):
    made = MountRig(tmp_path)
    made.declare(AS_IT_WAS)
    made.open()
    yield made
    made.mounts.close()


@pytest.mark.parametrize(
    "line",
    ["", 'materialize = ["markdown"]\nstrict = false', 'materialize = ["markdown"]\nrelay = "local"'],
    ids=["views turned off", "plaintext believed", "a relay"],
)
def test_mounting_again_names_what_to_do_and_changes_nothing(rig, line):
    opened = rig.mounts.get("notes")
    rig.declare(f'[[mounts]]\nname = "notes"\n{line}\n')
    with pytest.raises(Conflict) as refused:
        rig.mounts.mount(rig.project, "notes")
    assert refused.value.code == "SR-MOUNT-038"
    assert "unmount notes" in refused.value.fix
    assert rig.mounts.get("notes") is opened


def test_after_an_unmount_the_file_of_now_holds(rig):
    rig.declare('[[mounts]]\nname = "notes"\n')
    rig.mounts.unmount("notes")
    rig.open()
    assert rig.mounts.get("notes").entry.materialize == ()


def test_what_says_the_same_in_another_place_of_the_file_is_fine(rig):
    rig.declare(f'# moved\n[[mounts]]\nname = "before"\n\n{AS_IT_WAS}strict = true\n')
    (infos, _declared) = rig.mounts.mount(rig.project, "notes")
    assert [(info.name, info.state) for info in infos] == [("notes", "open")]


@pytest.mark.parametrize("place", [".strongroom", ".strongroom/log", "link"])
def test_no_project_is_made_inside_the_state_of_another(rig, place):
    (rig.project / "link").symlink_to(rig.project / ".strongroom" / "log")
    with pytest.raises(InvalidInput) as refused:
        rig.mounts.mount(rig.project / place, "inner")
    assert refused.value.code == "SR-MOUNT-039"
    assert not list((rig.project / ".strongroom").rglob("strongroom.toml"))
