"""Text frames of the dialect ``epicenter``: what a client says in JSON, and what it is answered.

Calls between devices (dispatch) are outside of what this relay does: a caller is told that the recipient is offline.
Source: contracts/workspace-encryption.md 12.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from strongroom.workspace.sync import faults
from strongroom.workspace.sync.limits import ACTIONS_BYTES_MAX, ACTIONS_MAX

__all__ = ["DispatchRequest", "Ignored", "Ping", "Published", "offline", "read_text_frame"]

_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ACTION_TYPES: Final = ("query", "mutation")
_ACTION_TEXTS: Final = ("title", "description")


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered ``pong``."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the device says that it can do, by action key."""

    actions: dict[str, Any]  # Any: JSON, passed on


@dataclass(frozen=True, slots=True)
class DispatchRequest:
    """A call of an action on another device. What it carries beside is not looked at."""

    id: str
    to: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame that is harmless and not answered."""


def read_text_frame(text: str) -> Ping | Published | DispatchRequest | Ignored:
    """What a text frame says. Raises ``InvalidInput`` for no JSON object, or an unknown type."""
    if text == "ping":
        return Ping()
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise faults.text_frame_refused("it is not JSON") from None
    match frame:
        case {"type": "presence_publish", "actions": dict(actions)}:
            return Published(actions) if _well_formed(actions, len(text)) else Ignored()
        case {"type": "dispatch_request", "id": str(id_), "to": str(to), "action": str()}:
            return DispatchRequest(id_, to)
        case {"type": "presence_publish" | "dispatch_request" | "dispatch_response"}:
            return Ignored()
        case {"type": str()}:
            raise faults.text_frame_refused("its type is unknown")
    raise faults.text_frame_refused("it is no object with a type")


def offline(request: DispatchRequest) -> dict[str, Any]:  # Any: JSON
    """The answer to a call whose recipient is not there."""
    error = {"name": "RecipientOffline", "to": request.to}
    return {"type": "dispatch_result", "id": request.id, "result": {"data": None, "error": error}}


def _well_formed(actions: dict[str, Any], size: int) -> bool:  # Any: JSON
    if size > ACTIONS_BYTES_MAX or len(actions) > ACTIONS_MAX:
        return False
    return all(_KEY.fullmatch(key) and _is_action(meta) for key, meta in actions.items())


def _is_action(meta: object) -> bool:
    if not isinstance(meta, dict) or meta.get("type") not in _ACTION_TYPES:
        return False
    return all(isinstance(meta.get(name, ""), str) for name in _ACTION_TEXTS)
