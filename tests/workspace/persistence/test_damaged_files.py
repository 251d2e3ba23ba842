"""Any bit of a file flipped, or any end of it cut off: a typed error, or what can be read and a report of the rest."""

import random

import pytest

from strongroom.errors import StrongroomError
from tests.fakes.sealed_logs import apart, opened, put, values
from tests.faults.scale import NIGHTLY

FLIPS = 5_000 if NIGHTLY else 120
CUTS = 1_000 if NIGHTLY else 60
REFUSALS = {f"SR-STORE-0{number}" for number in range(40, 48)} | {"SR-WS-070"}
WRITTEN = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small log, with a compacted state and rows behind it."""
    path = tmp_path_factory.mktemp("whole") / "log" / "notes.db"
    apart(path, "a", "b")
    with opened(path) as log:
        log.compact()
    apart(path, "c", "d")
    return path.read_bytes()


def outcome(path, data):
    """What was found in a log with these bytes, and whether it said that all is well; ``None`` for a refusal."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    for beside in path.parent.iterdir():
        beside.unlink()
    path.touch(mode=0o600)
    path.write_bytes(data)
    try:
        with opened(path) as log:
            found, is_whole = sorted(values(log)), log.report.is_whole
            put(log, "more", array="more")
            log.flush()
            log.compact()
            return found, is_whole
    except StrongroomError as error:
        return None if error.code in REFUSALS else pytest.fail(f"{error.code} {error}")


@pytest.mark.timeout(120)
def test_no_changed_byte_brings_up_anything_else_than_what_was_written(tmp_path, whole):
    chosen = random.Random(20261122)  # noqa: S311 - it chooses places, no secrets
    told = 0
    for _ in range(FLIPS):
        data = bytearray(whole)
        place = chosen.randrange(len(data))
        data[place] ^= 1 << chosen.randrange(8)
        answer = outcome(tmp_path / "log" / "notes.db", bytes(data))
        if answer is None or not answer[1]:
            told += 1
        else:
            assert answer[0] == WRITTEN, f"byte {place} was changed unseen"
        assert answer is None or set(answer[0]) <= set(WRITTEN)
    assert told > 0


@pytest.mark.timeout(120)
def test_a_file_that_was_cut_off_is_refused_or_says_so(tmp_path, whole):
    for cut in range(1, len(whole), len(whole) // CUTS):
        answer = outcome(tmp_path / "log" / "notes.db", whole[:cut])
        assert answer is None or not answer[1], f"{cut} bytes pass for all of it"
