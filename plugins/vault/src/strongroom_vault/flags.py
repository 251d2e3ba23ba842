"""The one flag of a vault process."""

from typing import Final

__all__ = ["SIMULATION_FLAG"]

SIMULATION_FLAG: Final = "--insecure-accept-simulated-tee"
"""One of the two acts by which an operator accepts simulations; the other is a signed test policy."""
