"""One daemon owns a project: the lease says who, ends with its process, and is not in the way of anybody else."""

import os
import shutil
import stat

import pytest

from strongroom.errors import Misconfigured, StorageFault, Unavailable
from strongroom.workspace.mount.lease import LEASE_NAME, Lease
from strongroom.workspace.mount.leases import Leases
from strongroom.workspace.mount.project_state import provision
from tests.fakes.lease_holder import LeaseHolder


@pytest.fixture
def state(tmp_path):
    return provision(tmp_path)


@pytest.fixture
def holders():
    made = []
    yield made
    for holder in made:
        if holder.process.poll() is None:
            holder.kill()


def test_a_lease_that_is_taken_says_already_running_with_the_pid(tmp_path, state, holders):
    holders.append(LeaseHolder(tmp_path))
    assert holders[0].said == "held"
    with pytest.raises(Unavailable, match="another daemon") as caught:
        Lease(state)
    assert caught.value.code == "SR-MOUNT-009"
    assert caught.value.details["pid"] == holders[0].process.pid


def test_releasing_twice_is_fine_and_lets_another_in(tmp_path, state, holders):
    lease = Lease(state)
    assert lease.is_held
    lease.release()
    lease.release()
    assert not lease.is_held
    holders.append(LeaseHolder(tmp_path))
    assert holders[0].said == "held"


def test_a_dead_pid_does_not_block(state):
    (state.directory / "lease.pid").write_text("4194303\n")
    (state.directory / LEASE_NAME).write_bytes(b"")
    lease = Lease(state)
    assert (state.directory / "lease.pid").read_text() == f"{os.getpid()}\n"
    lease.release()


def test_the_kernel_releases_it_on_kill_9(tmp_path, state, holders):
    holders.append(LeaseHolder(tmp_path))
    holders[0].kill()
    Lease(state).release()


def test_a_process_is_refused_while_this_one_holds_it(tmp_path, state, holders):
    lease = Lease(state)
    holders.append(LeaseHolder(tmp_path))
    assert holders[0].said == f"SR-MOUNT-009 {os.getpid()}"
    lease.release()


def test_a_second_one_in_this_process_is_refused_and_leaves_the_first(tmp_path, state, holders):
    lease = Lease(state)
    for _ in range(3):
        with pytest.raises(Unavailable):
            Lease(state)
    holders.append(LeaseHolder(tmp_path))
    assert holders[0].said.startswith("SR-MOUNT-009"), "the locks of this process survived the refused attempts"
    lease.release()


def test_whatever_stands_in_the_pid_file_breaks_nothing(tmp_path, state, holders):
    holders.append(LeaseHolder(tmp_path))
    (state.directory / "lease.pid").write_bytes(b"\xff not a number")
    with pytest.raises(Unavailable, match="process unknown") as caught:
        Lease(state)
    assert caught.value.details["pid"] == 0


def test_its_files_are_for_its_user_alone(state):
    lease = Lease(state)
    for name in (LEASE_NAME, "lease.pid"):
        assert stat.S_IMODE((state.directory / name).stat().st_mode) == 0o600
    lease.release()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/null"), lambda path: path.mkdir()])
def test_a_link_or_a_directory_in_its_place_is_refused(state, make):
    make(state.directory / LEASE_NAME)
    with pytest.raises(Misconfigured, match="it is a link, or no file"):
        Lease(state)


def test_a_file_that_is_no_database_is_a_fault_with_its_place(state):
    (state.directory / LEASE_NAME).write_bytes(b"no database at all, and long enough to see that" * 100)
    with pytest.raises(StorageFault, match="lease.sqlite cannot be taken"):
        Lease(state)


def test_a_path_with_signs_of_a_uri_is_a_path(tmp_path):
    project = tmp_path / "a?b#c%20d"
    project.mkdir()
    lease = Lease(provision(project))
    assert (project / ".strongroom" / LEASE_NAME).exists()
    lease.release()


def test_a_project_that_is_moved_deleted_or_replaced_is_noticed(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    lease = Lease(provision(project))
    assert lease.is_in_place()
    project.rename(tmp_path / "moved")
    assert not lease.is_in_place()
    project.mkdir()
    other = Lease(provision(project))
    assert not lease.is_in_place()
    assert other.is_in_place()
    shutil.rmtree(project)
    assert not other.is_in_place()
    lease.release()
    other.release()


def test_mounts_of_one_project_share_a_lease_until_none_is_left(tmp_path, holders):
    leases = Leases()
    first, second = leases.take(tmp_path), leases.take(tmp_path)
    assert first[1] is second[1]
    leases.keep_only({tmp_path})
    assert first[1].is_held
    leases.keep_only(set())
    assert not first[1].is_held
    holders.append(LeaseHolder(tmp_path))
    assert holders[0].said == "held"
