"""Which settings differ after they were read again, and how those take effect that do so without a restart.

Each setting says of itself whether it does (``AT_RELOAD``). The limits of the engine are one object, which is changed
where it is; everything else is looked up in the settings in force each time that it is needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from strongroom.app.build import Parts, engine_limits
from strongroom.engine.limits import EngineLimits
from strongroom.settings.model import Settings
from strongroom.settings.schema import keys
from strongroom.telemetry import logs

__all__ = ["Difference", "difference", "take_effect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Dotted keys whose values differ, and the settings in force once those are ``applied`` that can be."""

    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]
    settings: Settings


def difference(now: Settings, wanted: Settings) -> Difference:
    """From the settings in force to those that were read."""
    differing = [key for key in keys().values() if _value(now, key.dotted) != _value(wanted, key.dotted)]
    applied = tuple(key.dotted for key in differing if key.at_reload)
    return Difference(
        applied=applied,
        needs_restart=tuple(key.dotted for key in differing if not key.at_reload),
        settings=_with(now, wanted, applied),
    )


def take_effect(parts: Parts, found: Difference) -> None:
    """Let the applied settings of the log and of the engine take effect."""
    settings = found.settings
    if any(dotted.startswith("log.") for dotted in found.applied):
        logs.change(settings.log.level, settings.log.format)
    fresh = engine_limits(settings)
    for field in fields(EngineLimits):
        # Runners and guests have theirs from their start, also where they stand here.
        if field.name != "guest":
            setattr(parts.host.limits, field.name, getattr(fresh, field.name))
    parts.history.kept_hours = settings.limits.run_retention_hours


def _value(settings: Settings, dotted: str) -> Any:  # Any: the type depends on the setting
    value: Any = settings
    for name in dotted.split("."):
        value = getattr(value, name)
    return value


def _with(now: Settings, wanted: Settings, dotted_keys: Iterable[str]) -> Settings:
    """``now`` with the values of ``wanted`` under these keys."""
    sections: dict[str, dict[str, Any]] = {}  # Any: as above
    for dotted in dotted_keys:
        section, _, name = dotted.rpartition(".")
        sections.setdefault(section, {})[name] = _value(wanted, dotted)
    top = sections.pop("", {})
    inner = {name: getattr(now, name).model_copy(update=values) for name, values in sections.items()}
    return now.model_copy(update={**top, **inner})
