"""Two hundred workflows of 10 MB, each of them run: what all processes of the host take together."""

import random
from pathlib import Path
from typing import Final

from bench.figures import Row
from bench.processes import family, proportional_bytes
from bench.runs import GUEST
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon

__all__ = ["measure"]

WORKFLOWS: Final = 200
MODULE_BYTES: Final = 10_000_000
BYTES_MAX: Final = 300_000_000
PAGE_BYTES: Final = 65_536
MEMORY_SECTION: Final = 5
DATA_SECTION: Final = 11
AGAIN: Final = 20
"""Workflows that are run once more at the end, so that runners hold what a busy host's hold."""


def measure(directory: Path) -> list[Row]:
    """The row of the memory."""
    state = directory / "modules"
    state.mkdir(mode=0o700)
    daemon = LiveDaemon(state, ("--log-level", "warning")).start()
    try:
        with daemon.channel() as api:
            names = [f"bulky-{number}" for number in range(WORKFLOWS)]
            for number, name in enumerate(names):
                api.register(bulky(GUEST.read_bytes(), seed=number), name)
            for name in [*names, *names[:AGAIN]]:
                response = api.execute(name, b'"x"')
                assert response.run.status == run_pb2.RUN_STATUS_COMPLETED, response.error
            taken = proportional_bytes(family(daemon.process.pid))
    finally:
        daemon.stop()
    return [
        Row(
            what=f"{WORKFLOWS} workflows of {MODULE_BYTES // 10**6} MB, each run: all processes together",
            demanded=f"≤ {BYTES_MAX // 10**6} MB",
            measured=f"{taken / 1e6:.0f} MB",
            met=taken <= BYTES_MAX,
        )
    ]


def bulky(wasm: bytes, *, seed: int) -> bytes:
    """``wasm`` with more memory and ``MODULE_BYTES`` of data that it begins with; every ``seed`` gives another one."""
    ballast = random.Random(seed).randbytes(MODULE_BYTES)  # noqa: S311 - it only has to differ
    grown, at = [], 8
    memory_bytes = 0
    while at < len(wasm):
        kind, (size, body) = wasm[at], _number(wasm, at + 1)
        content = wasm[body : body + size]
        at = body + size
        if kind == MEMORY_SECTION:
            # One memory: its count, its flags, then how many pages it begins with.
            pages, rest = _number(content, 2)
            memory_bytes = pages * PAGE_BYTES
            content = content[:2] + _encoded(pages + MODULE_BYTES // PAGE_BYTES + 1) + content[rest:]
        if kind == DATA_SECTION:
            count, rest = _number(content, 0)
            place = b"\x00\x41" + _encoded(memory_bytes, signed=True) + b"\x0b"
            content = _encoded(count + 1) + content[rest:] + place + _encoded(len(ballast)) + ballast
        grown.append(bytes([kind]) + _encoded(len(content)) + content)
    return wasm[:8] + b"".join(grown)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _encoded(value: int, *, signed: bool = False) -> bytes:
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        # A signed number ends with a byte whose sign bit is clear, as all of ours are positive.
        if value == 0 and not (signed and low & 0x40):
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)
