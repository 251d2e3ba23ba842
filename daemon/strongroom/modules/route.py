"""Chooses the module of a workflow: its attributes decide, and nothing overrides them."""

from collections.abc import Callable

from strongroom.modules.attributes import Attributes
from strongroom.modules.capabilities import Capabilities
from strongroom.modules.confidential import ConfidentialModule
from strongroom.modules.local import LocalModule, Runners
from strongroom.modules.module import Module, Workflow

__all__ = ["CONFIDENTIAL", "LOCAL", "Router", "module_name"]

LOCAL = "local"
CONFIDENTIAL = "confidential"


def module_name(attributes: Attributes) -> str:
    """The word that records and the API use for the module that ``attributes`` ask for."""
    return CONFIDENTIAL if attributes.confidential else LOCAL


class Router:
    """Builds modules. ``routed`` hears of each workflow that goes to the enclave, once per module."""

    def __init__(self, runners: Runners, capabilities: Capabilities, routed: Callable[[Workflow], None]) -> None:
        self._runners = runners
        self._capabilities = capabilities
        self._routed = routed

    def module(self, workflow: Workflow, attributes: Attributes, wasm: Callable[[], bytes]) -> Module:
        """The module of ``workflow``; ``wasm`` loads its raw binary when it runs locally."""
        if attributes.confidential:
            self._routed(workflow)
            return ConfidentialModule(workflow, attributes.vault_don_secrets, self._capabilities)
        return LocalModule(workflow, self._runners, wasm)
