"""Our side of bench/workspace_sealing.py: it seals and opens values of both formats, and answers seconds per value.

It also takes the time of a thousand values in a workspace: set at once, and sealed again under another key.
"""

import time
from typing import Final

from bench.worker import answer
from strongroom.crypto.keyring_entry import Keyring, entry_of
from strongroom.crypto.keys import Key
from strongroom.crypto.workspace_blob import ValuePlace, open_placed, open_value, seal_placed, seal_value
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.workspace.workspace import Workspace

KEY: Final = Key(b"\x11" * 32)
AAD: Final = b"tab-1"
RING: Final = Keyring((entry_of(1, KEY),))
ROTATED: Final = Keyring((entry_of(1, KEY), entry_of(2, Key(b"\x22" * 32))))
NOTES: Final = WorkspaceDefinition(id="notes", tables=(), kv=())
PLACE: Final = ValuePlace("shared", "notes", "table:tabs", "tab-1", 1_764_000_000_000)


def many(count: int) -> tuple[float, float]:
    """The seconds that ``count`` rows take to be set in one go, and to be sealed again under a promoted key."""
    workspace = Workspace.create(NOTES, keyring=lambda: RING)
    store = workspace.store("table:notes")
    rows = [(f"row-{number}", {"id": f"row-{number}", "title": "a" * 40, "_v": 1}) for number in range(count)]
    began = time.perf_counter()
    store.bulk_set(rows)
    were_set = time.perf_counter()
    workspace.reactivate(ROTATED)
    rotated = time.perf_counter()
    assert store.upgrade(count) == count
    took = were_set - began, time.perf_counter() - rotated
    assert store.versions() == {2: count}
    workspace.dispose()
    return took


def act(line: str) -> object:
    """``time SIZE COUNT`` and ``bound SIZE COUNT`` take the time of format 1 and 2; ``seal SIZE`` gives a value;
    ``workspace COUNT`` is ``many``."""
    what, first, *rest = line.split()
    if what == "workspace":
        return many(int(first))
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
