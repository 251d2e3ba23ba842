"""Encrypted stores: giving 1,000 values a key, a rotation of as many, sealing many again, and opening a large table.

Values are 64 bytes of JSON. Everything is measured in this process, through the stores as a mounted workspace has them;
neither disk nor network counts here.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from bench.figures import Row, Samples
from strongroom.crypto.keys import Key
from strongroom.keyring.workspace_keys import WorkspaceKeys
from strongroom.workspace.document import Document
from strongroom.workspace.encrypted import EncryptedStore
from strongroom.workspace.lww import LwwStore

__all__ = ["measure"]

T = TypeVar("T")
VALUE: Final = {"id": "x" * 20, "text": "y" * 25}
VALUE_BYTES: Final = 64
FEW: Final = 1_000
MANY: Final = 100_000
BATCH: Final = 1_000
ROUNDS: Final = 21
SETS: Final = 1_000
WARM_UP: Final = 3
SEAL_AGAIN_S_MAX: Final = 0.015
UPGRADE_PER_S_MIN: Final = 20_000
OPEN_S_MAX: Final = 2.0
SET_S_MAX: Final = 0.001


def measure(directory: Path) -> list[Row]:
    """The rows of the stores. Nothing is written into ``directory``."""
    del directory
    assert len(json.dumps(VALUE, separators=(",", ":"))) == VALUE_BYTES
    taken = [_few() for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
    table, state = _many()
    opened = [_opened(state) for _ in range(5)]
    rate = _upgraded(opened[-1][1])
    sets = Samples([_timed(partial(table.set, f"k{number * 97}", VALUE))[0] for number in range(SETS)], 0)
    return [
        _row(f"workspace: {FEW:,} plain values get a key", SEAL_AGAIN_S_MAX, Samples([a for a, _ in taken], WARM_UP)),
        _row(f"workspace: rotation of {FEW:,} values", SEAL_AGAIN_S_MAX, Samples([b for _, b in taken], WARM_UP)),
        Row(
            what=f"workspace: sealing {MANY:,} values again, {BATCH:,} at a time",
            demanded=f"≥ {UPGRADE_PER_S_MIN:,} values/s",
            measured=f"{rate:,.0f} values/s",
            met=rate >= UPGRADE_PER_S_MIN,
        ),
        _row(f"workspace: opening a table of {MANY:,} rows", OPEN_S_MAX, Samples([a for a, _ in opened], 0)),
        _row(f"workspace: one set in a table of {MANY:,} rows", SET_S_MAX, sets),
    ]


def _row(what: str, demanded_s: float, samples: Samples) -> Row:
    return Row(
        what=what,
        demanded=f"≤ {demanded_s * 1e3:g} ms",
        measured=f"{samples.p50 * 1e3:.2f} ms",
        met=samples.p50 <= demanded_s,
        samples=samples,
    )


def _few() -> tuple[float, float]:
    """Seconds of an activation and of a rotation."""
    store = _store(Document("bench"))
    for number in range(FEW):
        store.set(f"k{number}", VALUE)
    activation, _ = _timed(lambda: store.activate(_keys(1)))
    rotation, _ = _timed(lambda: store.activate(_keys(2)))
    assert store.versions() == {2: FEW}
    return activation, rotation


def _many() -> tuple[EncryptedStore, bytes]:
    """A table of ``MANY`` sealed rows, and its document's state."""
    document = Document("bench")
    store = _store(document)
    store.activate(_keys(1))
    for start in range(0, MANY, BATCH):
        store.bulk_set((f"k{number}", VALUE) for number in range(start, min(start + BATCH, MANY)))
    return store, document.update_since()


def _opened(state: bytes) -> tuple[float, EncryptedStore]:
    """Seconds from the state to the first value, and the store, whose writing key is a newer one."""

    def open_it() -> EncryptedStore:
        document = Document("bench")
        document.apply(state)
        store = _store(document)
        store.activate(_keys(2), upgrade=False)
        assert store.get("k0") == VALUE
        return store

    return _timed(open_it)


def _upgraded(store: EncryptedStore) -> float:
    """Values per second."""

    def upgrade() -> int:
        done = 0
        while batch := store.upgrade(BATCH):
            done += batch
        return done

    seconds, done = _timed(upgrade)
    assert done == MANY
    return done / seconds


def _store(document: Document) -> EncryptedStore:
    lww = LwwStore(document, "table:bench", now_ms=lambda: time.time_ns() // 1_000_000)
    return EncryptedStore(lww, owner_id="bench", strict=False, write_format=2)


def _keys(writing: int) -> WorkspaceKeys:
    return WorkspaceKeys({version: Key(bytes([version]) * 32) for version in (1, 2)}, writing)


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result
