"""What a service manager is told: datagrams to the socket that ``NOTIFY_SOCKET`` names.

Each message opens a socket of its own, so a manager that was started anew is reached too. Nobody fails of a message
that does not arrive: who waits for it has a time limit of its own, and the log says it once.
Source: sd_notify(3).
"""

import os
import socket
import threading
import time
from collections.abc import MutableMapping
from typing import Final

from strongroom.telemetry import logs
from strongroom.telemetry.redaction import printable

__all__ = ["ADDRESS_BYTES_MAX", "STATUS_CHARACTERS_MAX", "WATCHDOG_S_MAX", "Notifier"]

ADDRESS_BYTES_MAX: Final = 107
"""The kernel's limit for the address of a Unix socket, without its final NUL."""
STATUS_CHARACTERS_MAX: Final = 500
"""One line that a person reads beside others."""
SEND_S: Final = 2.0
"""How long a manager may take no message. It takes longer only while it is being replaced."""
WATCHDOG_S_MAX: Final = 86_400.0
"""A watchdog that looks less often than daily watches nothing."""
log = logs.get("service-manager")


class Notifier:
    """Tells the service manager at ``address``; without one every call does nothing.

    ``watchdog_s`` is how often it wants to hear ``watchdog`` at the least, none when it does not.
    """

    def __init__(self, address: str = "", *, watchdog_s: float | None = None) -> None:
        self._address = _kernel_address(address)
        self._lock = threading.Lock()
        self._has_warned = False
        self.watchdog_s = watchdog_s if self._address else None

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> "Notifier":
        """The one that ``environ`` names, and takes it out of there: no child may speak for this process."""
        address = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        is_meant = pid in ("", str(os.getpid())) and usec.isascii() and usec.isdecimal() and len(usec) < 20
        watchdog_s = int(usec) / 1_000_000 if is_meant else 0.0
        return cls(address, watchdog_s=watchdog_s if 0 < watchdog_s <= WATCHDOG_S_MAX else None)

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is over."""
        self._send("READY=1", *_status(status))

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._send("STOPPING=1", *_status(status))

    def reloading(self, status: str = "") -> None:
        """A reload has begun, which ``ready`` ends."""
        now_usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_usec}", *_status(status))

    def status(self, text: str) -> None:
        """One line for people."""
        self._send(f"STATUS={_line(text)}")

    def extend(self, seconds: float) -> None:
        """The start, or the end, goes on for so long at least: no limit is reached before."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def watchdog(self) -> None:
        """The work goes on."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(SEND_S)
                to.connect(self._address)
                to.send("\n".join(lines).encode("utf-8", "replace"))
        except OSError as error:
            with self._lock:
                is_first, self._has_warned = not self._has_warned, True
            if is_first:
                log.warning("the service manager cannot be told", extra={"error": error.strerror or str(error)})


def _kernel_address(text: str) -> bytes:
    """A path, or a name that is no path and begins with ``@``; anything else is of a kind that is not spoken here."""
    address = os.fsencode(text)
    if not address:
        return b""
    if address[:1] not in (b"/", b"@") or not 1 < len(address) <= ADDRESS_BYTES_MAX:
        log.warning("NOTIFY_SOCKET is no address of a Unix socket; nobody is told that this process is ready")
        return b""
    return b"\0" + address[1:] if address[:1] == b"@" else address


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={_line(text)}",) if text else ()


def _line(text: str) -> str:
    return printable(text)[:STATUS_CHARACTERS_MAX]
