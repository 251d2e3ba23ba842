"""What is written down about calls: who made them."""

from contextvars import ContextVar
from typing import Final

__all__ = ["CALLER"]

CALLER: Final[ContextVar[str]] = ContextVar("strongroom_caller", default="")
"""Name of whoever made the call that is being answered; empty outside of calls."""
