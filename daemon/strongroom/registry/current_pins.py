"""What a plugin would be pinned to as it is installed now. Nothing of the plugin runs."""

import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from strongroom.errors import PluginFault
from strongroom.registry.child import PYTHON, find_program
from strongroom.registry.pinned_files import installed_record, refused
from strongroom.registry.pinned_program import is_script, program_sha256
from strongroom.registry.pins import check_pin, module_of
from strongroom.settings.manifest import Pin, PluginEntry

__all__ = ["current_pin", "remark_on"]


def current_pin(entry: PluginEntry) -> Pin:
    """The pin of what is there. Raises ``PluginFault`` for what cannot be pinned, or differs from its own RECORD."""
    if entry.command is not None and entry.command[0] != PYTHON:
        return Pin(command_sha256=program_sha256(find_program(entry.command[0])))
    module = module_of(entry.factory, entry.command)
    record = installed_record(_distribution_of(entry, module))
    pin = Pin(distribution=record.name, version=record.version, record_sha256=record.sha256)
    check_pin(replace(entry, pin=pin))
    return pin


def remark_on(entry: PluginEntry) -> str:
    """What its operator should know of a pin that holds; empty for nothing."""
    if entry.command is None or entry.command[0] == PYTHON or not is_script(find_program(entry.command[0])):
        return ""
    return "the program is a script: its hash does not cover the interpreter, nor what the script loads"


def _distribution_of(entry: PluginEntry, module: str) -> str:
    """The one that is pinned already, or the one that has the module."""
    top = module.partition(".")[0]
    known = entry.pin.distribution if entry.pin is not None else ""
    # An editable installation lists no package; it has the usual name, and says itself that it cannot be pinned.
    names = [*([known] if known else ()), *_installed().get(top, ()), top]
    for name in dict.fromkeys(names):
        try:
            record = installed_record(name)
        except PluginFault as fault:
            if fault.code == "SR-PIN-001":
                continue
            raise
        if name == top or any(each.path.startswith((f"{top}/", f"{top}.")) for each in record.listed):
            return _written(name)
    raise refused(
        "SR-PIN-014", f"no installed distribution has the module {module}", fix="install it, or correct the entry"
    )


def _installed() -> Mapping[str, Sequence[str]]:
    """The distributions of each package. Python reads every RECORD for it, so all plugins of a manifest share it."""
    places = [Path(place) for place in sys.path]
    return _installed_in(tuple((str(place), place.stat().st_mtime_ns) for place in places if place.is_dir()))


@lru_cache(maxsize=1)
def _installed_in(_places: tuple[tuple[str, int], ...]) -> Mapping[str, Sequence[str]]:
    return importlib.metadata.packages_distributions()


def _written(name: str) -> str:
    """The name as the distribution writes it."""
    return str(importlib.metadata.distribution(name).metadata["Name"] or name)
