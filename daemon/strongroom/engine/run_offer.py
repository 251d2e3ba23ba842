"""``run@1.0.0`` as the registry lists it: offered by the host itself, and answered there for nobody."""

from typing import Final

from strongroom.engine.run_capability import DESCRIPTION, RUN_CAPABILITY, Elsewhere
from strongroom.registry.bounds import BoundedExecutable, Gate
from strongroom.registry.limits import CallLimits
from strongroom.registry.slot import Offer

__all__ = ["own_offer"]

PROVIDER: Final = "strongroom"


def own_offer() -> Offer:
    """What is registered before any plugin is."""
    executable = BoundedExecutable(Elsewhere(), Gate(CallLimits(), PROVIDER))
    return Offer(id=RUN_CAPABILITY, kind="action", description=DESCRIPTION, plugin=PROVIDER, executable=executable)
