"""A host in memory that implements the seams of plugin authors."""

import logging

from strongroom.plugin import Host


class MemoryStore:
    """Values by owner and key; ``everything`` is what a thief of the disk would have."""

    def __init__(self):
        self.values = {}

    def get(self, key, *, owner=""):
        return self.values.get((owner, key))

    def put(self, key, value, *, owner=""):
        assert len(key.encode()) <= 512
        self.values[owner, key] = bytes(value)

    def delete(self, key, *, owner=""):
        self.values.pop((owner, key), None)

    def list(self, prefix="", *, owner=""):
        return sorted(key for o, key in self.values if o == owner and key.startswith(prefix))

    def everything(self):
        return b"\0".join(f"{owner} {key} ".encode() + value for (owner, key), value in self.values.items())


def memory_host(*, store=None, registry=None, artifacts=None, mode="dev", name="plugin-under-test"):
    """A host with what a plugin needs; what it does not need may be left out."""
    log = logging.getLogger(name)
    return Host(name=name, mode=mode, store=store, registry=registry, artifacts=artifacts, log=log)
