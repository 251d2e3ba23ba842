"""Builds modules, and keeps the one rule that nothing overrides: a confidential workflow has no local module."""

from collections.abc import Callable

from strongroom.errors import Refused
from strongroom.modules.attributes import Attributes
from strongroom.modules.capabilities import Capabilities
from strongroom.modules.confidential import ConfidentialModule
from strongroom.modules.local import LocalModule, Runners
from strongroom.modules.module import Module, Workflow
from strongroom.telemetry.tally import Tally

__all__ = ["CONFIDENTIAL", "LOCAL", "Router", "module_name"]

LOCAL = "local"
CONFIDENTIAL = "confidential"


def module_name(attributes: Attributes) -> str:
    """The module of subscribe and of pre-hooks, and of every run unless its subscription has requirements."""
    return CONFIDENTIAL if attributes.confidential else LOCAL


class Router:
    """Builds modules. ``routed`` hears of each workflow that goes to the enclave, once per module."""

    def __init__(
        self,
        runners: Runners,
        capabilities: Capabilities,
        routed: Callable[[Workflow], None],
        tally: Tally | None = None,
    ) -> None:
        self._runners = runners
        self._capabilities = capabilities
        self._routed = routed
        self._tally = tally or Tally()

    def module(
        self, workflow: Workflow, attributes: Attributes, wasm: Callable[[], bytes], *, name: str = ""
    ) -> Module:
        """The module ``name`` of ``workflow``, the one that its attributes ask for when empty.

        ``wasm`` loads its raw binary when it runs locally. Raises ``Refused`` for a local module of a confidential one.
        """
        name = name or module_name(attributes)
        if name == CONFIDENTIAL:
            self._routed(workflow)
            return ConfidentialModule(workflow, attributes.vault_don_secrets, self._capabilities, self._tally)
        if name != LOCAL or attributes.confidential:
            raise Refused(
                "SR-RUN-052",
                f"a {'confidential' if attributes.confidential else 'local'} workflow has no module {name[:20]!r}",
                fix="report it; nothing was run",
                workflow_id=workflow.workflow_id,
            )
        return LocalModule(workflow, self._runners, wasm)
