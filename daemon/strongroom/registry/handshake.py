"""The one line that a plugin process writes to stdout before anything else (capability-wire section 12)."""

import os
import select
import time
from dataclasses import dataclass
from typing import Final

from strongroom.errors import PluginFault
from strongroom.plugin.serve.wire import unix_target

__all__ = ["Handshake", "parse_handshake", "read_handshake"]

CORE_VERSION: Final = 1
APP_VERSION: Final = 0
PARTS_MIN: Final = 4
# Shorter than this is no certificate (go-plugin's own figure).
CERT_CHARS_MIN: Final = 50
SHOWN_CHARS_MAX: Final = 200
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class Handshake:
    """Where the plugin listens, as a gRPC target."""

    target: str


def _fault(text: str, *, why: str = "", fix: str = "") -> PluginFault:
    return PluginFault("SR-PLUG-021", text, why=why, fix=fix)


def parse_handshake(untrusted: str) -> Handshake:
    """What the line says. Raises ``PluginFault`` in the words of go-plugin."""
    parts = untrusted.strip().split("|")
    if len(parts) < PARTS_MIN:
        shown = "".join(c if c.isprintable() else "?" for c in untrusted.strip()[:SHOWN_CHARS_MAX])
        empty = "" if shown else "\nFailed to read any lines from plugin's stdout"
        raise _fault(
            f"Unrecognized remote plugin message: {shown}{empty}",
            fix="nothing may be printed to stdout before the handshake line",
        )
    core, app, network, address = (part.strip() for part in parts[:PARTS_MIN])
    protocol = parts[4].strip() if len(parts) > PARTS_MIN else "netrpc"
    if not (core.isascii() and core.isdigit()):
        raise _fault(f"error parsing core protocol version: {core[:SHOWN_CHARS_MAX]!r} is not a number")
    if int(core[:SHOWN_CHARS_MAX]) != CORE_VERSION:
        raise _fault(
            f"incompatible core API version with plugin. Plugin version: {core[:20]}, Core version: {CORE_VERSION}"
        )
    if not (app.isascii() and app.isdigit()) or int(app[:SHOWN_CHARS_MAX]) != APP_VERSION:
        raise _fault(
            f"incompatible API version with plugin. Plugin version: {app[:20]}, Client versions: [{APP_VERSION}]"
        )
    if protocol != "grpc":
        raise _fault(f'unsupported plugin protocol "{protocol[:20]}". Supported: [grpc]')
    if len(parts) > PARTS_MIN + 1 and len(parts[5].strip()) >= CERT_CHARS_MIN:
        raise _fault("error parsing server cert: this host asked for no TLS on its private socket")
    return Handshake(_target(network, address))


def _target(network: str, address: str) -> str:
    if network == "unix" and address.startswith("/"):
        return unix_target(address)
    if network == "tcp" and address.rpartition(":")[0] in LOOPBACK and address.rpartition(":")[2].isdigit():
        return address
    if network in {"unix", "tcp"}:
        raise _fault(f"the plugin listens on {address[:SHOWN_CHARS_MAX]!r}", why="that is not a place on this machine")
    raise _fault(f"unknown address type: {network[:SHOWN_CHARS_MAX]}")


def read_handshake(stdout: int, pidfd: int, *, timeout_s: float, bytes_max: int) -> Handshake:
    """Read and parse the first line of ``stdout``. Raises ``PluginFault`` for a late, long, broken or missing one."""
    deadline = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    line = bytearray()
    while True:
        left_ms = (deadline - time.monotonic()) * 1000
        ready = dict(poll.poll(max(0, left_ms))) if left_ms > 0 else {}
        if not ready:
            raise _fault("timeout while waiting for plugin to start", why=f"no handshake line within {timeout_s:g} s")
        # Everything that was written before the end counts, so the pipe comes first.
        chunk = os.read(stdout, bytes_max + 1) if stdout in ready else b""
        line += chunk
        head, newline, _ = bytes(line).partition(b"\n")
        if len(head) > bytes_max:
            raise _fault(
                f"Unrecognized remote plugin message: {len(line)} bytes without an end of line",
                why=f"the limit is {bytes_max} (handshake_bytes_max)",
            )
        if newline or (line and not chunk):
            return parse_handshake(head.decode("utf-8", "replace"))
        if not chunk and (pidfd in ready or stdout in ready):
            raise _fault("plugin exited before we could connect", why="its last words are in the log")
