"""Our side of bench/payloads.py: it seals and opens ``encr`` payloads and derives keys of runs, seconds for each."""

import time
from collections.abc import Callable
from itertools import count as numbers
from typing import Final

from bench.worker import answer
from strongroom.crypto.encr import open_encr, seal_encr
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place
from strongroom.keyring.root import RootKeyring
from strongroom.keyring.run_keys import RunKeys

KEY: Final = Key(b"\x11" * 32)
RUNS: Final = RunKeys(RootKeyring({1: KEY}), "bench")
_number = numbers()


def derive() -> None:
    """The key of a run that this process has not met, with all that it takes to seal under it."""
    RUNS.material(f"wrun_{next(_number):026}", key_version=1)


def taken(count: int, once: Callable[[], object]) -> float:
    """Seconds of one of ``count``."""
    began = time.perf_counter()
    for _ in range(count):
        once()
    return (time.perf_counter() - began) / count


def act(line: str) -> object:
    """``seal SIZE COUNT``, ``open SIZE COUNT``, ``bound SIZE COUNT`` and ``derive COUNT`` take times; ``payload SIZE``
    gives one."""
    what, first, *rest = line.split()
    if what == "derive":
        return taken(int(first), derive)
    plaintext = b"a" * int(first)
    payload = seal_encr(KEY, plaintext)
    if what == "payload":
        return payload.hex()
    place = Place("wrun_0", "step_completed", "1", "result", 1, False, b"t" * 16)
    acts: dict[str, Callable[[], object]] = {
        "seal": lambda: seal_encr(KEY, plaintext),
        "open": lambda: open_encr(KEY, payload),
        "bound": lambda: RUNS.seal(place, plaintext, key_version=1),
    }
    return taken(int(rest[0]), acts[what])


if __name__ == "__main__":
    answer(act, ready="strongroom")
