"""What can be wrong with Yjs bytes from outside, one function for each case. Nothing here shows payload.

``where`` names a part of the format in words, such as "a struct", and never comes from the input.
"""

from strongroom.errors import Forbidden, InvalidInput, LimitExceeded

__all__ = [
    "bad_json",
    "bad_text",
    "body_malformed",
    "child_document",
    "gap_left_behind",
    "length_wrong",
    "not_canonical",
    "not_v2",
    "not_values",
    "out_of_range",
    "presence_malformed",
    "too_large",
    "too_many",
    "too_much_waits",
    "trailing",
    "truncated",
    "unknown_kind",
    "v2_for_v1",
    "value_unsuited",
]

_FIX = "apply what the peer sends as it came; if it comes from a file, restore that from a backup"


def truncated(where: str) -> InvalidInput:
    """The bytes end too early."""
    return InvalidInput("SR-WS-030", f"the Yjs bytes end within {where}", fix=_FIX, field=where)


def trailing(where: str, size: int) -> InvalidInput:
    """``size`` bytes stand behind the end."""
    return InvalidInput("SR-WS-031", f"{size} bytes stand behind the end of {where}", fix=_FIX, field=where, size=size)


def v2_for_v1() -> InvalidInput:
    """An update in the other encoding. Libraries for V1 accept such bytes and change nothing, silently."""
    return InvalidInput(
        "SR-WS-032",
        "the update is in encoding V2 where V1 is expected",
        why="the peer speaks the dialect of the subprotocol `epicenter`, or its library was told to write V2",
        fix="convert it, or have the peer use the dialect that it announced",
        field="update",
    )


def too_large(where: str, size: int, limit: int) -> LimitExceeded:
    """More bytes than may come at once."""
    return LimitExceeded(
        "SR-WS-033",
        f"{where} has {size} bytes, more than {limit}",
        fix="send the change in several parts",
        size=size,
        limit=limit,
        setting=where,
    )


def too_many(what: str, size: int, limit: int) -> LimitExceeded:
    """More of one thing than one update may hold. ``size`` is what was announced or counted so far."""
    return LimitExceeded(
        "SR-WS-034",
        f"one update holds {size} {what}, more than {limit}",
        fix="send the change in several parts",
        size=size,
        limit=limit,
        setting=what,
    )


def out_of_range(what: str, limit: int) -> InvalidInput:
    """A number that no Yjs library counts to."""
    return InvalidInput("SR-WS-035", f"the {what} is above {limit}", fix=_FIX, field=what, limit=limit)


def unknown_kind(what: str, number: int) -> InvalidInput:
    """A number that stands for nothing."""
    return InvalidInput("SR-WS-036", f"{number} is no {what}", fix=_FIX, field=what, number=number)


def bad_text(where: str) -> InvalidInput:
    """Text that is not UTF-8. Libraries take it on trust, so it must not reach them."""
    return InvalidInput("SR-WS-037", f"the text of {where} is not UTF-8", fix=_FIX, field=where)


def bad_json() -> InvalidInput:
    """A value that should be JSON text and is not, or is nested too deeply for any library."""
    return InvalidInput("SR-WS-038", "a value in the update is not JSON that can be read", fix=_FIX, field="JSON")


def child_document() -> Forbidden:
    """A document within the document: its updates would travel and rest outside of what strongroom seals."""
    return Forbidden(
        "SR-WS-039",
        "the update holds a child document",
        why="what is written into it would be stored and sent unsealed",
        fix="keep the text in a table as a value, or in a workspace of its own",
    )


def too_much_waits(what: str, size: int, limit: int) -> LimitExceeded:
    """More updates, or bytes of them, that came before what they build upon."""
    return LimitExceeded(
        "SR-WS-047",
        f"{size} {what} wait for updates that are not there, more than {limit}",
        fix="sync anew: the answer to a state vector holds all of it in order",
        size=size,
        limit=limit,
        setting=what,
    )


def not_values() -> Forbidden:
    """A text, XML or a shared type within another, where a document holds values only."""
    return Forbidden(
        "SR-WS-046",
        "the update holds a text or a nested shared type",
        why="the document holds tables and keys; anything else in it would be stored and sent unsealed",
        fix="write the text as a value of a row",
    )


def gap_left_behind() -> Forbidden:
    """The place of something whose parent was deleted (GC), where a document has nothing within another."""
    return Forbidden(
        "SR-WS-048",
        "the update holds the place of something that was inside a deleted text or shared type",
        why="the document holds tables and keys only; what a peer hangs behind such a place would be shown now and be"
        " gone after the next start",
        fix="write the values anew in a document that never held texts or nested types",
    )


def length_wrong(what: str) -> InvalidInput:
    """Something without length, or standing twice, that no library writes and some stumble over."""
    return InvalidInput("SR-WS-040", f"malformed Yjs bytes: {what}", fix=_FIX, field="update")


def not_v2(why: str) -> InvalidInput:
    """Bytes that should be V2 and cannot be."""
    return InvalidInput("SR-WS-041", "the update is not in encoding V2", why=why, fix=_FIX, field="update")


def value_unsuited(why: str) -> InvalidInput:
    """A value that the format cannot carry."""
    return InvalidInput(
        "SR-WS-042",
        "a value cannot be written into a Yjs document",
        why=why,
        fix="give JSON values or bytes; write larger whole numbers as text",
        field="value",
    )


def body_malformed(why: str) -> InvalidInput:
    """The body of an HTTP sync request that holds something else."""
    return InvalidInput(
        "SR-WS-043",
        "the body of the sync request is malformed",
        why=why,
        fix="send a length-prefixed state vector, then a length-prefixed update, which may be empty",
        field="body",
    )


def presence_malformed(why: str) -> InvalidInput:
    """An awareness update that cannot be read."""
    return InvalidInput(
        "SR-WS-044",
        "the awareness update is malformed",
        why=why,
        fix="send what the awareness protocol of Yjs writes",
        field="awareness",
    )


def not_canonical() -> InvalidInput:
    """A number in more bytes than it needs: two spellings of one update would have two hashes."""
    return InvalidInput("SR-WS-045", "a number is written longer than it needs to be", fix=_FIX, field="varint")
