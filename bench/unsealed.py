"""The command line of strongroom with sealing switched off, for one purpose: to measure what it costs.

The shipped program has no such switch. Here envelopes hold plaintext and MACs are constant, so a state directory that
this program wrote is of no use to the real one.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from strongroom.crypto.aes_gcm import OVERHEAD_BYTES
from strongroom.crypto.envelope import HEADER_BYTES, header
from strongroom.crypto.record import PREFIX as RECORD
from strongroom.crypto.srn1 import PREFIX as RUN
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunKeys

__all__ = ["PROGRAM", "STAND_INS"]

PROGRAM = (sys.executable, "-m", "bench.unsealed")
NONCE_BYTES = 12
FILL = bytes(OVERHEAD_BYTES - NONCE_BYTES)
MAC = bytes(32)


def _envelope(prefix: bytes, version: int, plaintext: bytes) -> bytes:
    return header(prefix, version) + bytes(NONCE_BYTES) + plaintext + FILL


def _content(blob: bytes) -> bytes:
    return blob[HEADER_BYTES + NONCE_BYTES : -len(FILL)]


STAND_INS: Final[Mapping[tuple[type, str], Callable[..., Any]]] = {  # Any: as what they stand for
    (RunKeys, "seal"): lambda _self, _place, plaintext, *, key_version: _envelope(RUN, key_version, plaintext),
    (RunKeys, "open"): lambda _self, _place, blob: _content(blob),
    (RecordKeys, "seal"): lambda self, _purpose, _place, plaintext, *, key_version=None: _envelope(
        RECORD, key_version or self.writing_version, plaintext
    ),
    (RecordKeys, "open"): lambda _self, _purpose, _place, blob: _content(blob),
    (RecordKeys, "mac"): lambda _self, _table, _columns, *, key_version: MAC,
    (RecordKeys, "check"): lambda _self, _table, _columns, *, key_version, mac: None,
}
"""What every door that a run goes through is replaced by. A test holds them to what the doors take."""


def main() -> object:
    """Take the keys out of the doors, then be the command line."""
    for (owner, name), stand_in in STAND_INS.items():
        setattr(owner, name, stand_in)
    from strongroom.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[arg-type]  # whatever the command line ends with
