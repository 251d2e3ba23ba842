"""What an appraisal writes down: every check with its outcome, and what it means for the trustworthiness vector.

Rule 1: an element is affirming when something was checked for it and everything that was checked holds.
Rule 2: an element that must be checked and was not is contraindicated, so a rule that is forgotten refuses.
Rule 3: what could not be compared affirms nothing: the element makes no claim.
Source: contracts/attestation.md 16.1.
"""

from collections.abc import Mapping
from typing import Final

from strongroom.attest.ar4si import (
    AFFIRMED,
    CONFIGURATION,
    CONTRADICTED,
    EXECUTABLES,
    HARDWARE_ELEMENT,
    IDENTITY_ELEMENT,
    NO_STATEMENT,
    RUNTIME_OPAQUE,
    UNRECOGNISED,
    WARNED_OF,
)
from strongroom.attest.checks import FAILED, NOT_CHECKED, PASSED, WARNED, Check
from strongroom.attest.ear import CHECKS_MAX

__all__ = ["ELEMENTS", "Findings"]

MANDATORY: Final = (HARDWARE_ELEMENT, EXECUTABLES, CONFIGURATION)
ELEMENTS: Final = (CONFIGURATION, EXECUTABLES, HARDWARE_ELEMENT, IDENTITY_ELEMENT, RUNTIME_OPAQUE)
"""What is spoken of. Nothing is claimed of the others: file system, storage, and where data come from."""
_UNRECOGNISED_ELEMENTS: Final = frozenset({IDENTITY_ELEMENT})


class Findings:
    """The checks of one appraisal, in their order, and the numbers that they come to."""

    __slots__ = ("_file", "_values", "checks")

    def __init__(self, file: str) -> None:
        """``file`` is the policy's, for the lines that checks name."""
        self._file = file
        self._values: dict[str, list[int]] = {name: [] for name in ELEMENTS}
        self.checks: list[Check] = []

    def check(
        self,
        check: str,
        is_held: bool,
        *,
        element: str,
        code: str,
        got: str = "",
        wanted: str = "",
        key: str = "",
        value: int = 0,
        fix: str = "",
    ) -> bool:
        """Write down whether a check holds, and say so. ``key`` is the line of the policy; ``value`` is what the
        element comes to when it does not, 96 or 97 as the element has it unless given; ``fix`` what to do then, where
        the code alone would not tell."""
        failed = value or (UNRECOGNISED if element in _UNRECOGNISED_ELEMENTS else CONTRADICTED)
        outcome = PASSED if is_held else FAILED
        self._add(check, outcome, element, AFFIRMED if is_held else failed, code, got, wanted, key, fix)
        return is_held

    def gate(
        self,
        check: str,
        is_held: bool,
        *,
        element: str,
        code: str,
        got: str,
        wanted: str,
        key: str = "",
        fix: str = "",
    ) -> bool:
        """Write down a check that stands before the others: it can speak against ``element``, and not for it."""
        outcome, value = (PASSED, None) if is_held else (FAILED, CONTRADICTED)
        self._add(check, outcome, element, value, code, got, wanted, key, fix)
        return is_held

    def warn(self, check: str, *, element: str, code: str, got: str, wanted: str, key: str) -> None:
        """Write down something that the policy puts up with."""
        self._add(check, WARNED, element, WARNED_OF, code, got, wanted, key)

    def skip(self, check: str, *, element: str, code: str, wanted: str) -> None:
        """Write down something that there was nothing to compare with."""
        self._add(check, NOT_CHECKED, element, NO_STATEMENT, code, "not checked", wanted, "")

    def affirm(self, element: str) -> None:
        """Let ``element`` be affirming by the nature of the kind."""
        self._values[element].append(AFFIRMED)

    def vector(self, *, is_bound: bool) -> Mapping[str, int]:
        """The numbers. What is not bound to anything is never affirming."""
        numbers = {name: self._number(name) for name in ELEMENTS}
        if not is_bound:
            return {name: NO_STATEMENT if number == AFFIRMED else number for name, number in numbers.items()}
        return numbers

    def _number(self, name: str) -> int:
        values = self._values[name]
        if not values:
            return CONTRADICTED if name in MANDATORY else NO_STATEMENT
        if max(values) > AFFIRMED:
            return max(values)
        return min(values)

    def _add(
        self,
        check: str,
        outcome: str,
        element: str,
        value: int | None,
        code: str,
        got: str,
        wanted: str,
        key: str,
        fix: str = "",
    ) -> None:
        if len(self.checks) >= CHECKS_MAX:
            raise OverflowError(f"more than {CHECKS_MAX} checks")
        is_code_shown = outcome != PASSED
        self.checks.append(
            Check(
                id=check,
                outcome=outcome,
                got=got,
                wanted=wanted,
                policy_ref=f"{self._file}:{key}" if key else "",
                code=code if is_code_shown else "",
                fix=fix if is_code_shown else "",
            )
        )
        if value is not None:
            self._values[element].append(value)
