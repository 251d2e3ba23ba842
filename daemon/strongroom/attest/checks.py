"""One check and how it came out: what refusals, appraisals and receipts show to people and programs."""

from dataclasses import dataclass
from typing import Final

__all__ = ["FAILED", "NOT_CHECKED", "OUTCOMES", "PASSED", "WARNED", "Check"]

PASSED: Final = "passed"
FAILED: Final = "failed"
WARNED: Final = "warned"
"""It holds as far as the policy goes, which lists what is less than it should be."""
NOT_CHECKED: Final = "not checked"
"""There was nothing to compare with."""
OUTCOMES: Final = frozenset({PASSED, FAILED, WARNED, NOT_CHECKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at (``id``, as ``result signature``), one of ``OUTCOMES``, what was found and what was
    wanted. ``code`` is that of the refusal, ``policy_ref`` the line of the policy as ``file:dotted.key``, ``fix`` what
    to do where the code alone would not tell; each is empty where there is none."""

    id: str
    outcome: str
    got: str = ""
    wanted: str = ""
    policy_ref: str = ""
    code: str = ""
    fix: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether it holds. Everything that is not ``passed`` does not."""
        return self.outcome == PASSED
