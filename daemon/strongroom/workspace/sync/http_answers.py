"""What the relay says in HTTP: short texts for people who look, and bodies for one-shot sync."""

from typing import Final

from strongroom.errors import (
    Forbidden,
    InvalidInput,
    LimitExceeded,
    NotFound,
    StrongroomError,
    Unavailable,
)

__all__ = ["answer", "refusal", "status_of"]

REASONS: Final = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
# Faults whose class does not tell their status.
_BY_CODE: Final = {"SR-SYNC-012": 401, "SR-SYNC-015": 503, "SR-SYNC-016": 507}
_BY_CLASS: Final = (
    (NotFound, 404),
    (Forbidden, 403),
    (LimitExceeded, 413),
    (InvalidInput, 400),
    (Unavailable, 503),
)


def status_of(fault: StrongroomError) -> int:
    """The HTTP status that says what ``fault`` is."""
    known = _BY_CODE.get(fault.code)
    return known or next((status for kind, status in _BY_CLASS if isinstance(fault, kind)), 500)


def refusal(fault: StrongroomError) -> tuple[int, bytes]:
    """Status and text for a fault. Its words hold nothing that the asker sent."""
    return status_of(fault), f"{fault.code} {fault.what}\n".encode()


def answer(status: int, body: bytes, *, content_type: str = "text/plain; charset=utf-8") -> list[tuple[str, str]]:
    """The headers of an answer. Nothing of it may be kept or guessed at: it may be somebody's document."""
    headers = [
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if status != 204:
        headers += [("Content-Length", str(len(body))), ("Content-Type", content_type)]
    return headers
