"""Plugins that provide root secrets, well and badly, as plugins.yaml names them."""

import dataclasses
from pathlib import Path

from strongroom.plugin.hooks import hookimpl

HIDDEN = "a-secret-that-must-not-be-shown"


class Drawer:
    """A provider that reads a file, or fails as it is told."""

    name = "drawer"

    def __init__(self, path, fault):
        self.path, self.fault = path, fault

    def load(self):
        if self.fault == "raises":
            raise RuntimeError(HIDDEN)
        if self.fault == "text":
            return HIDDEN
        if self.fault == "large":
            return b"1:" + b"s" * 70_000
        if self.fault == "no UTF-8":
            return b"\xff"
        return self.path.read_bytes() if self.path.exists() else None

    def describe(self):
        if self.fault == "cannot tell":
            raise RuntimeError(HIDDEN)
        if self.fault == "tells a number":
            return 7
        return f"the drawer {self.path.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawerPlugin:
    """The plugin. It would take a host if it was given one."""

    path: str
    fault: str = ""

    @hookimpl
    def key_providers(self):
        if self.fault == "answers nonsense":
            return [object()]
        if self.fault == "cannot answer":
            int(HIDDEN)
        return [] if self.fault == "none" else [Drawer(Path(self.path), self.fault)]

    @hookimpl
    def start(self, host):
        raise AssertionError("a provider of keys was given a host")


class Unloadable:
    """A factory that cannot be called."""

    def __init__(self):
        raise RuntimeError(HIDDEN)
