"""Random histories of writing, flushing, compacting, rotating, crashing and peers, beside a set that must be right."""

import random
import shutil

import pytest

from strongroom.workspace.document import Document
from strongroom.workspace.persistence.local_updates import Elsewhere
from strongroom.workspace.persistence.sealed_log import SealedLog
from tests.fakes.sealed_logs import keys_of, put, values
from tests.faults.scale import NIGHTLY

SEEDS = range(300 if NIGHTLY else 12)
STEPS = 60


class History:
    """One log, a peer, and what must be there."""

    def __init__(self, directory, seed):
        self.chosen = random.Random(seed)  # noqa: S311 - it chooses steps, no secrets
        self.directory = directory
        self.generation = 0
        self.versions = [1]
        self.next = 0
        self.written, self.flushed = set(), set()
        self.peer = Document("notes")
        self.open()

    @property
    def path(self):
        return self.directory / f"log-{self.generation}" / "notes.db"

    def open(self):
        self.log = SealedLog(self.path, Document("notes"), lambda: keys_of(*self.versions), "alice")
        self.report = self.log.load()
        self.log.attach()
        assert self.report.is_whole, self.report

    def write(self):
        for _ in range(self.chosen.randint(1, 4)):
            put(self.log, self.next, array=self.chosen.choice("ab"))
            self.written.add(self.next)
            self.next += 1

    def delete(self):
        array = self.log.document.array(self.chosen.choice("ab"))
        if len(array):
            place = self.chosen.randrange(len(array))
            gone = array[place]["val"]
            with self.log.document.transaction():
                del array[place]
            self.written.discard(gone)
            # Until the deletion is flushed, a crash may bring it back.
            self.flushed.discard(gone)

    def flush(self):
        self.log.flush()
        self.flushed = set(self.written)

    def compact(self):
        self.log.compact()
        self.flushed = set(self.written)

    def rotate(self):
        self.versions.append(max(self.versions) + 1)
        self.compact()
        assert set(self.log.rows_by_version()) == {max(self.versions)}
        self.versions = self.versions[-1:]

    def meet(self):
        """The peer writes, and both learn everything of each other."""
        self.peer.apply(self.log.document.update_since(), origin=Elsewhere("peer"))
        with self.peer.transaction():
            self.peer.array("a").append({"key": str(self.next), "val": self.next, "ts": 1})
        self.written.add(self.next)
        self.next += 1
        self.log.document.apply(self.peer.update_since(), origin=Elsewhere("peer"))

    def close(self):
        self.log.close()
        self.flushed = set(self.written)
        self.open()
        assert set(values(self.log)) == self.written

    def crash(self):
        """Go on with the files of this moment, as a kill leaves them, in another place."""
        with self.log._file:
            before = self.path
            self.generation += 1
            self.path.parent.mkdir(mode=0o700)
            for suffix in ("", "-wal"):
                source = before.with_name(before.name + suffix)
                if source.exists():
                    shutil.copy(source, self.path.with_name(self.path.name + suffix))
        everything = set(self.written)
        self.log.close()
        self.open()
        found = set(values(self.log))
        assert self.flushed <= found
        assert found <= everything | set(range(self.next))
        self.written, self.flushed = found, set(found)
        # What the crash took is written again by whoever still has it.
        self.peer = Document("notes")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_ends_with_what_was_written(tmp_path, seed):
    history = History(tmp_path, seed)
    steps = [history.write, history.delete, history.flush, history.compact, history.rotate, history.meet]
    steps += [history.write, history.write, history.close, history.crash]
    for _ in range(STEPS):
        history.chosen.choice(steps)()
        assert set(values(history.log)) == history.written
    history.close()
    assert history.log.verify().problem == ""
    history.log.close()
