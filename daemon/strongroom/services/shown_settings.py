"""Settings as they are shown: plain values that JSON has, and secret ones masked."""

from pathlib import Path
from typing import Any

from strongroom.settings.model import Settings
from strongroom.settings.schema import keys
from strongroom.telemetry.redaction import MASK

__all__ = ["shown", "shown_value"]


def shown(settings: Settings) -> dict[str, Any]:  # Any: JSON
    """Every setting by its dotted key."""
    return {dotted: shown_value(settings, dotted) for dotted in keys()}


def shown_value(settings: Settings, dotted: str) -> Any:  # Any: as above
    """The value of one, or the mask."""
    value: Any = settings
    for part in dotted.split("."):
        value = getattr(value, part)
    if keys()[dotted].secret and value:
        return MASK
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
