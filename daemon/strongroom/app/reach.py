"""Whether what confidential workflows need can be reached: the backend that executes them, and the vault.

For status, which asks, and for readiness, which looks at what was found last.

A plugin can be ready while its runners do not start, or while the vault that it passes calls on to is away. Both are
asked side by side, for a bounded time, and not again within seconds: a status that is looked at is no load.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from google.protobuf import any_pb2

from strongroom.engine.secrets import VAULT_ID
from strongroom.errors import CapabilityError, StrongroomError
from strongroom.modules.confidential import CAPABILITY_ID, ask_backend
from strongroom.modules.confidential_faults import is_away
from strongroom.modules.module import Backend
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.registry.handles import CapabilityExecutable
from strongroom.registry.registry import Registry

__all__ = ["EVERY_S", "Reach", "Reached"]

FRESH_S: Final = 5.0
"""How long an answer is used: somebody who watches status starts no runner more often than this."""
EVERY_S: Final = 30.0
"""How often the host asks by itself: what probes look at is no older, and they ask nobody."""
VAULT_TIMEOUT_S: Final = 2.0
"""A vault answers who it is from memory; one elsewhere is at most an ocean away."""
PROBLEM_CHARACTERS_MAX: Final = 1_000
"""One line of a status."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What was found: the backend, if it said what it is, and a line for each of both that cannot be reached, which is
    empty for one that can, and none where nobody offers it."""

    backend: Backend | None = None
    backend_problem: str | None = None
    vault_problem: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each thing that cannot be reached."""
        return tuple(each for each in (self.backend_problem, self.vault_problem) if each)


class Reach:
    """Asks through ``registry``. ``clock`` counts seconds and never goes back."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._clock = clock
        self._asking = threading.Lock()
        self._until_s = float("-inf")
        self.last = Reached()
        """What was found when somebody asked last. To look at it asks nobody."""

    def now(self) -> Reached:
        """What was found now, or within the last seconds. Many who ask at once wait for one question."""
        with self._asking:
            if self._clock() >= self._until_s:
                self.last = self._ask()
                self._until_s = self._clock() + FRESH_S
            return self.last

    def refresh(self) -> None:
        """Ask, for those who only look at what was found last."""
        self.now()

    def _ask(self) -> Reached:
        with ThreadPoolExecutor(1, thread_name_prefix="reach") as beside:
            vault = beside.submit(self._vault)
            backend, problem = self._backend()
            return Reached(backend, problem, vault.result())

    def _backend(self) -> tuple[Backend | None, str | None]:
        capability = self._ready(CAPABILITY_ID)
        if capability is None:
            return None, None
        try:
            return ask_backend(capability), ""
        except StrongroomError as error:
            return None, _line(f"{capability.entry.plugin} cannot execute confidential workflows: {error}")

    def _vault(self) -> str | None:
        capability = self._ready(VAULT_ID)
        if capability is None:
            return None
        question = any_pb2.Any()
        question.Pack(strongroom_vault_pb2.IdentityRequest())
        call = capabilities_pb2.CapabilityRequest(payload=question, method="vault.identity.get", capabilityId=VAULT_ID)
        try:
            capability.execute(call, timeout_s=VAULT_TIMEOUT_S)
        except CapabilityError as error:
            # A vault of another maker does not know the question, which is an answer too.
            if is_away(error):
                return _line(f"{capability.entry.plugin} cannot be reached: {error}")
        return ""

    def _ready(self, capability_id: str) -> CapabilityExecutable | None:
        """The capability, unless nobody offers it, or its plugin is away, which is shown as the plugin's state."""
        try:
            found = self._registry.get_executable(capability_id)
        except StrongroomError:
            return None
        return found if found.entry.available else None


def _line(text: str) -> str:
    return " ".join(text.split())[:PROBLEM_CHARACTERS_MAX]
