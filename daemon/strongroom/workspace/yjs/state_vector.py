"""State vectors: how far each client has been seen. They are the same in both encodings of updates."""

from collections.abc import Mapping

from strongroom.workspace.yjs import faults
from strongroom.workspace.yjs.lib0 import Reader, write_uint
from strongroom.workspace.yjs.limits import CLOCK_MAX, FRAME_LIMITS
from strongroom.workspace.yjs.structs import check_client

__all__ = ["decode_state_vector", "encode_state_vector"]


def decode_state_vector(state_vector: bytes, clients_max: int = FRAME_LIMITS.clients_max) -> dict[int, int]:
    """Client to clock: how many of its elements were seen. Raises SR-WS-030, 031, 034, 035, 040 and 045."""
    reader = Reader(state_vector)
    count = reader.uint()
    if count > clients_max:
        raise faults.too_many("clients", count, clients_max)
    seen: set[int] = set()
    clocks: dict[int, int] = {}
    for _ in range(count):
        client = check_client(reader.uint(), seen)
        clocks[client] = reader.uint()
        if clocks[client] > CLOCK_MAX:
            raise faults.out_of_range("clock", CLOCK_MAX)
    reader.finish("the state vector")
    return clocks


def encode_state_vector(clocks: Mapping[int, int]) -> bytes:
    """The bytes, with the highest client first as Yjs writes them."""
    out = bytearray()
    write_uint(out, len(clocks))
    for client in sorted(clocks, reverse=True):
        write_uint(out, client)
        write_uint(out, clocks[client])
    return bytes(out)
