"""Awareness of a room: cursors, names and the like, held while their connections are, never stored.

Rule 1: a newer clock wins; of equal ones, leaving wins. That is what every client does, so all see the same.
Rule 2: what a connection brought leaves with it.
Rule 3: the sender hears its own news too: y-websocket takes a relay that says nothing for 30 s for dead.

Source: y-protocols, awareness.
"""

from dataclasses import dataclass

from strongroom.workspace.sync import faults
from strongroom.workspace.sync.limits import AWARENESS_BYTES_MAX, AWARENESS_CLIENTS_MAX
from strongroom.workspace.yjs.awareness import GONE, AwarenessState, decode_awareness, encode_awareness

__all__ = ["RoomAwareness"]


@dataclass(slots=True)
class _Entry:
    clock: int
    state: str
    owner: object


class RoomAwareness:
    """What is said in one room now."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def take(self, owner: object, update: bytes) -> bytes | None:
        """Take in what a connection says; what is to be told to everybody, if it is news.

        Raises ``InvalidInput`` for what is malformed, ``LimitExceeded`` for too much of it.
        """
        if len(update) > AWARENESS_BYTES_MAX:
            raise faults.awareness_too_much("bytes", len(update), AWARENESS_BYTES_MAX)
        news = []
        for said in decode_awareness(update):
            known = self._entries.get(said.client)
            if known and (said.clock < known.clock or (said.clock == known.clock and not _leaves(said, known))):
                continue
            if not said.gone:
                self._check(owner, said)
                self._entries[said.client] = _Entry(said.clock, said.state, owner)
            elif known is not None:
                del self._entries[said.client]
            news.append(said)
        return encode_awareness(news) if news else None

    def everything(self) -> bytes | None:
        """What a newcomer must know."""
        known = [AwarenessState(client, entry.clock, entry.state) for client, entry in self._entries.items()]
        return encode_awareness(known) if known else None

    def left(self, owner: object) -> bytes | None:
        """Forget what a connection brought; what is to be told to the others."""
        gone = {client: entry for client, entry in self._entries.items() if entry.owner is owner}
        for client in gone:
            del self._entries[client]
        news = [AwarenessState(client, entry.clock + 1, GONE) for client, entry in gone.items()]
        return encode_awareness(news) if news else None

    def _check(self, owner: object, said: AwarenessState) -> None:
        mine = sum(1 for client, entry in self._entries.items() if entry.owner is owner and client != said.client)
        if mine >= AWARENESS_CLIENTS_MAX:
            raise faults.awareness_too_much("clients", mine + 1, AWARENESS_CLIENTS_MAX)


def _leaves(said: AwarenessState, known: _Entry) -> bool:
    return said.gone and known.state != GONE
