"""Where the program begins: an interrupt that comes while its parts are still read ends it without a traceback.

Nothing but the standard library is imported before ``try``. What comes after that, ``strongroom.cli.main`` answers for.
"""

import sys
from typing import Final, NoReturn

__all__ = ["main", "serve_main"]

# `Exit.INTERRUPTED`, which cannot be imported here.
INTERRUPTED: Final = 130


def main() -> NoReturn:
    """Entry point ``strongroom``."""
    try:
        from strongroom.cli.main import main as program

        program()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def serve_main() -> NoReturn:
    """Entry point ``strongroomd``, which is ``strongroom serve``."""
    try:
        from strongroom.cli.main import serve_main as program

        program()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
