"""Three replicas that do as they are told and meet as they like, and what they must agree on in the end."""

from strongroom.workspace.document import Document
from strongroom.workspace.watcher import PrivateOrigin
from tests.fakes.replicas import Clock, Replica, exchange

REPLICAS = 3
AGAIN = PrivateOrigin("sealed again")


class Group:
    """Replicas, what was ever written (key to the times, and to the values at each time), and every update."""

    def __init__(self):
        self.updates = []
        self.replicas = [self.new(client, Clock(100)) for client in (5, 3, 9)]
        self.written = {}
        self.count = 0

    def new(self, client, clock, update=None):
        document = Document("test-doc", client_id=client)
        document.on_update(lambda update, _: self.updates.append(update))
        return Replica(clock=clock, document=document, update=update)

    def run(self, operations):
        for name, who, what in operations:
            getattr(self, name)(who, what)
            self.check(self.replicas[who])
        exchange(*self.replicas)

    def set(self, who, key):
        self.count += 1
        store, value = self.replicas[who].lww, f"{self.count}"
        store.set(key, value)
        self.written.setdefault(key, {}).setdefault(store.entry(key).ts, set()).add(value)

    def delete(self, who, key):
        self.replicas[who].lww.delete(key)

    def batch(self, who, steps):
        with self.replicas[who].document.transaction("batch"):
            for name, key in steps:
                getattr(self, name)(who, key)

    def bulk(self, who, size):
        store = self.replicas[who].lww
        self.count += 1
        store.bulk_set((key, f"{self.count}") for key in [*(f"n{number}" for number in range(size)), "a"])
        for entry in store.entries():
            if entry.val == f"{self.count}":
                self.written.setdefault(entry.key, {}).setdefault(entry.ts, set()).add(entry.val)

    def again(self, who, keys):
        store = self.replicas[who].lww
        values = {key: store.get(key) for key in keys}
        store.replace_in_place([(key, lambda _, key=key: f"{values[key]}'") for key in keys], AGAIN)

    def merge(self, who, other):
        if who != other:
            self.replicas[who].receive(self.replicas[other])

    def tick(self, who, step):
        self.replicas[who].clock.now_ms += step

    def reopen(self, who, _):
        old = self.replicas[who]
        self.count += 1
        new = self.new(100 + self.count, old.clock, old.document.update_since())
        assert [entry.key for entry in new.lww.entries()] == [entry.key for entry in old.lww.entries()]
        self.replicas[who] = new

    @staticmethod
    def check(replica):
        """The store says what the array holds, each key once."""
        raw = [(value["key"], value["val"], value["ts"]) for value in replica.raw()]
        assert [(entry.key, entry.val, entry.ts) for entry in replica.lww.entries()] == raw
        assert len({key for key, _, _ in raw}) == len(raw) == replica.lww.size
