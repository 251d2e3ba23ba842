"""A request of JSON-RPC 2.0 for ``workflows.execute``, checked. Source: capability-wire section 11.2."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom_http_trigger.limits import NAME_CHARS_MAX, REQUEST_ID_CHARS_MAX
from strongroom_http_trigger.refusal import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE, Refusal
from strongroom_http_trigger.spans import canonical, is_string, members, text_of

__all__ = ["Asked", "Selector", "asked", "request_id_of"]

METHOD: Final = "workflows.execute"
MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params"})
_REQUEST_ID: Final = re.compile(rf"[!-~]{{1,{REQUEST_ID_CHARS_MAX}}}")
_WORKFLOW_ID: Final = re.compile(r"(?:0x)?([0-9a-f]{64})", re.IGNORECASE)
_OWNER: Final = re.compile(r"(?:0x)?([0-9a-f]{40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which workflow: by its id, or else by owner, name and tag. Ids and owners are lower-case hex without 0x."""

    workflow_id: str = ""
    owner: str = ""
    name: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``input`` is the JSON of ``params.input`` as it was written. ``digests`` are what a token may name."""

    request_id: str
    workflow: Selector
    input: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    digests: frozenset[str] = field(repr=False)


def request_id_of(untrusted_body: bytes) -> str | None:
    """The id to put into an error, as far as the body has one."""
    try:
        return text_of(members(untrusted_body.decode())["id"])[:REQUEST_ID_CHARS_MAX]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def asked(untrusted_body: bytes) -> Asked:
    """The request in ``untrusted_body``. Raises ``Refusal``."""
    try:
        text = untrusted_body.decode()
        canonical_digest = hashlib.sha256(canonical(text)).hexdigest()
        found = members(text)
    except TypeError:
        raise _invalid("the body must be one object: batches are not taken") from None
    except (ValueError, RecursionError):
        raise Refusal(PARSE, 400, "parse", "the body is not JSON in UTF-8, or a name stands twice in it") from None
    if extra := found.keys() - MEMBERS:
        raise _invalid(f"a request has jsonrpc, id, method and params, and not {min(extra)[:50]!r}")
    if found.get("jsonrpc") != '"2.0"':
        raise _invalid('jsonrpc must be "2.0"')
    request_id = _text(found, "id", _invalid)
    if not _REQUEST_ID.fullmatch(request_id):
        raise _invalid(f"id must be a text of 1 to {REQUEST_ID_CHARS_MAX} visible ASCII characters")
    method = _text(found, "method", _invalid)
    if method != METHOD:
        raise Refusal(METHOD_NOT_FOUND, 404, "method_not_found", f"the only method is {METHOD}")
    params = _object(found, "params")
    if extra := params.keys() - {"workflow", "input"}:
        raise _wrong(f"params has workflow and input, and not {min(extra)[:50]!r}")
    digest = hashlib.sha256(untrusted_body)
    return Asked(
        request_id=request_id,
        workflow=_selector(_object(params, "workflow")),
        input=params.get("input", "null").encode(),
        digest=hashlib.sha256(canonical_digest.encode()).digest(),
        digests=frozenset({digest.hexdigest(), canonical_digest}),
    )


def _selector(found: Mapping[str, str]) -> Selector:
    if found.keys() == {"workflowID"}:
        match = _WORKFLOW_ID.fullmatch(_text(found, "workflowID", _wrong))
        if match is None:
            raise _wrong("workflow.workflowID must be 64 hex digits")
        return Selector(workflow_id=match[1].lower())
    if found.keys() - {"workflowTag"} != {"workflowOwner", "workflowName"}:
        raise _wrong("workflow must be {workflowID} or {workflowOwner, workflowName, workflowTag}")
    owner = _OWNER.fullmatch(_text(found, "workflowOwner", _wrong))
    if owner is None:
        raise _wrong("workflow.workflowOwner must be 40 hex digits")
    name = _text(found, "workflowName", _wrong)
    tag = _text(found, "workflowTag", _wrong) if "workflowTag" in found else ""
    if not 1 <= len(name) <= NAME_CHARS_MAX or len(tag) > NAME_CHARS_MAX:
        raise _wrong(f"workflow.workflowName and workflowTag have at most {NAME_CHARS_MAX} characters")
    return Selector(owner=owner[1].lower(), name=name, tag=tag)


def _text(found: Mapping[str, str], name: str, refuse: Callable[[str], Refusal]) -> str:
    value = found.get(name, "")
    if not is_string(value):
        raise refuse(f"{name} must be a text")
    text = text_of(value)
    if not text.isprintable():
        raise refuse(f"{name} holds characters that cannot be printed")
    return text


def _object(found: Mapping[str, str], name: str) -> Mapping[str, str]:
    try:
        return members(found.get(name, ""))
    except (TypeError, ValueError):
        raise _wrong(f"{name} must be an object") from None


def _invalid(message: str) -> Refusal:
    return Refusal(INVALID_REQUEST, 400, "invalid_request", message)


def _wrong(message: str) -> Refusal:
    return Refusal(INVALID_PARAMS, 400, "invalid_params", message)
