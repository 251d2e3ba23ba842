"""What a hook may be given, from inside and from outside."""

from typing import Final

from strongroom.engine.hook_rows import HOOK_PREFIX
from strongroom.engine.limits import EngineLimits
from strongroom.errors import InvalidInput, LimitExceeded

__all__ = ["check_metadata", "check_payload", "check_request_id", "check_token"]

TOKEN_CHARS_MAX: Final = 256
"""Long enough for any id of another system; it is sealed, and looked up by its digest."""
REQUEST_ID_CHARS_MAX: Final = 128
"""The same for what a payload that is sent again is known by."""


def check_token(untrusted_token: str, *, may_be_empty: bool = False) -> None:
    """Raises ``InvalidInput`` for what cannot be a token."""
    if not untrusted_token and may_be_empty:
        return
    if not 1 <= len(untrusted_token) <= TOKEN_CHARS_MAX or not untrusted_token.isprintable():
        raise InvalidInput(
            "SR-HOOK-011",
            "the token of the hook cannot be one",
            why=f"it has {len(untrusted_token)} characters; 1 to {TOKEN_CHARS_MAX} are allowed, all of them printable",
            fix="leave it out to get a random one, or use an id of the other system, or its hash",
            field="token",
        )
    if untrusted_token.startswith(HOOK_PREFIX):
        raise InvalidInput(
            "SR-HOOK-012",
            f"the token of the hook begins with {HOOK_PREFIX}",
            why="ids of hooks begin so, and nobody could tell them apart",
            fix="choose another token",
            field="token",
        )


def check_metadata(metadata: bytes, limits: EngineLimits) -> None:
    """Raises ``LimitExceeded`` for too much."""
    if len(metadata) > limits.hook_metadata_bytes_max:
        raise LimitExceeded(
            "SR-HOOK-013",
            f"the metadata of the hook are {len(metadata)} bytes, more than {limits.hook_metadata_bytes_max}",
            fix="keep a reference to large data instead",
            size=len(metadata),
            limit=limits.hook_metadata_bytes_max,
            setting="limits.hook_metadata_bytes_max",
        )


def check_payload(payload: bytes, limits: EngineLimits) -> None:
    """Raises ``LimitExceeded`` for too much."""
    if len(payload) > limits.hook_payload_bytes_max:
        raise LimitExceeded(
            "SR-HOOK-014",
            f"the payload for the hook is {len(payload)} bytes, more than {limits.hook_payload_bytes_max}",
            fix="send a reference to large data instead",
            size=len(payload),
            limit=limits.hook_payload_bytes_max,
            setting="limits.hook_payload_bytes_max",
        )


def check_request_id(untrusted_id: str) -> None:
    """Raises ``InvalidInput`` for what cannot be one; none at all is one."""
    if len(untrusted_id) > REQUEST_ID_CHARS_MAX or not untrusted_id.isprintable():
        raise InvalidInput(
            "SR-HOOK-015",
            "the request id cannot be one",
            why=f"it has {len(untrusted_id)} characters; up to {REQUEST_ID_CHARS_MAX} are allowed, all printable",
            fix="use a random id, or a hash of the event",
            field="request_id",
        )
