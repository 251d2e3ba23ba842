"""What a manifest that was read again changes: which plugins come, go, or are replaced, and which stay untouched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from strongroom.registry.states import PluginState
from strongroom.settings.manifest import PluginEntry

__all__ = ["Change", "Plan", "Replaced", "Step", "is_same", "planned"]


class Change(StrEnum):
    """What happens to a plugin."""

    ADDED = "added"
    CHANGED = "changed"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"
    RELOADED = "reloaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One plugin that changes; ``entry`` is the new one, none for a plugin that is removed."""

    name: str
    change: Change
    entry: PluginEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every plugin that changes, in the order in which that is done.

    ``entries`` is the whole manifest. ``key_providers`` are named that differ: they are asked at a start alone.
    """

    entries: tuple[PluginEntry, ...]
    steps: tuple[Step, ...]
    key_providers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What became of one plugin. ``calls_cut`` had not ended when their time was up; no state for one that is gone.

    ``refused`` says why its new entry is not in force: it did not come up with it, and serves on with the old one.
    """

    name: str
    change: Change
    state: PluginState | None
    calls_cut: int
    refused: str = ""


def planned(now: Sequence[PluginEntry], wanted: Sequence[PluginEntry]) -> Plan:
    """How a host with the entries ``now`` comes to those that are ``wanted``; both with their variables replaced.

    Whatever goes, goes first: what it offered may be what another one comes with.
    """
    before = {entry.name: entry for entry in now}
    after = {entry.name: entry for entry in wanted}
    steps: dict[Change, list[Step]] = {change: [] for change in Change}
    key_providers: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if is_same(old, new):
            continue
        if any(entry is not None and entry.is_key_provider for entry in (old, new)):
            key_providers.append(name)
            continue
        change = _change(old, new)
        steps[change].append(Step(name=name, change=change, entry=new))
    order = (Change.REMOVED, Change.DISABLED, Change.CHANGED, Change.ENABLED, Change.ADDED)
    return Plan(
        entries=tuple(wanted),
        steps=tuple(step for change in order for step in steps[change]),
        key_providers=tuple(key_providers),
    )


def _change(old: PluginEntry | None, new: PluginEntry | None) -> Change:
    if new is None:
        return Change.REMOVED
    if old is None:
        return Change.ADDED
    if old.enabled != new.enabled:
        return Change.ENABLED if new.enabled else Change.DISABLED
    return Change.CHANGED


def is_same(old: PluginEntry | None, new: PluginEntry | None) -> bool:
    """Whether nothing differs but where it stands in the file."""
    return old is not None and new is not None and replace(old, where="") == replace(new, where="")
