"""Runs a workflow in a local sandbox: a runner process without keys, network or files."""

import threading
from collections.abc import Callable
from typing import Protocol

from google.protobuf.message import DecodeError

from strongroom.errors import GuestFault, Refused
from strongroom.modules.module import LOCAL, NO_TERMS, Backend, ExecutionHelper, Terms, Workflow
from strongroom.modules.requirements import are_satisfied
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["LocalModule", "Runners"]


class Runners(Protocol):
    """The pool of runner processes, as this module uses it."""

    def key_of(self, wasm: bytes) -> str:
        """Content key of the compiled form of ``wasm``."""

    def execute(
        self, *, owner: str, module_key: str, wasm: Callable[[], bytes], request: bytes, helper: ExecutionHelper
    ) -> bytes:
        """Serialized result of one guest; ``wasm`` is asked only when the compiled form is not at hand."""


class LocalModule:
    """A workflow in a local sandbox. ``wasm`` loads the raw module, verified against its registration."""

    def __init__(self, workflow: Workflow, runners: Runners, wasm: Callable[[], bytes]) -> None:
        self._workflow = workflow
        self._runners = runners
        self._wasm = wasm
        self._module_key = ""
        self._starting = threading.Lock()

    def start(self) -> None:
        """Verify the binary once and learn its content key."""
        with self._starting:
            if not self._module_key:
                self._module_key = self._runners.key_of(self._wasm())

    def execute(
        self, request: sdk_pb2.ExecuteRequest, helper: ExecutionHelper, terms: Terms = NO_TERMS
    ) -> sdk_pb2.ExecutionResult:
        """Run the guest in a runner that serves this owner. Restrictions are kept by ``helper``, who is the host."""
        if not are_satisfied(terms.requirements, None):
            raise Refused(
                "SR-RUN-051",
                "requirements that a local sandbox cannot satisfy reached one",
                why="choosing the module and this check disagree",
                fix="report it; nothing was run",
                workflow_id=self._workflow.workflow_id,
            )
        self.start()
        answer = self._runners.execute(
            owner=self._workflow.owner,
            module_key=self._module_key,
            wasm=self._wasm,
            request=request.SerializeToString(deterministic=True),
            helper=helper,
        )
        try:
            return sdk_pb2.ExecutionResult.FromString(answer)
        except DecodeError as error:
            raise GuestFault(
                "SR-GUEST-002",
                "the guest's result is not an ExecutionResult",
                fix="build the guest with a supported SDK",
                workflow_id=self._workflow.workflow_id,
            ) from error

    def backend(self) -> Backend:
        """Always ``local``."""
        return LOCAL

    def close(self) -> None:
        """Runners belong to the pool; there is nothing to let go of."""
