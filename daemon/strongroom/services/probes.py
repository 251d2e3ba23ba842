"""``/livez``, ``/readyz`` and ``/metrics``: what a service manager, a balancer and Prometheus ask a host.

Each state has a code of its own, after the model of Vault, so that who sees the code alone knows the state:

200 ready · 207 degraded: it serves, and something that is optional is away · 425 starting · 503 draining
507 read_only: what would change something is refused · 502 unavailable: nothing can be done, since its database does
not answer · 500 wedged: its work loop does not move · 404 another path.

There is no sealed state: a host without its root secrets does not start.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from strongroom.services.http_request import Answer, Request, plain
from strongroom.telemetry.metrics import CONTENT_TYPE

__all__ = ["CODES", "Check", "Health", "Probes", "Verdict"]

CODES: Final = {
    "ready": 200,
    "degraded": 207,
    "starting": 425,
    "draining": 503,
    "read_only": 507,
    "unavailable": 502,
    "wedged": 500,
}
"""The status of ``/readyz`` in each state."""
WORSE: Final = ("degraded", "read_only", "unavailable")
"""States that checks make of a host, from bad to worst."""
RETRY_AFTER_S: Final = {"starting": 1, "draining": 5, "read_only": 30, "unavailable": 5}
WHY_CHARACTERS_MAX: Final = 300
"""Of one check; the whole of it stands in ``strongroom status``."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: how it is, in a word, and why and what to do where it is not well.

    ``effect`` is the state that it makes of a host when it fails.
    """

    name: str
    is_well: bool
    why: str = ""
    fix: str = ""
    effect: str = "degraded"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a host is: one of ``CODES``, and what that was made of."""

    state: str
    checks: Sequence[Check]

    @classmethod
    def of(cls, checks: Sequence[Check]) -> "Verdict":
        """The state that these make together: the worst that any of them makes."""
        made = [each.effect for each in checks if not each.is_well]
        return cls(max(made, key=WORSE.index, default="ready"), checks)


class Health(Protocol):
    """The host, as probes see it."""

    def is_alive(self) -> bool:
        """Whether its work loop moves, or is not meant to yet, or any more. Asks nobody."""

    def verdict(self) -> Verdict:
        """How it is now. Takes a bounded time."""


class Probes:
    """Answers requests. ``shown`` is what every text goes through."""

    def __init__(self, health: Health, metrics: Callable[[], bytes], shown: Callable[[str], str]) -> None:
        self._health = health
        self._metrics = metrics
        self._shown = shown
        self._pages = {"/livez": self._live, "/readyz": self._ready, "/metrics": self._measured}

    def answer(self, request: Request) -> Answer:
        """The page."""
        page = self._pages.get(request.path)
        if page is None:
            return plain(404, f"there is {', '.join(self._pages)}")
        return page(request)

    def _live(self, _request: Request) -> Answer:
        return plain(200, "ok") if self._health.is_alive() else plain(CODES["wedged"], "wedged")

    def _ready(self, request: Request) -> Answer:
        verdict = self._health.verdict()
        status = CODES[verdict.state]
        after_s = RETRY_AFTER_S.get(verdict.state)
        headers = {} if after_s is None else {"Retry-After": str(after_s)}
        content: dict[str, object] = {"state": verdict.state}
        if "verbose" in request.query.split("&") or status != CODES["ready"]:
            content["checks"] = [self._told(each) for each in verdict.checks]
        return Answer(status, json.dumps(content, indent=2).encode() + b"\n", "application/json", headers)

    def _told(self, check: Check) -> dict[str, str]:
        told = {"name": self._shown(check.name), "result": "ok" if check.is_well else "failed"}
        for name, text in (("why", check.why), ("fix", check.fix)):
            if text:
                told[name] = self._shown(text)[:WHY_CHARACTERS_MAX]
        return told

    def _measured(self, _request: Request) -> Answer:
        return Answer(200, self._metrics(), CONTENT_TYPE)
