"""Mounts as a plugin provides them: what it is told of a project, and what it gives back.

    class Notes:
        @hookimpl
        def mounts(self) -> list[MountProvider]:
            return [MountProvider(name="notes", open=open_notes)]

    def open_notes(context: MountContext) -> Mount:
        return context.open_workspace(DEFINITION)

Rule 1: whatever ``open_workspace`` made is closed by the host, also when ``open`` raises after it.
Rule 2: ``keyring()`` raises once the session is signed out; a plugin lets that through, so that nothing is lost unseen.
Rule 3: nothing here shows a key.

Source: contracts/workspace-encryption.md 13.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from strongroom.crypto.keyring_entry import Keyring
    from strongroom.plugin.workspaces import WorkspaceDefinition

__all__ = [
    "MOUNTS_OF_PLUGIN_MAX",
    "MOUNT_NAME_PATTERN",
    "Collaboration",
    "Mount",
    "MountContext",
    "MountProvider",
    "MountedWorkspace",
    "OpenWorkspace",
    "WebSocket",
    "checked_providers",
]

MOUNT_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Names of mounts and of providers; both stand in files of projects and in action paths."""
NAME_CHARS_MAX: Final = 64
"""A name is typed by people and is part of a device id, which relays keep for each socket."""
MOUNTS_OF_PLUGIN_MAX: Final = 64
"""A plugin with more kinds of workspaces than this made them in a loop."""


class WebSocket(Protocol):
    """A connection that carries whole messages: text as ``str``, binary as ``bytes``."""

    @property
    def subprotocol(self) -> str | None:
        """What the far side chose of the subprotocols that were offered."""

    def send(self, message: bytes | str) -> None:
        """Send one message. Raises when the connection is closed."""

    def recv(self, timeout: float | None = None) -> bytes | str:
        """The next message, waiting at most ``timeout`` seconds. Raises ``TimeoutError``, and when it is closed."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it. Closing twice is fine."""


class MountedWorkspace(Protocol):
    """A workspace as a plugin sees it. The type of what its own definition makes is narrower."""

    @property
    def tables(self) -> Any:
        """Its tables by name. Any: a plugin knows the types of its own definition."""

    @property
    def kv(self) -> Any:
        """Its key-values. Any: as above."""

    def store(self, array_name: str) -> Any:
        """The encrypted store of an array, also of one that nobody defined. Any: the plugin's own values."""

    def arrays(self) -> Sequence[str]:
        """Names of the arrays that the document has."""


class Collaboration(Protocol):
    """The connection of a workspace with others."""

    @property
    def state(self) -> str:
        """``off``, ``connecting``, ``connected``, ``offline`` or ``refused``."""

    @property
    def problem(self) -> str:
        """Why it is offline or refused; empty otherwise."""

    def dispose(self) -> None:
        """Leave. Twice is fine."""


class Mount(Protocol):
    """What ``MountProvider.open`` returns."""

    @property
    def workspace(self) -> MountedWorkspace:
        """The workspace that people read and write through the host."""

    @property
    def collaboration(self) -> Collaboration | None:
        """Its connection with others, or ``None``."""

    def dispose(self) -> None:
        """End what the provider began. What ``open_workspace`` made is closed by the host after it."""


class OpenWorkspace(Mount, Protocol):
    """The usual infrastructure: document, sealed log, connection and views. It is a ``Mount`` as it stands."""

    def flush(self) -> None:
        """Return once all that was written before is on disk. Raises ``StorageFault``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountContext:
    """One mount as its provider is told of it.

    ``y_doc_client_id`` comes from the path of the project and is the same at every start: a document that was restored
    from a copy must not use it, which is why ``open_workspace`` takes a fresh one each time. ``device_id`` is
    ``<mount>-daemon``. ``keyring()`` reads the session's keyring at every call and raises ``Unavailable`` when it is
    signed out. ``open_web_socket(url, subprotocols)`` connects with the session's bearer where the session may show it.
    ``on_reconnect_signal(callback)`` calls back when trying again at once is worth it, and returns what ends that.
    ``open_workspace(definition)`` opens the workspace that the project's file names; ``None`` has no schemas.
    """

    project_dir: Path
    mount: str
    y_doc_client_id: int
    device_id: str
    owner_id: str
    keyring: "Callable[[], Keyring]" = field(repr=False)
    open_web_socket: Callable[[str, Sequence[str]], WebSocket] = field(repr=False)
    on_reconnect_signal: Callable[[Callable[[], None]], Callable[[], None]] = field(repr=False)
    open_workspace: "Callable[[WorkspaceDefinition | None], OpenWorkspace]" = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MountProvider:
    """A kind of workspace that projects can name: ``provider = "<name>"`` in strongroom.toml.

    ``open`` is called once per mount, on a thread of its own; whatever it raises fails that mount alone.
    """

    name: str
    open: Callable[[MountContext], Mount] = field(repr=False)
    description: str = ""


def checked_providers(answer: object) -> Mapping[str, MountProvider]:
    """What a plugin's ``mounts()`` answered, by name. Raises ``TypeError`` or ``ValueError`` with what is wrong."""
    if answer is None:
        return {}
    if not isinstance(answer, list | tuple):
        raise TypeError(f"mounts() must return a list of MountProvider, it returned {type(answer).__name__}")
    if len(answer) > MOUNTS_OF_PLUGIN_MAX:
        raise ValueError(f"mounts() returned {len(answer)} providers, the limit is {MOUNTS_OF_PLUGIN_MAX}")
    providers: dict[str, MountProvider] = {}
    for provider in answer:
        if not isinstance(provider, MountProvider):
            raise TypeError(f"mounts() must return MountProvider only, it returned {type(provider).__name__}")
        if not isinstance(provider.name, str) or not MOUNT_NAME_PATTERN.fullmatch(provider.name):
            raise ValueError(f"a mount provider is named {provider.name!r:.80}: use letters, digits, _ and -")
        if len(provider.name) > NAME_CHARS_MAX:
            raise ValueError(f"the name of a mount provider has {len(provider.name)} characters, the limit is 64")
        if provider.name in providers:
            raise ValueError(f"mounts() returned {provider.name} twice")
        if not callable(provider.open):
            raise TypeError(f"the open of mount provider {provider.name} is not callable")
        providers[provider.name] = provider
    return providers
