"""A lost host comes back from a backup and a recovery file, on another machine, with every value that it held."""

import shutil
import time

import grpc
import pytest
from pyrage import x25519

from strongroom.pb.strongroom.v1.backup_pb2 import BackupServiceCreateRequest
from strongroom.pb.strongroom.v1.backup_pb2_grpc import BackupServiceStub
from strongroom.storage import meta
from tests.fakes.backup_rig import BackupRig
from tests.fakes.live_daemon import LiveDaemon
from tests.faults.figures import record
from tests.faults.scale import much
from tests.faults.workspace_storm import WorkspaceStorm, quiet_daemon
from tests.scenarios.conftest import short_directory

VALUES = much(20, 1000)
MINUTES_MAX = 5
BYTES = 4_000_000
SLOW_READER = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))
"""Of what is not asked for, no more is on its way than that."""
S = 60


class Lost:
    """What was known of the host before it was lost."""

    def __init__(self, base):
        self.base = base
        self.state, self.project = base / "old", base / "project"
        self.project.mkdir()
        rig = BackupRig(self.state, 1, 2)
        self.runs = {header.run_id: rig.content(header.run_id) for header in map(rig.plain, range(VALUES))}
        rig.stop()
        self.backup, self.recovery = base / "host.tar", base / "keyring.age"
        identity = x25519.Identity.generate()
        self.identity = base / "identity.txt"
        self.identity.write_text(f"{identity}\n")
        self.identity.chmod(0o600)
        self.recipient = str(identity.to_public())


@pytest.fixture(scope="module")
def lost():
    base = short_directory()
    known = Lost(base)
    storm = WorkspaceStorm(known.state, known.project, clients=2, seed=1)
    daemon = storm.daemon.start()
    storm.mount()
    storm.fill(VALUES)
    known.entries = storm.entries()
    known.shelf = base / "shelf"
    known.shelf.mkdir()
    assert daemon("workspace", "mount", str(known.shelf), "--name", "shelved").code == 0
    assert daemon("workspace", "unmount", "shelved").code == 0
    said = daemon("keys", "export-recovery", "--recipient", known.recipient, "--out", str(known.recovery))
    assert said.code == 0, said.err
    known.created = daemon("backup", "create", str(known.backup), "--json")
    known.again = daemon("backup", "create", str(known.backup))
    known.records = daemon("audit", "tail", "-n", "20", "--json").json["records"]
    known.status = daemon("db", "check", "--json")
    daemon.stop()
    shutil.rmtree(known.state)
    shutil.rmtree(known.project)
    yield known
    shutil.rmtree(base)


def test_a_backup_that_was_written_is_on_record_and_is_not_written_over(lost):
    assert lost.created.code == 0, lost.created.err
    assert lost.backup.stat().st_mode & 0o777 == 0o600
    assert lost.created.json["bytes"] == lost.backup.stat().st_size
    assert lost.again.code == 73
    assert "SR-CLI-014" in lost.again.err
    records = [(each["action"], each["subject"], each["outcome"]) for each in lost.records]
    assert ("backup.create", str(lost.backup), "begun") in records
    assert ("backup.create", str(lost.backup), "done") in records
    assert ("backup.kept", lost.created.json["backup_id"], "done") in records


def test_a_workspace_that_is_not_mounted_is_said_not_to_be_in_it(lost):
    assert lost.created.json["not_included"] == [{"name": "shelved", "directory": str(lost.shelf)}]
    assert f"workspace shelved of {lost.shelf} is NOT in it" in lost.created.err
    assert f"strongroom workspace mount {lost.shelf} --name shelved, then back up again" in lost.created.err


def test_the_database_is_looked_at_beside_the_host(lost):
    assert lost.status.code == 0, lost.status.err
    found = lost.status.json
    assert (found["sound"], found["keyring_checked"], found["rows"]["runs"]) == (True, True, VALUES)
    assert set(found["opened"]) >= {"runs", "run_events", "audit_heads"}


def test_a_host_comes_back_elsewhere_with_every_value(lost):
    began_s = time.monotonic()
    state, projects = lost.base / "new", lost.base / "projects"
    state.mkdir(mode=0o700)
    keyring = state / "keyring"
    host = LiveDaemon(state)
    recovered = host(
        *("keys", "init", "--from-recovery", str(lost.recovery)),
        *("--identity-file", str(lost.identity), "--key-file", str(keyring)),
    )
    assert recovered.code == 0, recovered.err
    verified = host("backup", "verify", str(lost.backup), "--key-file", str(keyring), "--json")
    assert verified.code == 0, verified.err
    assert verified.json["rows"]["runs"] == VALUES
    assert verified.json["opened"]["workspace notes"]
    refused = host("backup", "restore", str(lost.backup), "--key-file", str(keyring))
    assert refused.code == 2, "somebody has to agree"
    restored = host(
        *("backup", "restore", str(lost.backup), "--key-file", str(keyring)),
        *("--workspaces-dir", str(projects), "--yes", "--json"),
    )
    assert restored.code == 0, restored.err
    assert verified.json["not_included"] == restored.json["not_included"] == lost.created.json["not_included"]
    (workspace,) = restored.json["workspaces"]
    assert workspace == {"name": "notes", "directory": str(projects / "project")}
    again = WorkspaceStorm(state, projects / "project", clients=1, seed=2)
    daemon = again.daemon.start()
    again.mount()
    entries = again.entries()
    audit = daemon("audit", "verify", "--json")
    first = daemon("audit", "tail", "-n", "30", "--json").json["records"]
    daemon.stop()
    rig = BackupRig(state)
    runs = {run_id: rig.content(run_id) for run_id in lost.runs}
    rig.stop()
    took_s = time.monotonic() - began_s
    equal = sum(runs[each] == lost.runs[each] for each in runs)
    equal += sum(entries.get(each) == lost.entries[each] for each in lost.entries)
    wanted = len(lost.runs) + len(lost.entries)
    is_soon = took_s <= MINUTES_MAX * 60
    record(
        "K8",
        f"lost host, recovery file and backup, {wanted} values",
        demanded=f"all equal, within {MINUTES_MAX} minutes",
        measured=f"{equal} equal, {took_s:.0f} s",
        met=equal == wanted and is_soon,
    )
    assert equal == wanted == 2 * VALUES
    assert again.problems == []
    assert audit.json["holds"] is True
    assert len(audit.json["restores"]) == 1
    assert "the state was restored from a backup" in audit.err
    actions = [each["action"] for each in first]
    begun = actions[actions.index("backup.restore") :]
    assert begun[:2] == ["backup.restore", "host.start"], "what the new host does comes behind it"
    assert "workspace.mount" in begun


def test_no_value_stands_in_the_clear_in_a_backup(lost):
    data = lost.backup.read_bytes()
    assert not any(value.encode() in data for value in lost.entries.values() if isinstance(value, str))
    assert b"notes" in data, "control: names of workspaces do"


def test_a_host_that_was_left_half_restored_does_not_begin_with_nothing(lost):
    state = lost.base / "half"
    (state / ".restoring" / "parts").mkdir(parents=True)
    state.chmod(0o700)
    with pytest.raises(AssertionError, match="SR-BACKUP-016"):
        quiet_daemon(state).start()


def test_a_host_that_is_killed_while_it_makes_a_backup_makes_the_next_one(state):
    rig = BackupRig(state, 1)
    rig.database.write(lambda c: meta.set(c, "much", "x" * BYTES)).result()
    rig.stop()
    daemon = quiet_daemon(state).start()
    with grpc.insecure_channel(f"unix:{daemon.admin_socket}", options=SLOW_READER) as channel:
        answers = BackupServiceStub(channel).Create(BackupServiceCreateRequest(path="/b.tar"), timeout=S)
        assert next(each for each in answers if each.part).size > BYTES
        status = daemon("status", "--json")
        assert (status.code, status.json["state"], status.json["backup_time"]) == (0, "ready", None), status.err
        second = daemon("backup", "create", str(state / "second.tar"))
        assert (second.code, "SR-BACKUP-013" in second.err) == (69, True), second.err
        daemon.kill()
        answers.cancel()
    assert len(list((state / "backups").iterdir())) == 1, "control: it was in the middle of it"
    daemon.start()
    created = daemon("backup", "create", str(state / "next.tar"), "--json")
    assert created.code == 0, created.err
    assert daemon("status", "--json").json["backup_time"]
    assert list((state / "backups").iterdir()) == [], "and nothing is left of the one before"
    assert sorted(each.name for each in state.glob("*.tar*")) == ["next.tar"]
    assert daemon("backup", "verify", str(state / "next.tar")).code == 0
    daemon.stop()
