"""``Breadth``: how many arrays and authors a document may come to have, over all of its updates.

A device that joins gets all of a document in one update, and takes one with so many of them only. A room that had more
could be joined by nobody any more.
"""

from strongroom.workspace.document import Document
from strongroom.workspace.sync import faults
from strongroom.workspace.yjs.limits import FRAME_LIMITS
from strongroom.workspace.yjs.state_vector import decode_state_vector
from strongroom.workspace.yjs.untrusted import Touched

__all__ = ["Breadth"]


class Breadth:
    """The names and authors of one document. Used by one thread at a time."""

    def __init__(self, document: Document) -> None:
        """Count what the document has."""
        self._names = set(document.array_names())
        self._clients = set(decode_state_vector(document.state_vector()))

    def admit(self, touched: Touched) -> None:
        """Raise ``LimitExceeded`` for an update that would make them too many."""
        names, clients = touched.names - self._names, touched.clients - self._clients
        if names and len(self._names) + len(names) > FRAME_LIMITS.names_max:
            raise faults.too_broad("arrays", FRAME_LIMITS.names_max)
        if clients and len(self._clients) + len(clients) > FRAME_LIMITS.clients_max:
            raise faults.too_broad("authors", FRAME_LIMITS.clients_max)
        self._names |= names
        self._clients |= clients
