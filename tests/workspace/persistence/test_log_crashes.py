"""kill -9 and power cuts while a log is loaded, written and compacted: nothing that was flushed is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from strongroom.workspace.persistence.verified import snapshot_of
from tests.fakes.sealed_logs import change, filled, keys_of, opened, rows_in, values
from tests.faults.disk import BadDisk

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (sys.executable, "-m", "tests.workspace.persistence.log_child")
STEPS_MAX = 100
POWER_CUTS = 6


@pytest.fixture
def path(tmp_path):
    """A log that holds a row of key version 1."""
    path = tmp_path / "log" / "strongroom.db"
    filled(path, 0)
    return path


def acknowledged(output):
    """The numbers whose line is complete."""
    return [int(line) for line in output.split("\n")[:-1] if line.isdigit()]


def check(path, told):
    """Everything told is there once and in order, and what could not be read is as it was."""
    with opened(path, keys_of(1, 2), attach=False) as log:
        found = values(log)
        assert set(told) <= set(found), "a flushed update is lost"
        assert found == list(range(len(found))), "something is there twice, or out of order"
        assert log._rows.log.damage() == []
        return log.report


@pytest.fixture
def carried(path):
    """A row of a key that is away, which every compaction has to leave as it is."""
    blob = b"\1\x09" + os.urandom(80)
    change(path, "insert into log_rows (id, purpose, key_version, data) values (1000, 'update', 9, ?)", blob)
    return blob


def test_whichever_statement_a_kill_meets_nothing_flushed_is_lost(path, carried):
    before = path.read_bytes()
    killed, compacted = 0, 0
    for step in range(1, STEPS_MAX):
        path.write_bytes(before)
        done = subprocess.run(
            [*PROGRAM, str(path), "1", str(step)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        report = check(path, [0, *acknowledged(done.stdout)])
        assert [row.id for row in report.carried] == [1000]
        assert rows_in(path)[1000][2] == carried
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
        compacted += 1 not in rows_in(path)
    assert done.returncode == 0, "the child was never let through"
    assert killed > 20, "it is killed within the load, the append and every step of a compaction"
    assert 0 < compacted < killed, "before a swap, and after it"


def test_whichever_statement_a_kill_meets_while_a_log_is_made_it_is_made_at_the_next_start(tmp_path):
    whole = False
    for step in range(1, STEPS_MAX):
        path = tmp_path / f"log-{step}" / "strongroom.db"
        done = subprocess.run(
            [*PROGRAM, str(path), "1", str(step)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        check(path, acknowledged(done.stdout))
        with opened(path, keys_of(1, 2)) as log:
            assert log._rows.log._database.execute("pragma auto_vacuum").fetchone() == (2,)
        whole = "loaded" in done.stdout
        if whole:
            break
    assert whole, "the child never got as far as its load"
    assert step > 5


@pytest.mark.parametrize("acknowledged_before", [1, 7, 40])
def test_a_kill_at_any_moment_loses_nothing_flushed(path, carried, acknowledged_before):
    child = subprocess.Popen([*PROGRAM, str(path), "0", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = []
    try:
        while len(acknowledged("".join(lines))) < acknowledged_before:
            lines.append(child.stdout.readline())
    finally:
        child.kill()
        rest, _ = child.communicate()
    check(path, [0, *acknowledged("".join(lines) + rest)])
    assert rows_in(path)[1000][2] == carried


def test_after_power_cuts_everything_flushed_is_there(path):
    state = path.parent
    disk = BadDisk(state, shadow=True)
    told = [0]
    for cut in range(POWER_CUTS):
        child = subprocess.Popen(
            [*PROGRAM, str(path), "0", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **disk.variables},
        )
        lines = []
        while len(acknowledged("".join(lines))) < 4 + 3 * cut:
            lines.append(child.stdout.readline())
        child.kill()
        rest, _ = child.communicate()
        told += acknowledged("".join(lines) + rest)
        disk.lose_power(state)
        check(path, told)


def test_old_ciphertext_is_gone_after_a_crash_and_the_next_compaction(path):
    blob = rows_in(path)[1][2]
    child = subprocess.Popen([*PROGRAM, str(path), "0", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        child.stdout.readline()
    child.kill()
    child.communicate()
    with opened(path, keys_of(1, 2)) as log:
        log.compact()
        assert log.rows_by_version() == {2: 1}
        assert blob[-32:] not in b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


def test_a_reader_of_the_file_never_sees_half_a_compaction(path):
    """Only whole transactions: the rows of every moment make the same document, or a later one."""
    with opened(path, keys_of(1, 2)) as log:
        for number in range(1, 40):
            with log.document.transaction():
                log.document.array("kv").append({"key": str(number), "val": number, "ts": 1})
        log.flush()
        seen = []
        stop = threading.Event()

        def look():
            while not stop.is_set():
                with sqlite3.connect(path) as database:
                    seen.append(database.execute("select count(*) from log_rows").fetchone()[0])
                database.close()

        looker = threading.Thread(target=look)
        looker.start()
        while not seen:
            pass
        keys = keys_of(1, 2)
        first_id, rows = log._rows.sealed(keys, snapshot_of(log.document).update, [])
        log._rows.swap(keys, log._rows.log.ids(), first_id, rows, carried=0)
        stop.set()
        looker.join()
        assert set(seen) <= {40, 1}
        assert log._rows.log.ids() == [41]
