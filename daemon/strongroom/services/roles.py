"""Which role each method needs, and whose thing it touches: the one table of it.

A method that is not here is refused. The command line reads this table too, to find the socket that a call needs; so it
imports no message and looks at requests by the names of their fields.

To add a method is to add its line. Where it touches a kind of thing that is new, ``app/access.py`` says whose one is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from strongroom.registry.ids import parse_id
from strongroom.settings.roles import Role

__all__ = ["ALL_OWNERS", "RULES", "SOME_OWNER", "Need", "Of", "need_of"]

READ, RUN, REGISTER, DECRYPT, ADMIN = Role.READ, Role.RUN, Role.REGISTER, Role.DECRYPT, Role.ADMIN


@dataclass(frozen=True, slots=True)
class Of:
    """Whose: the owner of the ``kind`` of thing that ``key`` names."""

    kind: str
    key: str = ""


ALL_OWNERS: Final = Of("all owners")
"""The host itself, and what belongs to all of its owners together."""
SOME_OWNER: Final = Of("some owner")
"""Nothing of any owner in particular; or a list, which its service limits to what the caller may see."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a call needs."""

    role: Role
    of: Of = SOME_OWNER


Rule: TypeAlias = Callable[[Any], Need]  # Any: the request, a message or the first of several


def _plain(role: Role, of: Of) -> Rule:
    return lambda _request: Need(role, of)


def _owner(role: Role) -> Rule:
    """For the owner whom the request names, else the host's own."""
    return lambda request: Need(role, Of("owner", request.owner))


def _run(role: Role, *, opening: bool = False) -> Rule:
    """For the owner of a run. A reason, where one can be given, opens what is sealed."""
    return lambda request: Need(DECRYPT if opening and request.reason else role, Of("run", request.run_id))


def _hook(role: Role, *, opening: bool = False) -> Rule:
    """For the owner of the run that made a hook, which its token names, or its id."""

    def rule(request: Any) -> Need:  # Any: as above
        named = Of("hook token", request.hook.token) if request.hook.token else Of("hook", request.hook.hook_id)
        return Need(DECRYPT if opening and request.reason else role, named)

    return rule


def _mount(role: Role) -> Rule:
    """For the owner of a mounted workspace."""
    return lambda request: Need(role, Of("mount", request.name))


def _listed(request: Any) -> Need:  # Any: as above
    """Of the owner who is named; or of all whom the caller may see."""
    return Need(READ, Of("owner", request.owner) if request.owner else SOME_OWNER)


def _several(role: Role) -> Rule:
    """Of whichever runs of a list the caller may see: the service leaves out, or refuses, the others one by one."""
    return lambda request: Need(DECRYPT if role is READ and request.reason else role, SOME_OWNER)


def _world_event(request: Any) -> Need:  # Any: as above
    """The first event of a run makes it, for an owner; every other one is for whoever's run it is.

    A run may begin with its start, which then says what it is made of; a run of somebody else is not found by that.
    """
    events = request.events if hasattr(request, "events") else [request.event]
    kind, data = (events[0].event_type, events[0].data) if len(events) > 0 else ("", None)
    begins = kind == "run_created" or (kind == "run_started" and data is not None and bool(data.deployment_id))
    return Need(RUN, Of("owner", request.owner) if begins else Of("run", request.run_id))


def _world_runs(request: Any) -> Need:  # Any: as above
    return Need(DECRYPT if request.reason else READ, _listed(request).of)


def _world_correlated(request: Any) -> Need:  # Any: as above
    """Of one run, or of all whom the caller may see."""
    return Need(DECRYPT if request.reason else READ, Of("run", request.run_id) if request.run_id else SOME_OWNER)


def _world_hook(request: Any) -> Need:  # Any: as above
    """By its token, else by its id, in the run that is named or in any."""
    named = Of("run", request.run_id) if request.run_id else Of("hook", request.hook_id)
    named = Of("hook token", request.token) if request.token else named
    return Need(DECRYPT if request.reason else READ, named)


VAULT_LOOKS: Final = frozenset(
    {"vault.secrets.list", "vault.secrets.status", "vault.publicKey.get", "vault.identity.get", "vault.manifests.get"}
)


def _capability(request: Any) -> Need:  # Any: as above
    """Who changes a secret decides what the workflows of others send, and to whom: that is an administrator's. Which
    workspaces the capability of that name reaches is not an owner's matter at all, so neither is a call by hand."""
    name = parse_id(request.capability_id).name
    if name == "vault":
        return Need(READ if request.method in VAULT_LOOKS else ADMIN, Of("owner", request.owner))
    return Need(RUN, ALL_OWNERS if name == "workspace" else Of("owner", request.owner))


_SESSION: Final = Of("session")
_LOOK: Final = _plain(READ, SOME_OWNER)
_WORKSPACES: Final[Mapping[str, Rule]] = {
    # Values of workspaces are shown in the clear, as a workflow would have them: so to look at one is no mere look.
    "Mount": lambda request: Need(ADMIN if request.password else REGISTER, _SESSION),
    "Unmount": _mount(REGISTER),
    "List": _LOOK,
    "Get": _mount(RUN),
    "Entries": _mount(RUN),
    "Set": _mount(RUN),
    "Delete": _mount(RUN),
    "Watch": _mount(RUN),
    "Export": _mount(REGISTER),
    "Import": _mount(REGISTER),
    "Verify": _mount(RUN),
    "Compact": _mount(REGISTER),
    "Unlock": _mount(ADMIN),
    "Lock": _mount(ADMIN),
    "ChangePassword": _mount(ADMIN),
    "Migrate": _mount(ADMIN),
    "Discard": _mount(ADMIN),
    "Wipe": lambda request: Need(ADMIN, Of("workspace owner", request.owner_id)),
    "GetSession": _LOOK,
    "SignIn": _plain(ADMIN, ALL_OWNERS),
    "SignOut": _plain(ADMIN, ALL_OWNERS),
}
_KEYS: Final = ("Status", "Reload", "Promote", "Rewrap", "CheckRewrap", "Retire")
_SERVICES: Final[Mapping[str, Mapping[str, Rule]]] = {
    "WorkflowService": {
        "Register": _owner(REGISTER),
        "Get": _owner(READ),
        "List": _listed,
        "Pause": _owner(REGISTER),
        "Activate": _owner(REGISTER),
        "Delete": _owner(REGISTER),
        "GetLimits": _LOOK,
    },
    "RunService": {
        "Start": _owner(RUN),
        "Execute": lambda request: Need(RUN, Of("owner", request.start.owner)),
        "Get": _run(READ, opening=True),
        "List": _listed,
        "ListEvents": _run(READ, opening=True),
        "Cancel": _run(RUN),
        "Kill": _run(RUN),
        "Retry": _run(RUN),
        "Replay": _run(RUN),
        "Export": _run(READ, opening=True),
        "Watch": _run(READ, opening=True),
        "Logs": _run(READ, opening=True),
        "GetReceipt": _run(READ, opening=True),
        "GetKeyMaterial": _run(READ, opening=True),
    },
    "StreamService": {
        "Write": _run(RUN),
        "Close": _run(RUN),
        "Read": _run(READ, opening=True),
        "List": _run(READ),
        "GetInfo": _run(READ),
        "GetChunks": _run(READ, opening=True),
    },
    "CapabilityService": {"List": _LOOK, "Execute": _capability},
    "PluginService": {"List": _LOOK},
    "StatusService": {"Get": _LOOK},
    "WorkspaceService": _WORKSPACES,
    "HookService": {
        "Get": _hook(READ, opening=True),
        "List": _run(READ),
        "Resume": _hook(RUN),
        "Dispose": _hook(RUN),
    },
    "WorldService": {
        "GetInfo": _LOOK,
        "CreateEvent": _world_event,
        "CreateEvents": _world_event,
        "GetEvent": _run(READ, opening=True),
        "ListEvents": _run(READ, opening=True),
        "ListEventsByCorrelation": _world_correlated,
        "GetRun": _run(READ, opening=True),
        "GetRuns": _several(READ),
        "ListRuns": _world_runs,
        "WaitForRun": _run(READ, opening=True),
        "CancelRuns": _several(RUN),
        "GetStep": _run(READ, opening=True),
        "ListSteps": _run(READ, opening=True),
        "GetHook": _world_hook,
        "ListHooks": _run(READ, opening=True),
        "ListWaits": _run(READ),
    },
    # It names what all owners did.
    "AuditService": {"Tail": _plain(ADMIN, ALL_OWNERS), "Verify": _plain(ADMIN, ALL_OWNERS)},
    "KeysService": {name: _plain(ADMIN, ALL_OWNERS) for name in _KEYS},
    "BackupService": {name: _plain(ADMIN, ALL_OWNERS) for name in ("Create", "Confirm")},
    "HostService": {name: _plain(ADMIN, ALL_OWNERS) for name in ("Reload", "ReloadPlugin")},
}
RULES: Final[Mapping[str, Rule]] = {
    f"/strongroom.v1.{service}/{method}": rule for service, rules in _SERVICES.items() for method, rule in rules.items()
}
"""The rule of each method, by its full name."""


def need_of(method: str, request: Any) -> Need | None:  # Any: as above
    """What a call of ``method`` with ``request`` needs; nothing where nobody said, which is a refusal."""
    rule = RULES.get(method)
    return None if rule is None else rule(request)
