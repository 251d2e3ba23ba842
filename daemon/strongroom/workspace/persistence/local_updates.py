"""Hearing only of what was written here: not of what a peer sent, and not of what came back from a log.

Whoever applies what was written elsewhere gives an origin of the class ``Elsewhere``.
"""

import logging
from collections.abc import Callable
from typing import Final

from strongroom.workspace.document import Document

__all__ = ["Elsewhere", "on_local_update"]

_log: Final = logging.getLogger("strongroom.workspace")


class Elsewhere:
    """The origin of updates that were not made here. ``source`` says in a word where they come from."""

    __slots__ = ("source",)

    def __init__(self, source: str) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"Elsewhere({self.source!r})"


def on_local_update(document: Document, callback: Callable[[bytes], None]) -> Callable[[], None]:
    """Call ``callback(update_v1)`` for each update that was made here; returns what ends that.

    What the callback raises is logged by its kind and reaches neither the writer nor other callbacks.
    """

    def heard(update_v1: bytes, origin: object) -> None:
        if isinstance(origin, Elsewhere):
            return
        try:
            callback(update_v1)
        except Exception as fault:
            _log.error("a callback failed", extra={"guid": document.guid, "fault": type(fault).__name__})

    return document.on_update(heard)
