"""Things that are sealed, for the job that seals them again: blobs are numbers in a list, one version each."""

import threading
from collections import Counter
from types import SimpleNamespace

from strongroom.errors import StorageFault


class Blobs:
    """So many blobs under old versions. ``hold`` makes each batch wait for ``go``."""

    def __init__(self, name, versions, writing, *, stays="", kind="workspace"):
        self.name, self.kind, self.stays = name, kind, stays
        self.versions, self.writing = list(versions), writing
        self.batches, self.finished = [], 0
        self.broken = None
        self.entered, self.go = threading.Event(), threading.Event()
        self.go.set()

    def hold(self):
        self.entered.clear()
        self.go.clear()

    def counts(self):
        if self.broken == "counts":
            raise StorageFault("SR-STORE-001", "the disk is gone")
        return Counter(self.versions)

    def rewrap(self, blobs_max):
        if self.broken == "rewrap":
            raise StorageFault("SR-STORE-001", "the disk is full")
        self.entered.set()
        assert self.go.wait(10)
        version = self.writing()
        old = [place for place, each in enumerate(self.versions) if each not in {0, version}][:blobs_max]
        for place in old:
            self.versions[place] = version
        self.batches.append(len(old))
        return len(old)

    def finish(self):
        self.finished += 1


class Mount:
    """A mount that is open: two arrays, and a log whose rows keep their version until it is compacted."""

    def __init__(self, name, values, rows, writing):
        self.name, self.writing = name, writing
        self.arrays_of = {"kv": list(values), "table:a": list(values)}
        self.rows = list(rows)
        self.flushed = 0
        self.workspace = SimpleNamespace(arrays=lambda: list(self.arrays_of), store=self._store)
        self.log = SimpleNamespace(compact=self._compact)

    def _store(self, array):
        blobs = Blobs(array, (), self.writing)
        blobs.versions = self.arrays_of[array]
        return SimpleNamespace(upgrade=blobs.rewrap)

    def _compact(self):
        self.rows = [self.writing()]

    def flush(self):
        self.flushed += 1

    has_password = False

    def needed(self):
        return Counter(version for versions in self.arrays_of.values() for version in versions) + Counter(self.rows)
