"""Disk full and I/O errors at each operation: a typed error, nothing flushed is lost, and it recovers by itself."""

import errno
import os
import subprocess

import pytest

from tests.fakes.sealed_logs import filled, keys_of, opened, put, rows_in, values
from tests.faults.disk import BadDisk
from tests.faults.scale import SCALE
from tests.workspace.persistence.test_log_crashes import PROGRAM, ROOT, check

TYPED = {"SR-STORE-045", "SR-STORE-046", "SR-STORE-049"}
OPERATIONS_OF_A_ROUND = 20
"""About as many as three appends and a compaction make on the disk."""
LINES_MAX = 20


def next_number(child, errors):
    """Read until a number is told; errors on the way are collected. Fails when it never recovers."""
    for _ in range(100_000):
        line = child.stdout.readline().strip()
        if line.isdigit():
            return int(line)
        assert line.startswith("error "), line
        errors.append(line.removeprefix("error "))
    raise AssertionError("it does not recover")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["disk full", "input and output error"])
def test_whichever_operation_fails_the_error_is_typed_and_nothing_flushed_is_lost(tmp_path, error):
    path = tmp_path / "log" / "strongroom.db"
    filled(path, 0)
    disk = BadDisk(path.parent)
    child = subprocess.Popen(
        [*PROGRAM, str(path), "0", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **disk.variables},
    )
    told, errors = [0], []
    try:
        assert child.stdout.readline().startswith("loaded 0")
        told.append(next_number(child, errors))
        for round_number in range(SCALE.disk_operations):
            turn, operation = divmod(round_number, OPERATIONS_OF_A_ROUND)
            failed, seen = disk.failed, len(errors)
            disk.fail(error, after=operation, once=(operation + turn) % 2 == 0)
            for _ in range(LINES_MAX):
                line = child.stdout.readline().strip()
                if line.isdigit():
                    told.append(int(line))
                else:
                    errors.append(line.removeprefix("error "))
                if disk.failed > failed and len(errors) > seen:
                    break
            disk.heal()
            told.append(next_number(child, errors))
            told.append(next_number(child, errors))
    finally:
        child.kill()
        child.communicate()
    assert disk.failed >= SCALE.disk_operations / 2
    assert errors
    assert set(errors) <= TYPED
    report = check(path, told)
    assert report.is_whole, report


@pytest.mark.parametrize("limit_pages", [12, 16, 24])
def test_a_full_file_refuses_by_name_and_goes_on_when_there_is_room(tmp_path, limit_pages):
    path = tmp_path / "log" / "notes.db"
    with opened(path, keys_of(1)) as log:
        log._rows.log._database.execute(f"pragma max_page_count={limit_pages}")
        refused = None
        for number in range(100):
            put(log, f"{number:03}" + "x" * 2000)
            try:
                log.flush()
            except Exception as fault:
                refused = fault
                break
        assert refused is not None
        assert refused.code == "SR-STORE-046"
        written = len(rows_in(path))
        put(log, "after")
        log._rows.log._database.execute("pragma max_page_count=100000")
        log.flush()
        assert len(rows_in(path)) == written + 2
        log.compact()
        kept = values(log)
    with opened(path, keys_of(1)) as log:
        assert values(log) == kept
        assert values(log)[-1] == "after"
        assert log.report.is_whole
