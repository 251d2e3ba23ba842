"""How a request is refused: an error of JSON-RPC, with the HTTP status that fits and a word for programs."""

from strongroom_http_trigger.limits import TOKEN_LIFE_S_MAX

__all__ = [
    "INTERNAL",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "OVERLOADED",
    "PARSE",
    "SERVER",
    "Refusal",
    "asleep",
    "conflict",
    "internal",
    "not_confirmed",
    "not_here",
    "overloaded",
    "unauthenticated",
    "unavailable",
]

PARSE = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
SERVER = -32000
OVERLOADED = -32001


class Refusal(Exception):
    """``status`` is that of HTTP; ``retry_after_s`` 0 means that repeating does not help."""

    def __init__(self, code: int, status: int, reason: str, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


def unauthenticated(message: str) -> Refusal:
    """What is wrong with the token alone, whatever it is for."""
    return Refusal(SERVER, 401, "unauthenticated", f"token: {message}")


def not_here() -> Refusal:
    """One answer for all that only an authorized caller may tell apart."""
    return Refusal(
        SERVER,
        401,
        "unauthenticated",
        "the workflow does not listen here, or the token is not signed by one of its keys",
    )


def asleep() -> Refusal:
    """The workflow is known and takes nothing now; told to its own callers only."""
    message = "the workflow takes no requests now: its host starts, or it is paused"
    return Refusal(SERVER, 503, "not_listening", message, retry_after_s=5)


def conflict() -> Refusal:
    """The id was used."""
    message = "this id was used with another request: give every request an id of its own"
    return Refusal(SERVER, 409, "conflict", message)


def not_confirmed() -> Refusal:
    """The event is kept and will be delivered; nobody can say yet that it was accepted."""
    message = (
        "the request is not accepted yet: repeat the same request with the same id, which starts no second run"
        f" (a token lives {TOKEN_LIFE_S_MAX} s at most)"
    )
    return Refusal(SERVER, 503, "not_confirmed", message, retry_after_s=1)


def unavailable() -> Refusal:
    """The host cannot keep anything now."""
    message = "the host does not answer now: repeat the same request"
    return Refusal(INTERNAL, 503, "unavailable", message, retry_after_s=1)


def overloaded(message: str, retry_after_s: int) -> Refusal:
    """Too many or too often."""
    return Refusal(OVERLOADED, 429, "overloaded", message, retry_after_s=max(1, retry_after_s))


def internal(message: str) -> Refusal:
    """Our fault."""
    return Refusal(INTERNAL, 500, "internal", message)
