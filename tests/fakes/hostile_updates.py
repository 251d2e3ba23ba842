"""Updates that no honest device writes, and that a library works on for as long as it is let."""

from strongroom.workspace.yjs.lib0 import write_text, write_uint


def claims_of_one_place(first, last):
    """Many clients that each put one item at the begin of an array."""
    out = bytearray()
    write_uint(out, last - first)
    for client in range(first, last):
        for number in (1, client, 0, 8, 1):
            write_uint(out, number)
        write_text(out, "kv")
        out += b"\x01\x7e"
    out.append(0)
    return bytes(out)
