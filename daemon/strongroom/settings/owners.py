"""The section ``owners``: what one owner may have of a host that several share.

The limits of the section ``limits`` are those of the host as a whole. Where there are several owners none of them takes
all of that, whatever stands here; these are further limits, for every owner or for one.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from strongroom.settings.fields import AT_RELOAD, Text, as_tuple

__all__ = ["Override", "OwnerSettings", "parse_override"]

OVERRIDES_MAX: Final = 1_000
NUMBER_MAX: Final = 1_000_000
NAMES: Final = ("runs_executing_max", "runs_queued_max", "runs_waiting_max", "starts_per_s", "starts_burst")
AT_LEAST_ONE: Final = frozenset({"runs_executing_max", "starts_burst"})
_ENTRY: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{40})((?: [a-z_]+=[0-9]{1,7})+)")

Number = Annotated[int, Field(strict=True, ge=0, le=NUMBER_MAX)]
Positive = Annotated[int, Field(strict=True, ge=1, le=NUMBER_MAX)]


@dataclass(frozen=True, slots=True)
class Override:
    """What one owner has instead of the values of the section: numbers by the names of its settings."""

    owner: str
    numbers: dict[str, int]


def parse_override(text: str) -> Override:
    """``OWNER name=number …`` as it is meant. Raises ``ValueError`` in words for the operator."""
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ValueError("write an owner and its numbers: 0x… starts_per_s=10 runs_queued_max=100")
    numbers: dict[str, int] = {}
    for each in found[2].split():
        name, _, digits = each.partition("=")
        if name not in NAMES:
            raise ValueError(f"{name} is no limit of an owner; they are {', '.join(NAMES)}")
        if name in numbers:
            raise ValueError(f"{name} stands there twice")
        numbers[name] = int(digits)
        if not (name in AT_LEAST_ONE) <= numbers[name] <= NUMBER_MAX:
            raise ValueError(f"{name} must be {int(name in AT_LEAST_ONE)} to {NUMBER_MAX}")
    return Override(found[1].lower(), numbers)


def _checked(entries: tuple[str, ...]) -> tuple[str, ...]:
    if len(entries) > OVERRIDES_MAX:
        raise ValueError(f"{len(entries)} entries are more than {OVERRIDES_MAX}")
    owners = [parse_override(each).owner for each in entries]
    twice = next((owner for owner in owners if owners.count(owner) > 1), None)
    if twice is not None:
        raise ValueError(f"owner {twice} has two entries")
    return entries


class OwnerSettings(BaseModel):
    """The section ``owners``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs_executing_max: Positive = Field(
        default=32,
        description="Runs of one owner that are executed at once; the host has half as many places more, for others.",
        json_schema_extra=AT_RELOAD,
    )
    runs_queued_max: Number = Field(
        default=0,
        description="Accepted runs of one owner that do not wait; 0: what limits.runs_queued_max leaves to one owner.",
        json_schema_extra=AT_RELOAD,
    )
    runs_waiting_max: Number = Field(
        default=0,
        description="Runs of one owner that wait for something outside; 0: its part of limits.runs_waiting_max.",
        json_schema_extra=AT_RELOAD,
    )
    starts_per_s: Number = Field(
        default=0,
        description="Starts of one owner in a second, by calls and triggers; 100 KB of payload are one more; 0: any.",
        json_schema_extra=AT_RELOAD,
    )
    starts_burst: Positive = Field(
        default=100,
        description="Starts of one owner at once beyond starts_per_s, after a while without any.",
        json_schema_extra=AT_RELOAD,
    )
    overrides: Annotated[tuple[Text, ...], BeforeValidator(as_tuple), AfterValidator(_checked)] = Field(
        default=(),
        description="Owners with numbers of their own: OWNER name=number …, such as 0x… starts_per_s=10.",
        json_schema_extra=AT_RELOAD,
    )

    def of_every_owner(self) -> dict[str, int]:
        """The numbers of whoever has none of his own."""
        return {name: cast("int", getattr(self, name)) for name in NAMES}

    def of_some(self) -> dict[str, dict[str, int]]:
        """The numbers of those who have some of their own, all of them, by owner."""
        found = map(parse_override, self.overrides)
        return {each.owner: {**self.of_every_owner(), **each.numbers} for each in found}
