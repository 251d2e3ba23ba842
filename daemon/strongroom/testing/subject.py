"""The plugin that the conformance checks are run on, and the host that it runs in meanwhile."""

import logging
import secrets
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from google.protobuf import any_pb2
from google.protobuf.message import Message

from strongroom.errors import CapabilityError, StrongroomError
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.capability import pack
from strongroom.plugin.error_text import error_of
from strongroom.registry.slot import Entry
from strongroom.registry.states import PluginState
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.plugin_host import QUICK, WAIT_S, Eventually, MemoryHost, MemoryStore

__all__ = ["Bench", "Plugin", "Subject", "entry_of"]

NAME: Final = "plugin-under-test"
OWNER: Final = "aa" * 20
WORKFLOW: Final = "bb" * 32

Plugin = Callable[..., object] | str | Sequence[str]
"""A class, ``"package.module:Class"``, or the words of a command that starts a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A plugin and what the checks need to know of it. See ``conformance.check_plugin``."""

    plugin: Plugin
    config: Mapping[str, Any] = field(default_factory=dict)  # Any: the section belongs to the plugin
    samples: Mapping[tuple[str, str], Message] = field(default_factory=dict)
    registrations: Mapping[tuple[str, str], Message] = field(default_factory=dict)
    events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    answers_differ: Collection[tuple[str, str]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    canaries: Sequence[str] = ()


class Bench:
    """The subject in a host that keeps everything in memory, and all that it logs meanwhile."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.entry = entry_of(subject.plugin, subject.config)
        self.stores: dict[str, MemoryStore] = {}
        self.lines: list[str] = []
        self._host = self._new_host()
        self._log = _Lines(self.lines)
        self._level = logging.NOTSET

    @property
    def host(self) -> MemoryHost:
        """The host that runs now."""
        return self._host

    def __enter__(self) -> Self:
        logger = logging.getLogger("strongroom")
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self._log)
        self._host.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("strongroom")
        try:
            self._host.__exit__()
        finally:
            logger.removeHandler(self._log)
            logger.setLevel(self._level)

    def restart(self) -> None:
        """Stop the plugin and start it anew over the same store."""
        with self.stopped():
            pass

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The time between a stop and the next start."""
        self._host.__exit__()
        try:
            yield
        finally:
            self._host = self._new_host()
            self._host.__enter__()

    def state(self) -> PluginState:
        """How the plugin stands."""
        (state,) = self._host.plugins.states()
        return state

    def offered(self) -> list[Entry]:
        """Its capabilities."""
        return self._host.registry.list()

    def call(
        self, capability_id: str, method: str, payload: any_pb2.Any, *, step: str = "", timeout_s: float = WAIT_S
    ) -> any_pb2.Any | CapabilityError:
        """What a call came to. ``step`` is the reference id; each call is a step of its own without it."""
        made = capabilities_pb2.CapabilityRequest(
            method=method, capabilityId=capability_id, metadata=self.metadata(step or secrets.token_hex(8))
        )
        made.payload.CopyFrom(payload)
        try:
            return self._host.registry.get_executable(capability_id).execute(made, timeout_s=timeout_s).payload
        except StrongroomError as error:
            return error_of(error)

    def register(
        self, capability_id: str, method: str, payload: any_pb2.Any, told: Eventually, *, trigger_id: str
    ) -> CapabilityError | None:
        """Why a registration was refused, or ``None``."""
        made = self.registration(method, trigger_id, payload)
        try:
            self._host.registry.get_trigger(capability_id).register(made, told, timeout_s=WAIT_S)
        except StrongroomError as error:
            return error_of(error)
        return None

    def unregister(self, capability_id: str, method: str, *, trigger_id: str) -> None:
        """End a registration."""
        self._host.registry.get_trigger(capability_id).unregister(self.registration(method, trigger_id))

    def registration(
        self, method: str, trigger_id: str, payload: any_pb2.Any | None = None
    ) -> capabilities_pb2.TriggerRegistrationRequest:
        """As an engine asks for it."""
        metadata = self.metadata("trigger_0")
        metadata.workflow_execution_id = ""
        return capabilities_pb2.TriggerRegistrationRequest(
            triggerId=trigger_id, method=method, metadata=metadata, payload=payload
        )

    def metadata(self, reference: str) -> capabilities_pb2.RequestMetadata:
        """What a host stamps on a step of a run, with the fields that the subject wants otherwise."""
        stamped = capabilities_pb2.RequestMetadata(
            workflow_id=WORKFLOW,
            workflow_owner=OWNER,
            workflow_name="6176ac6c42",
            decoded_workflow_name="conformance",
            workflow_execution_id="cc" * 32,
            reference_id=reference,
        )
        for name, value in self.subject.metadata.items():
            setattr(stamped, name, value)
        return stamped

    def sample(self, key: tuple[str, str]) -> any_pb2.Any:
        """The sample of a method, packed."""
        return packed(self.subject.samples[key])

    def _new_host(self) -> MemoryHost:
        return MemoryHost(self.entry, stores=self.stores, supervision=QUICK)


def packed(message: Message) -> any_pb2.Any:
    """``message`` as a payload."""
    payload = any_pb2.Any()
    pack(payload, message)
    return payload


def entry_of(plugin: Plugin, config: Mapping[str, Any]) -> PluginEntry:
    """The entry of ``plugins.yaml`` that loads ``plugin``. A class is found again by its module and name."""
    if isinstance(plugin, str):
        return PluginEntry(name=NAME, factory=plugin, config=config)
    if callable(plugin):
        module, name = plugin.__module__, plugin.__qualname__
        if getattr(sys.modules.get(module), name, None) is not plugin:
            raise ValueError(f"{module}:{name} is not at the top of its module, so that a host could not import it")
        return PluginEntry(name=NAME, factory=f"{module}:{name}", config=config)
    return PluginEntry(name=NAME, command=tuple(plugin), config=config)


class _Lines(logging.Handler):
    """Collects what is logged, with tracebacks and extra fields."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record as text."""
        self._lines.append(f"{self._formatter.format(record)} {record.__dict__}")
