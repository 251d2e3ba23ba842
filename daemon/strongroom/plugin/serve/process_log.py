"""Log lines of a plugin process: one JSON object per line on stderr, as the host reads them (section 15)."""

import json
import logging
import sys
import time
from typing import Final

__all__ = ["configure_process_log"]

# Longer lines would reach the host in pieces that are no JSON any more.
MESSAGE_CHARS_MAX: Final = 16_000
LEVELS: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "error",
}


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        message = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            message += f" ({record.exc_info[0].__name__})"
        return json.dumps(
            {
                "@level": LEVELS.get(record.levelno, "info"),
                "@message": message[:MESSAGE_CHARS_MAX],
                "@timestamp": f"{at}.{int(record.msecs):03d}Z",
                "@module": record.name,
            }
        )


def configure_process_log() -> None:
    """Send the log of this process to stderr. The host decides what of it is shown."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    logging.getLogger("grpc").setLevel(logging.WARNING)
