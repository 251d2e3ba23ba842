"""One host per database, which is looked after as long as the host is up."""

from collections.abc import Callable

from strongroom.errors import Unavailable
from strongroom.storage.host_lock import HostLock
from strongroom.telemetry import logs

__all__ = ["Keeper"]

log = logs.get("app")


class Keeper:
    """Holds on to the database. What is wrong is logged: a host that lost its database writes nothing there anyway.

    What another host accepted in between and left unfinished is taken over once the lock is held again.
    """

    def __init__(self, lock: HostLock, take_over: Callable[[], int]) -> None:
        self._lock = lock
        self._take_over = take_over
        self._was_lost = False
        self.problem = ""
        """The code of why the lock is not held now, as it was found last; empty while it is."""

    def __call__(self) -> None:
        """Look once."""
        try:
            if not self._lock.keep():
                self._was_lost = True
                log.warning("the connection that holds the lock of the database was lost; the lock is held again")
        except Unavailable as error:
            self.problem = error.code
            log.error(
                "the lock of the database is lost; if another host has it, stop one of them",
                extra={"code": error.code, "why": str(error)},
            )
            return
        self.problem = ""
        if self._was_lost:
            runs = self._take_over()
            self._was_lost = False
            if runs:
                log.warning("runs that nobody executed are taken over", extra={"runs": runs})
