"""``Checks``: asks the session's server again and again, with growing pauses while it does not answer."""

import threading
from typing import Final, Protocol

from strongroom.errors import StrongroomError
from strongroom.telemetry import logs
from strongroom.workspace.session.faults import is_final
from strongroom.workspace.session.states import SessionState

__all__ = ["Checks"]

PAUSE_S_MIN: Final = 2.0
"""A server that restarts is back within some of these."""
DOUBLINGS_MAX: Final = 8
log = logs.get("workspace.session")


class _Confirmable(Protocol):
    @property
    def state(self) -> SessionState: ...
    @property
    def confirmed(self) -> bool: ...
    def confirm(self) -> None: ...


class Checks:
    """One thread that calls ``confirm``. What it hears changes the session; what fails is logged once in a row."""

    def __init__(self, session: _Confirmable, *, every_s: float) -> None:
        """It runs from ``start`` on."""
        self._session = session
        self._every_s = every_s
        self._wake = threading.Event()
        self._ending = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="workspace-session", daemon=True)

    def start(self) -> None:
        """Ask for the first time, in the background."""
        self._thread.start()

    def wake(self) -> None:
        """Ask now."""
        self._wake.set()

    def close(self, *, timeout_s: float = 5.0) -> None:
        """End; a request under way has a limit of its own and is left behind after ``timeout_s``."""
        self._ending = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def check(self) -> float:
        """Ask once. Seconds until it should be asked again."""
        if self._session.state is not SessionState.SIGNED_IN:
            return self._every_s
        try:
            self._session.confirm()
        except StrongroomError as error:
            self._failures += 1
            if self._failures == 1:
                log.warning(
                    "the session's server did not confirm who is signed in",
                    extra={"code": error.code, "why": str(error)},
                )
            if is_final(error):
                return self._every_s
            return min(self._every_s, PAUSE_S_MIN * (1 << min(self._failures - 1, DOUBLINGS_MAX)))
        if self._failures:
            log.info("the session's server has confirmed who is signed in")
        self._failures = 0
        return self._every_s

    def _run(self) -> None:
        while not self._ending:
            try:
                pause_s = self.check()
            except Exception as error:
                # The thread must outlive whatever it meets; the text may hold what it was asked with.
                log.error("asking the session's server failed", extra={"fault": type(error).__name__})
                pause_s = self._every_s
            self._wake.wait(pause_s)
            self._wake.clear()
