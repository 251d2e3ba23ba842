"""Root that restores into the directory of a service works as that service, whatever it finds in its way."""

import os
import pwd
import shutil
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from strongroom.backup import place
from strongroom.backup.place import work_in
from strongroom.backup.staging import finish_restore
from strongroom.cli.main import run
from strongroom.engine import backup_restore
from strongroom.storage.facts import facts_at
from strongroom.storage.schema_version import SCHEMA_VERSION
from tests.backup.test_restore import mounted
from tests.fakes.backup_rig import BackupRig, restored, started
from tests.fakes.key_rig import text_of
from tests.fakes.old_database import old_database
from tests.fakes.service_user import SERVICE, as_service, in_child, root_only

pytestmark = root_only
STEPS = ("reading", "taking out", "looking at state.db", "opening a sample", "filling the database")
UNKNOWN = 4_000_001
"""No user has it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A backup that root alone can read, and what it holds."""
    directory = tmp_path_factory.mktemp("made")
    directory.chmod(0o700)
    rig = BackupRig(directory / "state", 1)
    kinds = {header.run_id: len(rig.content(header.run_id)) for header in rig.every_kind()}
    mounted(rig, directory / "notes")
    rig.back_up(directory / "b.tar")
    rig.stop()
    return directory / "b.tar", kinds


@pytest.fixture
def above():
    """A directory of root's that everybody may enter."""
    directory = Path(tempfile.mkdtemp(prefix="sr-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def state_dir(above):
    """As a service has it."""
    return directory(above / "state", SERVICE)


def directory(path, owner=0, mode=0o700):
    path.mkdir()
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


def restores(made, state_dir, told=lambda *_: None, **changes):
    """Restore in a process that gives root up for good."""
    return in_child(lambda: bool(restored(made[0], state_dir, 1, told=told, **changes)))


def owners(state_dir):
    """Who everything below belongs to, as one set."""
    return {(each.lstat().st_uid, each.lstat().st_gid) for each in state_dir.rglob("*")}


def modes(state_dir):
    found = [each.lstat().st_mode for each in state_dir.rglob("*")]
    return {stat.S_IMODE(each) for each in found if stat.S_ISREG(each)}, {
        stat.S_IMODE(each) for each in found if stat.S_ISDIR(each)
    }


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_what_root_restores_belongs_to_the_service_which_starts_with_it(made, state_dir, request, server):
    url = request.getfixturevalue("postgres").create_database() if server else ""
    assert restores(made, state_dir, url=url) is True
    assert owners(state_dir) == {(SERVICE, SERVICE)}
    assert modes(state_dir) == ({0o600}, {0o700})

    def host():
        again = started(state_dir, 1, url=url)
        found = {run_id: len(again.content(run_id)) for run_id in made[1]}
        breaks = [str(each) for each in again.audit.verify(lambda _: None).breaks]
        again.stop()
        return [found, breaks]

    assert as_service(host) == [made[1], []]


def test_a_state_directory_that_is_not_there_is_made_by_who_has_the_one_above(made, above):
    directory(above / "of-service", SERVICE)
    assert restores(made, above / "of-service" / "state") is True
    assert owners(above / "of-service") == {(SERVICE, SERVICE)}
    assert restores(made, above / "of-root") is True
    assert owners(above / "of-root") == {(0, 0)}
    assert modes(above) == ({0o600}, {0o700})


@pytest.mark.parametrize("user", [UNKNOWN, SERVICE], ids=["without a name", "with one"])
def test_root_keeps_no_right_of_its_own_and_no_home(above, user):
    state_dir = directory(above / "state", user)
    os.chown(state_dir, user, 0)

    def who():
        os.setgroups([0])
        work_in(state_dir)
        return [os.getresuid(), os.getresgid(), 0 in os.getgroups(), os.environ.get("HOME")]

    home = pwd.getpwuid(SERVICE).pw_dir if user == SERVICE else None
    assert in_child(who) == [[user] * 3, [user] * 3, False, home]


def test_what_is_imported_late_is_imported_while_root_can_read_it(state_dir, monkeypatch):
    for name in place.LATE:
        assert find_spec(name)
    imported = []
    monkeypatch.setattr(place, "import_module", lambda name: imported.append([name, os.geteuid()]))
    assert in_child(lambda: [work_in(state_dir), imported]) == [None, [[name, 0] for name in place.LATE]]


@pytest.mark.parametrize("step", STEPS)
def test_a_process_of_the_service_that_swaps_the_place_leads_root_nowhere(made, above, state_dir, request, step):
    outside = directory(above / "outside")
    for name in ("parts", "projects"):
        directory(outside / name)
    (outside / "precious").write_text("kept")
    at = state_dir / ".restoring"
    swapped = []

    def attack():
        at.rename(state_dir / "moved")
        at.symlink_to(outside)
        return True

    def told(what, _done, _total):
        if what == step and not swapped:
            swapped.append(as_service(attack))

    url = request.getfixturevalue("postgres").create_database() if step == STEPS[-1] else ""
    said = restores(made, state_dir, told, url=url)
    assert at.is_symlink(), "control: it was swapped"
    assert said["code"] in {"SR-BACKUP-030", "SR-BACKUP-008", "SR-STORE-001", "SR-STORE-011"}, said
    assert {each.relative_to(outside).as_posix() for each in outside.rglob("*")} == {"parts", "projects", "precious"}
    assert ((outside / "precious").read_text(), owners(outside)) == ("kept", {(0, 0)})
    again = restores(made, state_dir, url=url)
    assert (again["code"], "if no restore left it, delete it" in again["text"]) == ("SR-BACKUP-026", True)


def test_a_host_finishes_as_the_service_what_root_settled(made, state_dir, monkeypatch):
    monkeypatch.setattr(backup_restore, "carry_out", lambda *_: os._exit(0))
    with pytest.raises(AssertionError, match="without an answer"):
        restores(made, state_dir)
    assert (state_dir / ".restoring" / "plan.json").exists()
    assert as_service(lambda: finish_restore(state_dir)) is True
    assert as_service(lambda: facts_at(state_dir / "strongroom.db").rows["runs"]) == len(made[1])
    assert not (state_dir / ".restoring").exists()


def test_root_carries_out_a_plan_of_the_service_as_the_service(made, above, state_dir):
    outside = directory(above / "outside")

    def plan():
        (state_dir / "evil").write_text("evil")
        (state_dir / ".restoring").mkdir()
        moves = f'[["{state_dir}/evil", "{outside}/evil"]]'
        return (state_dir / ".restoring" / "plan.json").write_text(moves)

    assert as_service(plan)
    assert restores(made, state_dir)["code"] == "SR-BACKUP-022"
    assert list(outside.iterdir()) == []
    assert in_child(lambda: finish_restore(state_dir))["code"] == "SR-BACKUP-026", "nor does a host of root"


@pytest.mark.parametrize(
    "what",
    [
        "its parent",
        "everybody",
        "the log",
        "projects",
        "open projects",
        "a link to it",
        "a link of theirs",
        "a link to theirs",
    ],
)
def test_root_restores_nothing_to_where_others_change_names(made, above, what):
    theirs = directory(above / "theirs", SERVICE)
    is_elsewhere = what in {"the log", "projects", "open projects"}
    changes, state_dir = {}, directory((above if is_elsewhere else theirs) / "mine")
    if what in {"everybody", "open projects"}:
        os.chown(theirs, 0, 0)
        theirs.chmod(0o777)
    if what == "the log":
        changes["audit_file"] = theirs / "logs" / "audit.jsonl"
    if what in {"projects", "open projects"}:
        changes["workspaces_dir"] = theirs
    if what in {"a link of theirs", "a link to theirs"}:
        (theirs / "link").symlink_to(directory(above / "mine"))
        state_dir = theirs / "link"
    if what == "a link to theirs":
        (above / "link").symlink_to(theirs / "link")
        state_dir = above / "link"
    if what == "a link to it":
        (above / "link").symlink_to(theirs)
        state_dir = above / "link" / "mine"
    said = restores(made, state_dir, **changes)
    assert (said["code"], str(theirs) in said["text"]) == ("SR-BACKUP-027", True)
    assert list(state_dir.iterdir()) == []
    if not is_elsewhere:
        assert in_child(lambda: work_in(state_dir))["code"] == "SR-BACKUP-027", "nor does it migrate anything there"


def test_no_user_chooses_as_whom_root_works(made, above):
    (link := above / "link").symlink_to(directory(above / "of-another", UNKNOWN))
    os.lchown(link, SERVICE, SERVICE)
    said = restores(made, link)
    assert (said["code"], f"a link of user {SERVICE}" in said["text"]) == ("SR-BACKUP-027", True)
    os.lchown(link, 0, 0)
    assert restores(made, link) is True, "control: one of root's is followed"


@pytest.mark.parametrize("what", ["the state directory", "the log", "projects", "the database"])
def test_a_place_that_the_service_cannot_write_to_is_named_before_anything_is_done(made, above, state_dir, what):
    private, changes = directory(above / "private"), {}
    if what == "the state directory":
        # As a service manager has the directories of users without a number.
        state_dir = directory(private / "state", SERVICE)
    else:
        name = {"the log": "audit_file", "projects": "workspaces_dir", "the database": "database"}[what]
        changes[name] = private / "below" / "it"
    said = restores(made, state_dir, **changes)
    assert (said["code"], str(private) in said["text"]) == ("SR-BACKUP-029", True)
    assert [list(state_dir.iterdir()), [each.name for each in private.iterdir() if each != state_dir]] == [[], []]


def test_where_root_may_not_become_the_service_nothing_is_written(made, state_dir, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(place.os, "setresuid", refused)
    said = restores(made, state_dir)
    assert (said["code"], "as that user" in said["text"]) == ("SR-BACKUP-028", True)
    assert list(state_dir.iterdir()) == []


def test_a_program_that_the_service_may_not_read_is_refused_before_anything_is_written(
    made, above, state_dir, monkeypatch
):
    monkeypatch.setattr(place, "PROGRAM", directory(above / "program"))
    said = in_child(lambda: bool(restored(made[0], state_dir, 1, told=lambda *_: None)))
    assert said["code"] == "SR-BACKUP-032"
    assert str(above / "program") in said["text"]
    assert list(state_dir.iterdir()) == []


def test_a_migration_by_root_is_one_by_the_service(above, state_dir, tmp_path):
    shutil.copy(old_database(tmp_path, "0005", runs=1)[0], state_dir / "strongroom.db")
    os.chown(state_dir / "strongroom.db", SERVICE, SERVICE)
    keyring = tmp_path / "keyring"
    keyring.write_text(text_of(1))
    keyring.chmod(0o600)
    words = ["db", "migrate", "--state-dir", str(state_dir), "--key-file", str(keyring), "--quiet"]
    assert in_child(lambda: run(words)) == 0
    assert facts_at(state_dir / "strongroom.db").schema == SCHEMA_VERSION
    assert len(list((state_dir / "backups").iterdir())) == 1
    assert owners(state_dir) == {(SERVICE, SERVICE)}


def test_root_verifies_a_backup_in_the_directory_of_somebody_with_its_parts_elsewhere(
    made, above, tmp_path, monkeypatch
):
    theirs, own = directory(above / "theirs", SERVICE), directory(above / "own")
    shutil.copy(made[0], theirs / "b.tar")
    shutil.copy(made[0], own / "b.tar")
    keyring = tmp_path / "keyring"
    keyring.write_text(text_of(1))
    keyring.chmod(0o600)
    monkeypatch.setattr(tempfile, "tempdir", str(directory(above / "tmp")))
    places = []
    real = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *words: places.append(real(*words)) or places[-1])
    words = "--key-file", str(keyring), "--quiet"
    assert run(["backup", "verify", str(theirs / "b.tar"), *words]) == 0
    assert run(["backup", "verify", str(own / "b.tar"), *words]) == 0
    assert [Path(each).parent for each in places] == [above / "tmp", own]
    assert run(["backup", "verify", str(own / "b.tar"), *words, "--scratch-dir", str(theirs)]) == 74
    assert len(places) == 2
