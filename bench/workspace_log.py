"""The sealed log of a workspace: writing, flushing, opening from the disk to the first value, and compacting.

A table has 100,000 rows of 64 bytes of JSON, sealed as a mounted workspace seals them. It is opened once as a compacted
log, once with 10,000 later updates behind that, and once as nothing but single updates, which is what a kill leaves
before the first compaction. Everything is measured in this process, on the disk of the temporary directory.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples
from strongroom.crypto.keys import Key
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.lww import LwwStore
from strongroom.workspace.persistence.sealed_log import SealedLog

__all__ = ["measure"]

VALUE: Final = {"id": "x" * 20, "text": "y" * 25}
ENTRIES: Final = 100_000
LATER: Final = 10_000
BATCH: Final = 1_000
FLUSHES: Final = 200
WARM_UP: Final = 20
ROUNDS: Final = 3
OPEN_S_MAX: Final = 2.0
KEYS: Final = WorkspaceKeys({1: Key(bytes(32))}, 1)


def measure(directory: Path) -> list[Row]:
    """The rows of the log; its files are below ``directory``."""
    compacted, singles = directory / "compacted" / "log.db", directory / "singles" / "log.db"
    with _opened(compacted) as (log, store):
        for start in range(0, ENTRIES, BATCH):
            store.bulk_set((f"k{number}", VALUE) for number in range(start, start + BATCH))
        log.flush()
        compaction = _seconds(log.compact)
        flushes = Samples(
            [_set_and_flush(log, store, number) for number in range(WARM_UP + FLUSHES)][WARM_UP:], WARM_UP
        )
        log.compact()
    opened = Samples([_open(compacted) for _ in range(ROUNDS)], 0)
    with _opened(compacted) as (log, store):
        for number in range(LATER):
            store.set(f"k{number * 7}", VALUE)
        log.flush()
        later = _copied(compacted, directory / "later")
    opened_later = Samples([_open(later) for _ in range(ROUNDS)], 0)
    with _opened(singles) as (log, store):
        began = time.perf_counter()
        for number in range(ENTRIES):
            store.set(f"k{number}", VALUE)
        log.flush()
        written_s = time.perf_counter() - began
        copy = _copied(singles, directory / "copy")
    opened_singles = Samples([_open(copy) for _ in range(ROUNDS)], 0)
    return [
        _open_row(f"workspace log: opening {ENTRIES:,} rows, compacted", opened),
        _open_row(f"  with {LATER:,} updates behind that", opened_later),
        _open_row(f"  as {ENTRIES:,} single updates", opened_singles),
        Row(what="  one set, flushed to the disk", measured=f"{flushes.p50 * 1e3:.2f} ms", samples=flushes),
        Row(what="  sets that nobody waits for, until all are on disk", measured=f"{ENTRIES / written_s:,.0f} sets/s"),
        Row(what=f"  compaction of {ENTRIES:,} rows, verified", measured=f"{compaction:.2f} s"),
    ]


def _open_row(what: str, samples: Samples) -> Row:
    return Row(
        what=what,
        demanded=f"≤ {OPEN_S_MAX:g} s",
        measured=f"{samples.p50:.2f} s",
        met=samples.p50 <= OPEN_S_MAX,
        samples=samples,
    )


def _open(path: Path) -> float:
    """Seconds from the file to the first value."""
    began = time.perf_counter()
    with _opened(path, attach=False) as (_log, store):
        assert store.get("k1") == VALUE
        return time.perf_counter() - began


def _copied(path: Path, directory: Path) -> Path:
    """A copy of a log that is open: as a kill at this moment would leave it."""
    directory.mkdir(mode=0o700)
    for suffix in ("", "-wal"):
        target = directory / f"log.db{suffix}"
        target.touch(mode=0o600)
        target.write_bytes(Path(f"{path}{suffix}").read_bytes())
    return directory / "log.db"


def _set_and_flush(log: SealedLog, store: EncryptedStore, number: int) -> float:
    began = time.perf_counter()
    store.set(f"k{number * 13}", VALUE)
    log.flush()
    return time.perf_counter() - began


@contextmanager
def _opened(path: Path, *, attach: bool = True) -> Iterator[tuple[SealedLog, EncryptedStore]]:
    document = Document("bench")
    log = SealedLog(path, document, lambda: KEYS, "bench")
    try:
        report = log.load()
        assert report.is_whole, report
        if attach:
            log.attach()
        lww = LwwStore(document, "table:bench", now_ms=lambda: time.time_ns() // 1_000_000)
        store = EncryptedStore(lww, owner_id="bench", strict=True, write_format=2)
        store.activate(KEYS, upgrade=False)
        yield log, store
    finally:
        log.close()
        document.close()


def _seconds(call: object) -> float:
    assert callable(call)
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
