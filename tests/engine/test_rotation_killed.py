"""K5: sealing again is killed with kill -9 wherever it stands; nothing becomes unreadable, and it comes to an end."""

import subprocess
import sys
from pathlib import Path

from strongroom.engine.rotation_tables import tables
from strongroom.keyring.root import PLUGIN_STORES
from strongroom.storage import plugin_store
from strongroom.storage.database import Database
from tests.fakes.key_rig import KeyRig
from tests.fakes.rotated_runs import RunRig
from tests.faults.figures import record

VALUES, KILLS = 2000, 2
RUNS = 14
ROOT = Path(__file__).resolve().parent.parent.parent


def fill(rig):
    def job(connection):
        for number in range(VALUES):
            key = f"key {number}"
            sealed = rig.keys.seal(PLUGIN_STORES, ("plugin", "owner", key), b"value %d" % number)
            plugin_store.put(connection, "plugin", "owner", key, sealed, updated_at=1)

    rig.database.write(job).result()


def child(url, directory, *, kill_at=None):
    """Run until it is done, or until it said that so many are."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.rewrap_child", url, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    done = 0
    for line in process.stdout:
        state, _, number = line.strip().partition(" ")
        done = int(number or 0)
        if kill_at is not None and state == "running" and done >= kill_at:
            process.kill()
            break
    process.stdout.close()
    process.wait(30)
    return done


def test_two_kills_cost_no_value_and_the_third_start_comes_to_one_version(url, tmp_path):
    database = Database.open(url)
    rig = KeyRig(database, tmp_path, 1)
    fill(rig)
    rig.write(2, 1)
    rig.life.reload()
    rig.life.promote(2)
    for _ in range(KILLS):
        assert child(url, tmp_path, kill_at=400) >= 400
        between = tables(database, rig.keys, rig.life.run_keys())[1].counts()
        assert sum(between.values()) == VALUES
        assert between[2] >= 400, "what was sealed again before stays so"
    child(url, tmp_path)
    assert dict(tables(database, rig.keys, rig.life.run_keys())[1].counts()) == {2: VALUES}
    assert rig.desk.retire(1)
    again = KeyRig(database, tmp_path, 2)
    unreadable = [n for n in range(VALUES) if again.store.get(f"key {n}", owner="owner") != b"value %d" % n]
    database.close()
    assert unreadable == []
    record("K5", "2 kills while values are sealed again", demanded="0 unreadable", measured=f"0 of {VALUES}", met=True)


def test_a_kill_between_and_inside_of_runs_leaves_every_run_whole_under_one_version_or_the_other(url, tmp_path):
    database = Database.open(url)
    rig = RunRig(database, tmp_path, 1)
    headers = [*rig.every_kind(), *(rig.plain(number) for number in range(5, RUNS))]
    before = [rig.content(each.run_id) for each in headers]
    total = sum(rig.versions().values())
    rig.to_version(2, 1)
    child(url, tmp_path, kill_at=total // 4)
    found = rig.versions()
    assert sum(found.values()) == total, "nothing is lost or doubled"
    assert found.get(2, 0) > 0, "what was sealed again before stays so"
    assert [rig.content(each.run_id) for each in headers] == before
    child(url, tmp_path)
    assert rig.versions() == {2: total}
    assert rig.desk.retire(1)
    again = RunRig(database, tmp_path, 2)
    assert [again.content(each.run_id) for each in headers] == before
    database.close()
