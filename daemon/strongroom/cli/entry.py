"""Where the program begins: an interrupt that comes while its parts are still read ends it without a traceback.

Nothing but the standard library is imported before ``try``. What comes after that, ``strongroom.cli.main`` answers for.
"""

import signal
import sys
from typing import Final, NoReturn

__all__ = ["main", "serve_main"]

# `Exit.INTERRUPTED`, which cannot be imported here.
INTERRUPTED: Final = 130


def main() -> NoReturn:
    """Entry point ``strongroom``."""
    if sys.argv[1:2] == ["serve"]:
        _stay_at_hangup()
    try:
        _silence_grpc()
        from strongroom.cli.main import main as program

        program()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def serve_main() -> NoReturn:
    """Entry point ``strongroomd``, which is ``strongroom serve``."""
    _stay_at_hangup()
    try:
        _silence_grpc()
        from strongroom.cli.main import serve_main as program

        program()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _silence_grpc() -> None:
    # The one door: nothing has imported grpc yet, which reads its environment only then.
    from strongroom.telemetry.grpc_lines import silence

    silence()


def _stay_at_hangup() -> None:
    # A reload that is asked for before anybody listens must not end a service, which a manager would take for its wish.
    signal.signal(signal.SIGHUP, _too_early)


def _too_early(number: int, frame: object) -> None:
    """What would be read again is read right after."""
    del number, frame
