"""The three standard streams, which whoever starts the program may have closed or filled up."""

import os
import sys
from typing import Final, TextIO

__all__ = ["dropped", "open_standard_streams"]

# What is missing is stood in for: stdin is empty and stderr is not heard, but data for a stdout that is not there must
# be an error, so that one is opened the wrong way round.
STANDARD: Final = ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))


def open_standard_streams() -> None:
    """Put something in the place of each stream that is closed.

    Otherwise the next file that is opened, such as the database, would become stdout, and Python has None there.
    """
    for number, flags in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out, and all below this one are taken.
            os.open(os.devnull, flags)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it lives as long as the program
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as above


def dropped(stream: TextIO) -> bool:
    """Whether ``stream`` takes nothing any more. What waits in its buffer is then dropped.

    Python would try once more at its end, complain, and end with a code of its own.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return True
    return False
