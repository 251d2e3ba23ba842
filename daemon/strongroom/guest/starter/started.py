"""A runner process as the seam between whoever uses one and whoever starts it.

Ways to start one: ``child.own_child``, of this process; ``pool_client.Pool``, of the program ``strongroom-runner``.
"""

import socket
from collections.abc import Callable
from typing import Final, Protocol

from strongroom.errors import Unavailable

__all__ = ["AWAY", "Start", "Started", "away"]

AWAY: Final = "SR-GUEST-034"
"""The code of a failure that is over when the program that starts runners is back."""


class Started(Protocol):
    """A runner that has been ordered. ``kill`` and ``poll`` are safe from any thread."""

    @property
    def pid(self) -> int:
        """Process id as its starter counts; 0 before ``connection`` has returned."""

    @property
    def is_lost(self) -> bool:
        """True when the program that started it is gone, and the runner with it: no fault of its guest."""

    def connection(self, timeout_s: float) -> socket.socket:
        """The socket to it, given out once; the caller closes it. Raises ``Unavailable`` when there is none in time."""

    def poll(self) -> int | None:
        """``None`` while it runs."""

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its exit status, or minus the signal that killed it. ``None`` when the time is up, or nobody knows it."""

    def kill(self) -> None:
        """End it now, without asking. More than once is the same."""

    def last_words(self) -> str:
        """The end of what it wrote to its standard error. A guest cannot write there."""

    def close(self) -> None:
        """Let go of what is open. Only after ``wait``."""


Start = Callable[[int | None], Started]
"""Start a runner of guests. The argument is a descriptor of the directory below which it may read native code.

Call it from a thread that lives as long as the runner. Raises ``OSError``, and ``Unavailable`` if nobody takes orders.
"""


def away(why: str) -> Unavailable:
    """The error of whoever needs a runner while nobody can start one."""
    return Unavailable(
        AWAY,
        "the program that starts runners is away",
        why=why,
        fix="see systemctl status strongroom-runner; a host that started the program itself has to be started again",
        retry_ms=1_000,
    )
