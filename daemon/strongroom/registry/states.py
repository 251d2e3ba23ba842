"""The life of a plugin, as a table.

Rule 1: every way it changes state is a row here.
Rule 2: nothing here does I/O; callers act on the state they get back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from strongroom.errors import Internal

__all__ = ["Lifecycle", "PluginEvent", "PluginState", "step"]


class Lifecycle(StrEnum):
    """Where a plugin stands."""

    DISABLED = "disabled"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class PluginEvent(StrEnum):
    """What happens to a plugin."""

    STARTED = "started"
    CRASHED = "crashed"
    GAVE_UP = "gave up"
    STOP = "stop"


TRANSITIONS: Final[Mapping[Lifecycle, Mapping[PluginEvent, Lifecycle]]] = {
    Lifecycle.STARTING: {
        PluginEvent.STARTED: Lifecycle.READY,
        PluginEvent.GAVE_UP: Lifecycle.FAILED,
        PluginEvent.STOP: Lifecycle.STOPPED,
    },
    Lifecycle.READY: {
        PluginEvent.CRASHED: Lifecycle.RESTARTING,
        PluginEvent.GAVE_UP: Lifecycle.FAILED,
        PluginEvent.STOP: Lifecycle.STOPPED,
    },
    Lifecycle.RESTARTING: {
        PluginEvent.STARTED: Lifecycle.READY,
        PluginEvent.CRASHED: Lifecycle.RESTARTING,
        PluginEvent.GAVE_UP: Lifecycle.FAILED,
        PluginEvent.STOP: Lifecycle.STOPPED,
    },
    # A process that was given up is tried again now and then.
    Lifecycle.FAILED: {
        PluginEvent.STARTED: Lifecycle.READY,
        PluginEvent.GAVE_UP: Lifecycle.FAILED,
        PluginEvent.STOP: Lifecycle.FAILED,
    },
    Lifecycle.DISABLED: {PluginEvent.STOP: Lifecycle.DISABLED},
    Lifecycle.STOPPED: {PluginEvent.STOP: Lifecycle.STOPPED},
}


def step(state: Lifecycle, event: PluginEvent) -> Lifecycle:
    """The state after ``event``. Raises ``Internal`` if the table has no such row."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Internal("SR-PLUG-020", f"a plugin that is {state} cannot take the event {event}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginState:
    """One plugin, for status and lists. ``pid`` is 0 when there is no process; ``mounts`` are names of providers."""

    name: str
    kind: Literal["in-process", "process"]
    state: Lifecycle
    capabilities: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    restarts: int = 0
    last_error: str = ""
    required: bool = False
    pid: int = 0
