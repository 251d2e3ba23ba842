"""The command line of strongroom with sealing switched off, for one purpose: to measure what it costs.

The shipped program has no such switch. Here envelopes hold plaintext and MACs are constant, so a state directory that
this program wrote is of no use to the real one.
"""

import sys

from strongroom.crypto.aes_gcm import OVERHEAD_BYTES
from strongroom.crypto.envelope import HEADER_BYTES, header
from strongroom.crypto.record import PREFIX as RECORD
from strongroom.crypto.srn1 import PREFIX as RUN
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunKeys

__all__ = ["PROGRAM"]

PROGRAM = (sys.executable, "-m", "bench.unsealed")
NONCE_BYTES = 12
FILL = bytes(OVERHEAD_BYTES - NONCE_BYTES)
MAC = bytes(32)


def _envelope(prefix: bytes, version: int, plaintext: bytes) -> bytes:
    return header(prefix, version) + bytes(NONCE_BYTES) + plaintext + FILL


def _content(blob: bytes) -> bytes:
    return blob[HEADER_BYTES + NONCE_BYTES : -len(FILL)]


def main() -> object:
    """Take the keys out of every door that a run goes through, then be the command line."""
    RunKeys.seal = lambda _self, _place, plaintext, *, key_version: _envelope(RUN, key_version, plaintext)  # type: ignore[assignment,method-assign]  # this is the purpose
    RunKeys.open = lambda _self, _place, blob: _content(blob)  # type: ignore[assignment,method-assign]  # the same
    RecordKeys.seal = lambda self, _purpose, _place, plaintext: _envelope(RECORD, self.writing_version, plaintext)  # type: ignore[assignment,method-assign]  # the same
    RecordKeys.open = lambda _self, _purpose, _place, blob: _content(blob)  # type: ignore[assignment,method-assign]  # the same
    RecordKeys.mac = lambda _self, _table, _columns, *, key_version: MAC  # type: ignore[assignment,method-assign]  # the same
    RecordKeys.check = lambda _self, _table, _columns, *, key_version, mac: None  # type: ignore[assignment,method-assign]  # the same
    from strongroom.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[arg-type]  # whatever the command line ends with
