"""Where a run executes, decided when it is accepted and again before it begins.

1. A workflow whose attributes say confidential: in the enclave, all of it. Its requirements must hold there as well.
2. Any other: subscribe and pre-hook in the local sandbox; a run in the first that satisfies its trigger's requirements,
   the local sandbox before the enclave.
3. Neither: nowhere. There is no third place, and "it cannot be asked now" is never "it is not needed".

Source: contracts, "confidential" sections 7 and 8.
"""

from typing import Final

from strongroom.engine.specs import Spec
from strongroom.errors import StrongroomError, Unavailable, WrongState
from strongroom.modules.module import Terms
from strongroom.modules.requirements import are_satisfied, asks_for_a_tee
from strongroom.modules.route import CONFIDENTIAL, LOCAL
from strongroom.modules.tees import ProvidedTees
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["CANNOT_BE_ASKED", "Selection", "terms_of"]

NOWHERE: Final = "cannot find a runner that can satisfy the requirements for trigger"
CANNOT_BE_ASKED: Final = "SR-RUN-053"
"""The code of the refusal that may be over in a moment."""


class Selection:
    """Chooses by attributes, requirements, and what the enclaves of this host provide now."""

    def __init__(self, tees: ProvidedTees) -> None:
        self._tees = tees

    def module_of(self, spec: Spec, trigger_index: int) -> str:
        """``local`` or ``confidential``: where a run of that trigger executes.

        Raises ``WrongState`` when nothing satisfies its requirements, ``Unavailable`` when the enclave that might do so
        could not be asked.
        """
        requirements = _requirements(spec, trigger_index)
        if not spec.attributes.confidential and are_satisfied(requirements, None):
            return LOCAL
        if self._enclave_satisfies(requirements, trigger_index):
            return CONFIDENTIAL
        raise WrongState(
            "SR-RUN-012",
            f"{NOWHERE} {trigger_index}",
            why="they ask for something that neither the local sandbox nor the enclave of this host provides",
            fix="run it on a host with such an enclave: strongroom plugin list shows what this one has",
            workflow_id=spec.workflow_id,
        )

    def place(self, spec: Spec, trigger_index: int) -> tuple[str, str]:
        """As ``module_of``, for showing: the module and nothing, or nothing and the reason."""
        try:
            return self.module_of(spec, trigger_index), ""
        except StrongroomError as error:
            return "", str(error)

    def _enclave_satisfies(self, requirements: sdk_pb2.Requirements | None, trigger_index: int) -> bool:
        if not asks_for_a_tee(requirements):
            # Nothing that the enclave says could change the answer, so it is not asked.
            return are_satisfied(requirements, ())
        try:
            return are_satisfied(requirements, self._tees.now())
        except Unavailable as error:
            raise Unavailable(
                CANNOT_BE_ASKED,
                f"{NOWHERE} {trigger_index} now",
                why=error.why or str(error),
                fix="try again in a moment; it is not run anywhere else",
                retry_ms=error.details.get("retry_ms", 1000),
            ) from error


def terms_of(spec: Spec, trigger_index: int, restrictions: sdk_pb2.Restrictions | None = None) -> Terms:
    """What a run of that trigger is subject to, wherever it executes."""
    return Terms(_requirements(spec, trigger_index), restrictions)


def _requirements(spec: Spec, trigger_index: int) -> sdk_pb2.Requirements | None:
    subscription = spec.subscriptions[trigger_index]
    return subscription.requirements if subscription.HasField("requirements") else None
