"""Awareness updates: who is there and what they say of themselves, as y-protocols writes it. Nothing of it is stored.

update = varuint number of clients, then for each: client, clock, state as JSON text; the text ``null`` says "gone".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.errors import Refused
from strongroom.workspace.yjs import faults, json_text
from strongroom.workspace.yjs.lib0 import Reader, write_text, write_uint
from strongroom.workspace.yjs.limits import CLIENT_MAX
from strongroom.workspace.yjs.values import Value

__all__ = ["GONE", "AwarenessState", "decode_awareness", "encode_awareness"]

GONE: Final = "null"
"""The state of a client that has left."""
AWARENESS_BYTES_MAX: Final = 256 * 1024
"""One update: names, colours and cursors of a room. A relay may set a lower limit."""
AWARENESS_CLIENTS_MAX: Final = 1_024
"""Clients in one update: those of one full room."""


@dataclass(frozen=True, slots=True)
class AwarenessState:
    """What one client says. Of two, the one with the higher clock counts."""

    client: int
    clock: int
    state: str = field(repr=False)
    """JSON text, as it came."""

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self.state == GONE

    def value(self) -> Value:
        """The state itself; None when the client has left. Raises SR-WS-038."""
        return json_text.parse(self.state)


def decode_awareness(update: bytes) -> tuple[AwarenessState, ...]:
    """What the clients say; every state can be parsed.

    Raises SR-WS-033 and SR-WS-034 for too much of it, SR-WS-044 for all else.
    """
    if len(update) > AWARENESS_BYTES_MAX:
        raise faults.too_large("an awareness update", len(update), AWARENESS_BYTES_MAX)
    reader = Reader(update)
    try:
        count = reader.uint()
        if count <= AWARENESS_CLIENTS_MAX:
            states = tuple([_state(reader) for _ in range(count)])
            reader.finish("the awareness update")
            return states
    except Refused as fault:
        raise faults.presence_malformed(fault.what) from None
    raise faults.too_many("clients", count, AWARENESS_CLIENTS_MAX)


def _state(reader: Reader) -> AwarenessState:
    client, clock = reader.uint(), reader.uint()
    if client > CLIENT_MAX:
        raise faults.out_of_range("client", CLIENT_MAX)
    state = AwarenessState(client, clock, reader.text("an awareness state"))
    # Browsers parse it without a guard: one state that is no JSON would break every page that hears it.
    state.value()
    return state


def encode_awareness(states: Sequence[AwarenessState]) -> bytes:
    """The update that says ``states``."""
    out = bytearray()
    write_uint(out, len(states))
    for said in states:
        write_uint(out, said.client)
        write_uint(out, said.clock)
        write_text(out, said.state)
    return bytes(out)
