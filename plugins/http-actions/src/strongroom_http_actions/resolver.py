"""Names to addresses, within a deadline.

The system's resolver takes as long as it likes and cannot be interrupted, so it is asked on threads of its own; a
caller whose time is over leaves such a thread behind, and their number is limited.
"""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from strongroom_http_actions.addresses import parsed
from strongroom_http_actions.limits import RESOLVERS_MAX
from strongroom_http_actions.refusals import unavailable

__all__ = ["Resolver", "system_addresses"]


def system_addresses(host: str, port: int) -> list[str]:
    """Every address of ``host``, in the order in which the system prefers them. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """``lookup`` with a deadline."""

    def __init__(self, lookup: Callable[[str, int], list[str]] = system_addresses) -> None:
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(RESOLVERS_MAX, thread_name_prefix="resolver")

    def addresses(self, host: str, port: int, deadline: float) -> list[str]:
        """Every address of ``host``. Raises ``TimeoutError``; ``CapabilityError`` for a name that is not known."""
        if parsed(host) is not None:
            return [host]
        asked = self._pool.submit(self._lookup, host, port)
        try:
            return asked.result(max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            asked.cancel()
            raise
        except (OSError, UnicodeError):
            raise unavailable("url: the name of this host was not found") from None

    def close(self) -> None:
        """Take no more names."""
        self._pool.shutdown(wait=False, cancel_futures=True)
