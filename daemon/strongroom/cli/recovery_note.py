"""A note beside the state that a recovery file was opened and held the keys of the keyring: for whoever asks later.

It holds key ids, which are no secret. It vouches for nothing: whoever loses the file itself has lost it.
"""

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["leave_note", "read_note"]

NAME: Final = "recovery-verified.json"
BYTES_MAX: Final = 16_384
KEY_ID: Final = re.compile(r"k[0-9]{1,10}-[0-9a-f]{8}")


def leave_note(state_dir: Path, key_ids: Sequence[str]) -> bool:
    """Leave it where the state is. False where that is not here, or not ours to write to: nobody is kept by that."""
    with contextlib.suppress(OSError):
        if not state_dir.is_dir():
            return False
        written = state_dir / f".{NAME}.{os.getpid()}"
        written.write_text(json.dumps({"key_ids": list(key_ids)}) + "\n")
        written.chmod(0o600)
        written.replace(state_dir / NAME)
        return True
    return False


def read_note(state_dir: Path) -> list[str] | None:
    """The key ids that were verified, or nothing where there is no such note that can be read."""
    try:
        with (state_dir / NAME).open("rb") as file:
            found = json.loads(file.read(BYTES_MAX))
        ids = [str(each) for each in found["key_ids"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return ids if ids and all(KEY_ID.fullmatch(each) for each in ids) else None
