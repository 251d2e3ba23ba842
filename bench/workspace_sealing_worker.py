"""Our side of bench/workspace_sealing.py: it seals and opens values of both formats, and answers seconds per value."""

import time
from typing import Final

from bench.worker import answer
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import ValuePlace, open_placed, open_value, seal_placed, seal_value

KEY: Final = Key(b"\x11" * 32)
AAD: Final = b"tab-1"
PLACE: Final = ValuePlace("shared", "notes", "table:tabs", "tab-1", 1_764_000_000_000)


def act(line: str) -> object:
    """``time SIZE COUNT`` and ``bound SIZE COUNT`` take the time of format 1 and 2; ``seal SIZE`` gives a value."""
    what, first, *rest = line.split()
    plaintext = b"a" * int(first)
    if what == "seal":
        return seal_value(KEY, 1, plaintext, AAD).hex()
    count = range(int(rest[0]))
    began = time.perf_counter()
    if what == "time":
        for _ in count:
            open_value(KEY, seal_value(KEY, 1, plaintext, AAD), AAD)
    else:
        for _ in count:
            open_placed(KEY, seal_placed(KEY, 1, plaintext, PLACE), PLACE)
    return (time.perf_counter() - began) / len(count)


if __name__ == "__main__":
    answer(act, ready="strongroom")
