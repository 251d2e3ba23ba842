"""Which calls are recorded, and as what: the one table of it. Services know nothing of it.

A deed that cannot be undone is recorded before it is done, and again with how it ended; every other one with how it
ended, before its caller hears of it. What only looks, checks or counts is not recorded, but for contents that are
opened (``reasons``). Starts of runs and releases of secrets are recorded by the engine, whoever asked for them.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.message import DecodeError

from strongroom.errors import StrongroomError
from strongroom.pb.vault import vault_pb2
from strongroom.registry.ids import parse_id
from strongroom.services.capability_requests import request_of

__all__ = ["AUDITED", "NOT_AUDITED", "Deed", "Facts", "deeds_of"]

Facts: TypeAlias = Mapping[str, str | int]
Names: TypeAlias = Callable[[Any], str]  # Any: the request, a message


def _no_facts(_message: Any) -> Facts:  # Any: as above
    return {}


@dataclass(frozen=True, slots=True)
class Deed:
    """One kind of deed. ``subject`` and ``facts`` read the request, ``result`` the answer, where there is one."""

    action: str | Names
    subject: Names
    facts: Callable[[Any], Facts] = _no_facts
    result: Callable[[Any], Facts] = _no_facts
    owner: Names = lambda request: str(getattr(request, "owner", ""))
    only_if: Callable[[Any], bool] = lambda _request: True
    before: bool = False


def _name(request: Any) -> str:  # Any: as above
    return str(request.name)


def _workflow(request: Any) -> str:  # Any: as above
    return str(request.workflow)


def _run_id(request: Any) -> str:  # Any: as above
    return str(request.run_id)


def _project(request: Any) -> str:  # Any: as above
    return str(request.project_dir)


def _version(request: Any) -> str:  # Any: as above
    return str(request.version)


def _keyring(_request: Any) -> str:  # Any: as above
    return "keyring"


def _session(_request: Any) -> str:  # Any: as above
    return "session"


def _became(plugin: Any) -> str:  # Any: as above
    return f"not {plugin.change}" if plugin.refused else str(plugin.change)


def _replaced(answer: Any) -> Facts:  # Any: as above
    refused = {"refused": answer.plugin.refused} if answer.plugin.refused else {}
    return {"state": answer.plugin.state or "gone", **refused}


def _is_meant(request: Any) -> bool:  # Any: as above
    return not request.validate_only


_SECRETS: Final = {
    "vault.secrets.create": "secret.set",
    "vault.secrets.update": "secret.set",
    "vault.secrets.delete": "secret.delete",
    "vault.secrets.list": "secret.list",
}


_NAMING: Final[Mapping[str, Any]] = {  # Any: classes of messages
    "vault.secrets.create": vault_pb2.CreateSecretsRequest,
    "vault.secrets.update": vault_pb2.UpdateSecretsRequest,
    "vault.secrets.delete": vault_pb2.DeleteSecretsRequest,
}


def _call_action(request: Any) -> str:  # Any: as above
    return _SECRETS.get(request.method, "capability.call")


def _call_facts(request: Any) -> Facts:  # Any: as above
    """The method, and the names of the secrets that it is about; of the values nothing."""
    asked = _NAMING.get(request.method)
    names: list[str] = []
    # What cannot be read names nothing, and is refused by whoever is asked for it.
    with suppress(StrongroomError, DecodeError):
        if asked is not None:
            by_hand = not request.HasField("message")
            packed = request_of(request.capability_id, request.method, request.json) if by_hand else request.message
            message = asked.FromString(packed.value)
            named = message.ids if asked is vault_pb2.DeleteSecretsRequest else message.encrypted_secrets
            names = [_secret(getattr(each, "id", each)) for each in named]
    return {"method": request.method, "secret_names": ", ".join(names)}


def _secret(name: vault_pb2.SecretIdentifier) -> str:
    return f"{name.namespace or 'main'}/{name.key}"


def _is_of_the_system(request: Any) -> bool:
    """Capabilities that workflows use as well tell nobody's secrets; the vault is the host's own."""
    return parse_id(request.capability_id).name == "vault"


def _world_types(request: Any) -> set[str]:
    """Of the events that a program appends to a run which it executes itself."""
    return {each.event_type for each in (request.events if hasattr(request, "events") else [request.event])}


_WORLD_EVENT: Final = Deed(
    "run.cancel",
    _run_id,
    lambda _request: {"module": "external"},
    only_if=lambda request: "run_cancelled" in _world_types(request),
)
_DEEDS: Final[Mapping[str, Mapping[str, Deed]]] = {
    "BackupService": {
        "Create": Deed("backup.create", lambda request: request.path or "stream", before=True),
        "Confirm": Deed(
            "backup.kept", lambda request: str(request.backup_id), lambda request: {"path": str(request.path)}
        ),
    },
    "WorkflowService": {
        "Register": Deed(
            "workflow.register",
            _name,
            only_if=_is_meant,
            result=lambda answer: {
                "workflow_id": answer.workflow.workflow_id,
                "module": answer.workflow.module,
                "created": str(answer.created).lower(),
            },
        ),
        "Pause": Deed("workflow.pause", _workflow),
        "Activate": Deed("workflow.activate", _workflow),
        "Delete": Deed("workflow.delete", _workflow, only_if=_is_meant, before=True),
    },
    "RunService": {
        "Cancel": Deed("run.cancel", _run_id),
        "Kill": Deed("run.kill", _run_id, before=True),
    },
    "CapabilityService": {
        "Execute": Deed(
            _call_action, lambda request: str(request.capability_id), _call_facts, only_if=_is_of_the_system
        )
    },
    # Cancellations only: starts are recorded by the engine, and what else there is of such a run is in its journal.
    "WorldService": {
        "CreateEvent": _WORLD_EVENT,
        "CreateEvents": _WORLD_EVENT,
        "CancelRuns": Deed("run.cancel", lambda request: ", ".join(request.run_ids)),
    },
    "KeysService": {
        "Reload": Deed(
            "keys.reload",
            _keyring,
            result=lambda answer: {"added": ", ".join(map(str, answer.added_versions)) or "none"},
        ),
        "Promote": Deed("keys.promote", _version, result=lambda answer: {"key_id": answer.writing_key_id}),
        "Rewrap": Deed(
            "keys.rewrap",
            lambda request: request.workspace or "everything",
            only_if=lambda request: not request.look_only,
        ),
        "Retire": Deed(
            "keys.retire",
            _version,
            lambda request: {"forget": ", ".join(request.forget)},
            only_if=_is_meant,
            before=True,
        ),
    },
    "HostService": {
        "Reload": Deed(
            "host.reload",
            lambda _request: "host",
            result=lambda answer: {
                "plugins": ", ".join(f"{each.name} {_became(each)}" for each in answer.plugins) or "none",
                "applied": ", ".join(answer.applied) or "none",
                "needs_restart": ", ".join(answer.needs_restart) or "none",
                "callers": "changed" if answer.callers_changed else "same",
            },
        ),
        "ReloadPlugin": Deed("plugin.reload", _name, result=_replaced),
    },
    "WorkspaceService": {
        "Mount": Deed("workspace.mount", _project, lambda request: {"name": request.name}),
        "Unmount": Deed("workspace.unmount", _name),
        "Export": Deed("workspace.export", _name, lambda request: {"path": request.path}, before=True),
        "Import": Deed("workspace.import", _name),
        "Unlock": Deed("workspace.unlock", _name),
        "Lock": Deed("workspace.lock", _name),
        "ChangePassword": Deed("workspace.change_password", _name),
        "Migrate": Deed("workspace.migrate", _name, only_if=lambda request: not request.dry_run),
        "Discard": Deed("workspace.discard", _name, only_if=_is_meant, before=True),
        "Wipe": Deed(
            "workspace.wipe", _project, owner=lambda request: request.owner_id, only_if=_is_meant, before=True
        ),
        "SignIn": Deed("workspace.sign_in", _session, owner=lambda _request: ""),
        "SignOut": Deed("workspace.sign_out", _session, owner=lambda _request: ""),
    },
}
_LOOKS: Final[Mapping[str, tuple[str, ...]]] = {
    "WorkflowService": ("Get", "List", "GetLimits"),
    # The first ones begin runs, which the engine records; those with a reason are recorded where they open something.
    "RunService": (
        *("Start", "Execute", "Retry", "Replay"),
        *("Get", "List", "ListEvents", "Export", "Watch", "Logs", "GetReceipt", "GetKeyMaterial"),
    ),
    # What comes in for a run, and what it wrote, is in its journal.
    "HookService": ("Get", "List", "Resume", "Dispose"),
    "StreamService": ("Write", "Close", "Read", "List", "GetInfo", "GetChunks"),
    "CapabilityService": ("List",),
    "PluginService": ("List",),
    "StatusService": ("Get",),
    "KeysService": ("Status", "CheckRewrap"),
    "WorkspaceService": (*("List", "Get", "Entries", "Set", "Delete", "Watch", "Verify", "Compact", "GetSession"),),
    "WorldService": (
        *("GetInfo", "GetEvent", "ListEvents", "ListEventsByCorrelation", "GetRun", "GetRuns", "ListRuns"),
        *("WaitForRun", "GetStep", "ListSteps", "GetHook", "ListHooks", "ListWaits"),
    ),
    "AuditService": ("Tail", "Verify"),
}


def _full(names: Mapping[str, Any]) -> dict[str, Any]:  # Any: a deed, or nothing
    return {f"/strongroom.v1.{service}/{each}": names[service][each] for service in names for each in names[service]}


AUDITED: Final[Mapping[str, Deed]] = _full(_DEEDS)
"""The deed of each method that does one, by its full name."""
NOT_AUDITED: Final = frozenset(_full({service: dict.fromkeys(names) for service, names in _LOOKS.items()}))
"""Methods that are not recorded here."""


def deeds_of(service: str) -> Mapping[str, Deed]:
    """The deeds of one service, by the names of its methods."""
    return _DEEDS.get(service, {})
