"""The limits of a guest under test, under the names that authors use.

The defaults are those of a host in production, taken from the one table that it uses too, so that what passes here
passes there.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

from strongroom.guest.limits import GuestLimits

__all__ = ["DEFAULT", "Limits", "guest_limits"]

_PRODUCTION: Final = GuestLimits()
_SETTINGS: Final = {
    "deadline_ms": "timeout_ms",
    "pending_calls_max": "calls_in_flight_max",
    "compressed_bytes_max": "binary_compressed_bytes_max",
    "module_bytes_max": "binary_bytes_max",
}
"""What a host calls the limits that have another name there."""

BYTES_MAX: Final = 2_000_000_000
COUNT_MAX: Final = 1_000_000
MILLISECONDS_MAX: Final = 86_400_000
"""The ranges of a host's settings: a limit that no host can have tests nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one guest may use. Raises ``ValueError`` for a limit that is no whole number within its range."""

    memory_bytes_max: int = _PRODUCTION.memory_bytes_max
    """Linear memory, in bytes; further growth fails inside the guest."""
    deadline_ms: int = _PRODUCTION.timeout_ms
    """Wall time of the guest, in milliseconds. Subscribe and pre-hook have at most 15 s and 10 s all the same."""
    response_bytes_max: int = _PRODUCTION.response_bytes_max
    """Size of the result, in bytes; the guest is told it too."""
    log_line_bytes_max: int = _PRODUCTION.log_line_bytes_max
    """Size of one log line, in bytes; longer ones are cut and marked."""
    log_lines_max: int = _PRODUCTION.log_lines_max
    """Log lines for each mode; further ones are dropped."""
    pending_calls_max: int = _PRODUCTION.calls_in_flight_max
    """Capability calls and secrets fetches open at once; a guest that starts one more is made to wait."""
    compressed_bytes_max: int = _PRODUCTION.binary_compressed_bytes_max
    """Size of a module compressed with brotli, in bytes."""
    module_bytes_max: int = _PRODUCTION.binary_bytes_max
    """Size of a raw module, in bytes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = MILLISECONDS_MAX if field.name.endswith("_ms") else BYTES_MAX
            most = most if "bytes" in field.name or field.name.endswith("_ms") else COUNT_MAX
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise ValueError(f"{field.name} must be a whole number from 1 to {most}")


DEFAULT: Final = Limits()
"""The limits of a host whose operator changed none."""


def guest_limits(limits: Limits) -> GuestLimits:
    """``limits`` as runners take them; those that authors have no name for keep the values of production."""
    named = {_SETTINGS.get(field.name, field.name): getattr(limits, field.name) for field in fields(limits)}
    return replace(_PRODUCTION, **named)
