"""How a host ends: when a signal asks for it, and within a bound, whatever still hangs.

Rule 1: signals are heard by a thread of their own. A handler runs in the main thread between two of its steps, where it
may want the very lock that is held there; and a main thread that waits for a lock is not woken by a signal that the
kernel gave to another thread.
Rule 2: once asked, the process ends within the bound, and says what was still open; a second signal ends it now.
Accepted runs are on disk, so nothing acknowledged is lost by either. The first is a failure, and its exit code says so.
Rule 3: SIGHUP ends no service, from before it is ready; what it is good for is not decided here. It ends whoever has a
terminal, which is gone then, unless it was started to survive that.
Rule 4: a host that has closed everything does not wait for its threads: whoever they worked for has been told.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NoReturn

from strongroom.telemetry import logs

__all__ = ["STOP_S", "Ending", "is_host", "leave"]

STOP_S: Final = 25.0
"""What a stop may take beyond ``limits.drain_timeout_ms``; it takes one second or two. With the usual minute of that a
host ends well before a service manager that gives it two minutes kills it."""
SAY_S: Final = 0.5
"""A log that nobody reads, or whose lock is held by what hangs, keeps no host from ending."""
POLL_MS_MAX: Final = 2**31 - 1
"""The longest wait that the kernel takes."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
log = logs.get("app")


def _nothing() -> dict[str, object]:
    return {}


class Ending:
    """Hears SIGTERM, SIGINT and SIGHUP from ``listen`` on. Only the main thread may make it and call that.

    ``still_open`` says what has not ended when the bound is reached; it is asked from another thread, as ``hung_up`` is
    for each SIGHUP to a service until its end begins. That must return at once and not raise.
    """

    def __init__(self, bound_s: float, *, is_service: bool = False, end: Callable[[int], object] = os._exit) -> None:
        self.asked = threading.Event()
        self.still_open: Callable[[], Mapping[str, object]] = _nothing
        self.hung_up: Callable[[], object] = _nothing
        self.bound_s: Callable[[], float] = lambda: bound_s
        """Asked for when the end begins."""
        self._end = end
        self._passing = {signal.SIGHUP} if is_service else set()
        self._heard, self._told = os.pipe2(os.O_CLOEXEC)

    def listen(self) -> None:
        """A signal is from now on a wish to stop, also during the start, and no crash."""
        os.set_blocking(self._told, False)
        # Written by the kernel's side of a handler, in whichever thread it runs, so it is heard whatever Python does.
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        for each in SIGNALS:
            is_nohup = each == signal.SIGHUP and signal.getsignal(each) is signal.SIG_IGN
            if each in self._passing or not is_nohup:
                signal.signal(each, _heard_elsewhere)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while self._next_signal() in self._passing:
            self.hung_up()
        self.asked.set()
        bound_s = self.bound_s()
        until_s = time.monotonic() + bound_s
        poll = select.poll()
        poll.register(self._heard, select.POLLIN)
        while poll.poll(min(max(until_s - time.monotonic(), 0) * 1000, POLL_MS_MAX)):
            if self._next_signal() not in self._passing:
                self._end_now(lambda: log.warning("ended at the second signal"), 0)
                return
        self._end_now(lambda: self._say_what_is_open(bound_s), os.EX_SOFTWARE)

    def _next_signal(self) -> int:
        """What the kernel's side of a handler has written: one byte for each signal."""
        return os.read(self._heard, 1)[0]

    def _end_now(self, say: Callable[[], None], code: int) -> None:
        speaker = threading.Thread(target=say, name="last-words", daemon=True)
        speaker.start()
        speaker.join(SAY_S)
        self._end(code)

    def _say_what_is_open(self, bound_s: float) -> None:
        log.error(
            f"the stop took longer than {bound_s:g} s; the host ends all the same, and its runs go on after the"
            " next start",
            extra={**self.still_open(), "threads": waiting_threads()},
        )


def is_host() -> bool:
    """Whether this process hears signals as a host does."""
    return signal.getsignal(signal.SIGTERM) is _heard_elsewhere


def leave(code: int) -> NoReturn:
    """End this process, which was a host and has closed everything, without waiting for its threads.

    The interpreter would wait for each thread of a pool, such as one whose client went away and whose run sleeps.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def waiting_threads() -> list[str]:
    """The names of threads that the interpreter would wait for."""
    main = threading.main_thread()
    return sorted(each.name for each in threading.enumerate() if not each.daemon and each is not main)


def _heard_elsewhere(number: int, frame: object) -> None:
    """The thread that listens has heard it already."""
    del number, frame
