"""The command line, of a host that does not wait a second, and two, and four before it starts a crashed plugin again.

It gives up after as many crashes as any host does; a test of what comes then need not wait for it.
"""

import sys
from functools import partial
from pathlib import Path

__all__ = ["PROGRAM", "VARIABLES"]

PROGRAM = (sys.executable, "-m", "tests.fakes.impatient_host")
VARIABLES = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
BACKOFF_S = 0.05


def main():
    """``strongroom``, with other times."""
    from strongroom.registry import host

    host.Supervision = partial(host.Supervision, backoff_min_s=BACKOFF_S, backoff_max_s=BACKOFF_S)
    from strongroom.cli.entry import main as command_line

    command_line()


if __name__ == "__main__":
    main()
