"""``strongroom hook``: how somebody outside answers a run that waits.

A token is as good as a key: whoever has it answers the run. So it may come on stdin, where no list of processes and no
history of a shell shows it.
"""

import json
import re
from typing import Annotated, Any, Final

import typer
from ulid import ULID

from strongroom.cli import views
from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.run_calls import Decrypt, Run, Why, opening_reason
from strongroom.cli.run_streams import sent
from strongroom.cli.verbs import group, verb
from strongroom.pb.strongroom.v1 import hook_pb2
from strongroom.pb.strongroom.v1.hook_pb2_grpc import HookServiceStub
from strongroom.telemetry.redaction import printable

__all__ = ["app"]

PAGE_SIZE: Final = 500
TOKEN_BYTES_MAX: Final = 4_096
"""More than 256 characters take."""
STATES: Final[dict[int, str]] = {
    hook_pb2.HOOK_STATUS_OPEN: "open",
    hook_pb2.HOOK_STATUS_DISPOSED: "disposed",
    hook_pb2.HOOK_STATUS_ENDED: "ended",
    hook_pb2.HOOK_STATUS_TAMPERED: "TAMPERED",
}
HOOK_ID: Final = re.compile(r"hook_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)

_Hook = Annotated[str, typer.Argument(help="Token or id of the hook; - reads it from stdin.", metavar="HOOK")]
_Payload = Annotated[str, typer.Argument(help="What the run gets: JSON, @file, or - for stdin.", metavar="JSON")]
_RequestId = Annotated[
    str,
    typer.Option("--request-id", help="Id of this payload; the same one again leaves nothing twice.", metavar="ID"),
]

app = group("Answer runs that wait for somebody outside.")


@verb(app, "list", example="strongroom hook list wrun_01JD3M5V8N6QK2E4T7XW9YB0CF")
def list_hooks(caller: Caller, run: Run) -> None:
    """List the hooks of a run: how each stands, and how many payloads came and were not taken yet."""
    found: list[hook_pb2.Hook] = []
    request = hook_pb2.HookServiceListRequest(run_id=run, page_size=PAGE_SIZE)
    with connect(caller) as host:
        while True:
            page = host.call(_stub(host).List, request)
            found += page.hooks
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
    caller.emit_table(
        "hooks",
        {"run_id": run, "hooks": [_document(each) for each in found]},
        ["HOOK", "STATE", "RECEIVED", "UNREAD", "CREATED"],
        [
            [each.hook_id, _state(each), each.received, each.unread, views.optional_time(each, "create_time") or ""]
            for each in found
        ],
        nothing="it has made no hooks",
    )


@verb(app, "get", example="strongroom hook get order-4711")
def get(caller: Caller, hook: _Hook, decrypt: Decrypt = False, reason: Why = "") -> None:
    """Show how a hook stands. Its token and metadata stay sealed unless --decrypt and a reason are given."""
    why = opening_reason(decrypt=decrypt, reason=reason)
    request = hook_pb2.HookServiceGetRequest(hook=_named(caller, hook), reason=why)
    with connect(caller) as host:
        answer = host.call(_stub(host).Get, request)
    opened: dict[str, Any] = {}  # Any: JSON
    if why:
        opened = {"token": answer.token, "metadata": _content(answer.metadata)}
    shown = [*_facts(answer.hook)]
    if why:
        shown += [("token", printable(answer.token)), ("metadata", _shown(answer.metadata))]
    else:
        shown.append(("sealed", views.sealed(answer.hook.sealed)))
    caller.emit("hook", _document(answer.hook) | opened, facts(shown))


@verb(app, "resume", example="""strongroom hook resume order-4711 '{"paid": true}'""")
def resume(caller: Caller, hook: _Hook, payload: _Payload, request_id: _RequestId = "") -> None:
    """Leave a payload for the run that made the hook. It is on the disk of the host when this ends well.

    The workflow gets the text byte for byte: it is checked to be JSON, and not changed. A run that waits goes on; one
    that does not wait yet finds it when it does. When the host is ended meanwhile, it is waited for; what was left
    already is not left twice, nor is it where the command is repeated with the same --request-id.
    """
    name = _named(caller, hook)
    data = caller.read_json("JSON", payload)
    request = hook_pb2.ResumeRequest(hook=name, payload=data, request_id=request_id or f"cli-{ULID()}")
    with connect(caller) as host:
        answer = sent(caller, host, _stub(host).Resume, request)
    document = {
        "hook_id": answer.hook_id,
        "run_id": answer.run_id,
        "number": answer.number,
        "created": answer.created,
        "request_id": request.request_id,
    }
    caller.emit("hook-payload", document, facts(list(document.items())))
    if not answer.created:
        caller.note("it was left before; nothing was left twice")


@verb(app, "dispose", example="strongroom hook dispose order-4711")
def dispose(caller: Caller, hook: _Hook) -> None:
    """Take a hook away. Its token is free again, and a run that waits for it gets an error.

    Payloads that were left before can still be taken by the run.
    """
    request = hook_pb2.DisposeRequest(hook=_named(caller, hook))
    with connect(caller) as host:
        answer = host.call(_stub(host).Dispose, request)
    caller.emit("hook", _document(answer.hook), facts(_facts(answer.hook)))


def _stub(host: Host) -> HookServiceStub:
    return host.stub(HookServiceStub)


def _named(caller: Caller, hook: str) -> hook_pb2.HookName:
    if hook == "-":
        raw = caller.read_stdin("HOOK", bytes_max=TOKEN_BYTES_MAX)
        try:
            hook = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            hook = ""
    if not hook:
        raise bad_data(
            "SR-CLI-198",
            "HOOK is empty, or is no text",
            fix="name the hook by its token or its id, or write it to stdin",
            exit_code=Exit.USAGE,
        )
    return hook_pb2.HookName(hook_id=hook) if HOOK_ID.fullmatch(hook) else hook_pb2.HookName(token=hook)


def _state(hook: hook_pb2.Hook) -> str:
    return STATES.get(hook.status, str(hook.status))


def _document(hook: hook_pb2.Hook) -> dict[str, Any]:  # Any: JSON
    return {
        "hook_id": hook.hook_id,
        "run_id": hook.run_id,
        "status": _state(hook).lower(),
        "create_time": views.optional_time(hook, "create_time"),
        "dispose_time": views.optional_time(hook, "dispose_time"),
        "received": hook.received,
        "unread": hook.unread,
        "content": views.sealed(hook.sealed),
    }


def _facts(hook: hook_pb2.Hook) -> list[tuple[str, object]]:
    return [
        ("hook", hook.hook_id),
        ("run", hook.run_id),
        ("state", _state(hook)),
        ("created", views.optional_time(hook, "create_time") or ""),
        ("disposed", views.optional_time(hook, "dispose_time") or ""),
        ("received", hook.received),
        ("unread", hook.unread),
    ]


def _content(data: bytes) -> Any:  # Any: JSON
    """Metadata as what they are: JSON, text, or bytes as hexadecimal digits."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"hex": data.hex()}
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _shown(data: bytes) -> str:
    content = _content(data)
    return printable(content) if isinstance(content, str) else json.dumps(content)
