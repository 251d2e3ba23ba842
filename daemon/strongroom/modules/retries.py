"""What attributes say of calls that fail and of runs that have ended: ``retry`` and ``retention_hours``."""

from dataclasses import dataclass
from typing import Any, Final

from strongroom.errors import InvalidInput
from strongroom.plugin.error_text import CODES

__all__ = ["RetryPolicy", "parse_retention", "parse_retry"]

ATTEMPTS_MAX: Final = 100
BACKOFF_MS_MAX: Final = 3_600_000
FACTOR_MAX: Final = 10
RETENTION_HOURS: Final = (24, 876_000)
"""At least a day, so that a client that comes back finds its run; at most a century."""
MEMBERS: Final = ("attempts_max", "backoff_factor", "backoff_ms", "backoff_ms_max", "codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a call is sent again, always under the same key: after which codes, how often in all, and after what wait.

    The wait is ``backoff_ms`` times ``backoff_factor`` for every attempt before, at most ``backoff_ms_max``.
    """

    attempts_max: int = 3
    backoff_ms: int = 1_000
    backoff_factor: float = 2.0
    backoff_ms_max: int = 60_000
    codes: tuple[str, ...] = ("Unavailable",)

    def wait_ms(self, attempts: int) -> int:
        """How long to wait after ``attempts`` attempts."""
        return int(min(self.backoff_ms * self.backoff_factor ** (attempts - 1), self.backoff_ms_max))


def parse_retry(untrusted: Any) -> RetryPolicy:  # Any: a value out of a JSON document
    """The policy in ``attributes.retry``; the default when it is absent. Raises ``InvalidInput`` naming the field."""
    if untrusted is None:
        return RetryPolicy()
    path = "attributes.retry"
    if not isinstance(untrusted, dict):
        raise _wrong(path, "expected an object")
    for name in untrusted:
        if name not in MEMBERS:
            raise _wrong(f"{path}.{name}", f"not a member of a retry policy; its members are {', '.join(MEMBERS)}")
    default = RetryPolicy()
    factor = untrusted.get("backoff_factor", default.backoff_factor)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= FACTOR_MAX:
        raise _wrong(f"{path}.backoff_factor", f"expected a number from 1 to {FACTOR_MAX}")
    codes = untrusted.get("codes", list(default.codes))
    if not isinstance(codes, list) or not all(isinstance(code, str) and code in CODES for code in codes):
        raise _wrong(f"{path}.codes", f"expected a list of codes: {', '.join(CODES)}")
    return RetryPolicy(
        attempts_max=_whole(untrusted, "attempts_max", default.attempts_max, ATTEMPTS_MAX),
        backoff_ms=_whole(untrusted, "backoff_ms", default.backoff_ms, BACKOFF_MS_MAX),
        backoff_factor=float(factor),
        backoff_ms_max=_whole(untrusted, "backoff_ms_max", default.backoff_ms_max, BACKOFF_MS_MAX),
        codes=tuple(codes),
    )


def parse_retention(untrusted: Any) -> int | None:  # Any: a value out of a JSON document
    """The hours in ``attributes.retention_hours``, or ``None`` when it is absent. Raises ``InvalidInput``."""
    if untrusted is None:
        return None
    low, high = RETENTION_HOURS
    if isinstance(untrusted, bool) or not isinstance(untrusted, int) or not low <= untrusted <= high:
        raise _wrong("attributes.retention_hours", f"expected a whole number from {low} to {high}")
    return untrusted


def _whole(document: dict[str, Any], name: str, default: int, highest: int) -> int:  # Any: values of a JSON document
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise _wrong(f"attributes.retry.{name}", f"expected a whole number from 1 to {highest}")
    return value


def _wrong(path: str, why: str) -> InvalidInput:
    return InvalidInput(
        "SR-ATTR-004",
        f"failed to parse workflow attributes: {path}: {why}",
        fix="correct the field and register again; nothing was registered",
        field=path,
    )
