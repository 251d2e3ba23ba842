"""Registering workflows: everything is checked, compiled and asked before one byte is stored.

The same registration again finds the record that stands; the same workflow with other attributes is refused and the
difference shown, because the workflow id does not cover them.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from strongroom.engine.host import EngineHost
from strongroom.engine.journal import now_ms
from strongroom.engine.specs import ACTIVE, Spec
from strongroom.engine.subscribe import subscriptions_of
from strongroom.engine.triggers import only_by_hand
from strongroom.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from strongroom.guest.binary import StoredBinary, decode_upload
from strongroom.guest.ids import normal_owner, workflow_id
from strongroom.guest.pool import CompiledModule
from strongroom.modules.attributes import Attributes, difference, parse_attributes
from strongroom.modules.module import Module
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage.specs import SpecRow

__all__ = ["Compiler", "Owners", "Registered", "Registration", "Wish"]

NAME_CHARACTERS_MAX: Final = 64
"""What the registry contract allows."""
HIDDEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
"""Unicode categories that a name is without: it is shown in lists and logs, and must look there like what it is."""
TAG_CHARACTERS_MAX: Final = 32
OTHERS_SHOWN_MAX: Final = 10
"""Warnings about other workflows of the same name: enough to see that there are some."""
ID_SHAPE: Final = re.compile(r"[0-9a-f]{64}")
SPEC_TYPE: Final = "wasm"
SOURCE: Final = "api"


class Compiler(Protocol):
    """Compiles a module in a fresh, keyless process and keeps the native code."""

    def compile(self, wasm: bytes) -> CompiledModule:
        """What admission found. Raises ``InvalidInput`` naming what a guest must have."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Who may own workflows here: the host's own owner, and those that its operator allowed."""

    own: str
    allowed: frozenset[str] = frozenset()

    def checked(self, untrusted_owner: str) -> str:
        """The owner as 40 lower-case hex digits; the host's own when empty. Raises ``Forbidden``."""
        if not untrusted_owner:
            return self.own
        owner = normal_owner(untrusted_owner)
        if owner != self.own and owner not in self.allowed:
            raise Forbidden(
                "SR-WF-004",
                f"owner {owner} may not use this host",
                fix="add it to owners_allowed in strongroom.yaml, or leave the owner out",
                owner=owner,
            )
        return owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A registration as it arrives; nothing of it is trusted."""

    binary: bytes
    name: str
    tag: str = ""
    owner: str = ""
    config: bytes = field(default=b"", repr=False)
    attributes: bytes = b""
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """The record that stands after a registration."""

    spec: Spec
    created: bool
    warnings: list[str] = field(default_factory=list)


def _nobody(_spec: Spec) -> None:
    """Nobody asked to be told."""


def _nothing(_draft: Spec) -> str:
    """Nobody grants anything beforehand."""
    return ""


class Registration:
    """Registers workflows."""

    def __init__(
        self,
        host: EngineHost,
        compiler: Compiler,
        owners: Owners,
        available: Callable[[str], bool],
        registered: Callable[[Spec], None] = _nobody,
        granted: Callable[[Spec], str] = _nothing,
    ) -> None:
        """``registered`` is told of each new workflow, once it is on disk; ``granted`` before its guest is asked
        anything, and answers with a warning or nothing.
        """
        self._granted = granted
        self._host = host
        self._registered = registered
        self._limits = host.limits
        self._compiler = compiler
        self._owners = owners
        self._available = available

    def register(self, wish: Wish) -> Registered:
        """Check, compile, ask for subscriptions, store. It is on disk when this returns, unless only validating."""
        attributes = parse_attributes(wish.attributes)
        owner = self._owners.checked(wish.owner)
        self._check_texts(wish)
        binary = decode_upload(wish.binary, self._limits.guest)
        identity = workflow_id(owner=owner, name=wish.name, binary=binary.data, config=wish.config)
        warnings = list(attributes.warnings)
        standing = self._host.specs.get(identity)
        if standing is not None:
            return Registered(_unchanged(standing, attributes, wish, binary), created=False, warnings=warnings)
        self._check_count(owner)
        self._host.disk.check("a registration", len(wish.binary))
        warnings += self._others(owner, wish.name)
        info = self._compiler.compile(binary.wasm()).info
        row = self._row(wish, owner, identity, binary, info.sdk_label)
        draft = Spec(row, attributes, wish.config, ())
        warnings += filter(None, (self._granted(draft),))
        with self._host.offered(binary):
            module = self._host.module_for(draft)
            subscriptions = subscriptions_of(self._host, draft, module, warnings)
            if wish.validate_only:
                module.close()
                return Registered(replace(draft, subscriptions=subscriptions.subscriptions), False, warnings)
            return self._store(draft, wish, binary, module, subscriptions, warnings)

    def _store(
        self,
        draft: Spec,
        wish: Wish,
        binary: StoredBinary,
        module: Module,
        subscriptions: sdk_pb2.TriggerSubscriptionRequest,
        warnings: list[str],
    ) -> Registered:
        try:
            spec = self._host.specs.add(
                draft.row,
                draft.config,
                subscriptions,
                binary.data,
                owner_max=self._limits.workflows_per_owner_max,
            )
        except Conflict:
            module.close()
            # Another caller registered the same workflow in the meantime.
            standing = self._host.specs.get(draft.workflow_id)
            if standing is None:
                raise
            return Registered(_unchanged(standing, draft.attributes, wish, binary), False, warnings)
        self._host.keep_module(spec, module)
        self._registered(spec)
        return Registered(spec, True, warnings)

    def _others(self, owner: str, name: str) -> list[str]:
        """Warnings about active workflows that have the name already: a new version replaces none of them."""
        return [
            f"workflow {other} of the same name stays active; pause or delete it by its id"
            for other in self._host.specs.active_with_name(owner, name)[:OTHERS_SHOWN_MAX]
        ]

    def place(self, spec: Spec, trigger_index: int) -> tuple[str, str]:
        """Where runs of that trigger execute, empty for nowhere now, and why it cannot start any, empty when it can."""
        module, refusal = self._host.selection.place(spec, trigger_index)
        return module, refusal or self.unavailable(spec.subscriptions[trigger_index])

    def unavailable(self, subscription: sdk_pb2.TriggerSubscription) -> str:
        """Why a subscription cannot fire on this host; empty when it can, and when it is not meant to."""
        if self._available(subscription.id) or only_by_hand(subscription):
            return ""
        return f"no plugin of this host offers {subscription.id}; runs can still be started by hand"

    def _check_texts(self, wish: Wish) -> None:
        if not 1 <= len(wish.name) <= NAME_CHARACTERS_MAX or _hides(wish.name) or ID_SHAPE.fullmatch(wish.name):
            raise InvalidInput(
                "SR-WF-005",
                f"the name is empty, longer than {NAME_CHARACTERS_MAX} characters, holds control or invisible"
                " characters, or looks like a workflow id",
                fix="choose a name such as my-workflow",
                field="name",
            )
        if len(wish.tag) > TAG_CHARACTERS_MAX or _hides(wish.tag):
            raise InvalidInput(
                "SR-WF-006",
                f"the tag is longer than {TAG_CHARACTERS_MAX} characters or holds control or invisible characters",
                fix="choose a tag such as v1.2.0",
                field="tag",
            )
        if len(wish.config) > self._limits.config_bytes_max:
            raise LimitExceeded(
                "SR-WF-007",
                f"the config is {len(wish.config)} bytes, more than {self._limits.config_bytes_max}",
                fix="make it smaller, or raise the limit",
                size=len(wish.config),
                limit=self._limits.config_bytes_max,
                setting="limits.config_bytes_max",
            )

    def _check_count(self, owner: str) -> None:
        count = self._host.specs.count()
        if count >= self._limits.workflows_max:
            raise LimitExceeded(
                "SR-WF-008",
                f"{count} workflows are registered",
                fix="delete some, or raise the limit",
                size=count,
                limit=self._limits.workflows_max,
                setting="limits.workflows_max",
            )
        self._host.specs.check_owner(owner, self._limits.workflows_per_owner_max)

    def _row(self, wish: Wish, owner: str, identity: str, binary: StoredBinary, sdk_label: str) -> SpecRow:
        at = now_ms()
        return SpecRow(
            workflow_id=identity,
            workflow_owner=owner,
            workflow_name=wish.name,
            workflow_tag=wish.tag,
            status=ACTIVE,
            workflow=f"sha256:{binary.sha256}",
            binary_sha256=binary.sha256,
            binary_bytes=len(binary.data),
            encoding=binary.encoding,
            binary_url=f"artifact:sha256/{binary.sha256}",
            config_url="",
            config=b"",
            spec_type=SPEC_TYPE,
            attributes=wish.attributes,
            subscriptions=b"",
            sdk_label=sdk_label,
            created_at=at,
            updated_at=at,
            registered_at=at,
            source=SOURCE,
            key_version=0,
            mac=b"",
        )


def _hides(text: str) -> bool:
    """Whether some of ``text`` cannot be seen, or changes how the rest is shown."""
    return any(unicodedata.category(character) in HIDDEN for character in text)


def _unchanged(standing: Spec, attributes: Attributes, wish: Wish, binary: StoredBinary) -> Spec:
    """``standing`` when the registration says the same of it."""
    row = standing.row
    if (row.workflow_name, row.binary_sha256, standing.config) != (wish.name, binary.sha256, wish.config):
        # The id is a hash of all three, one behind the other, so the end of one may be the beginning of the next.
        raise Conflict(
            "SR-WF-022",
            f"workflow {standing.workflow_id} is registered with another name, binary or config",
            why="the id does not tell them apart: put together, they are the same bytes",
            fix="change the config so that the workflow gets another id",
            workflow_id=standing.workflow_id,
        )
    changes = difference(standing.attributes, attributes)
    if standing.row.workflow_tag != wish.tag:
        changes.append(f"tag: {standing.row.workflow_tag!r} -> {wish.tag!r}")
    if changes:
        raise Conflict(
            "SR-WF-010",
            f"workflow {standing.workflow_id} is registered with other attributes",
            why="; ".join(changes),
            fix="delete it first (strongroom workflow delete), or change its config so that it gets another id",
            workflow_id=standing.workflow_id,
        )
    return standing
