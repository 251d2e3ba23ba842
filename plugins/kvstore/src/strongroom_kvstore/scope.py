"""Whose values a call is about: owner and workflow as the host stamped them, never as a payload says."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from strongroom.plugin import Call, CapabilityError

__all__ = ["Scope", "ScopeBy", "owner_of", "scope_of"]

ScopeBy = Literal["workflow_id", "workflow_name"]
_OWNER: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{40})")
_WORKFLOW: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Scope:
    """One workflow of one owner (40 lower-case hex digits)."""

    owner: str
    workflow: str

    @property
    def values(self) -> str:
        """What the store keys of its values start with."""
        return f"v/{self.workflow}/"

    @property
    def floor(self) -> str:
        """The store key of the version that every new key starts above."""
        return f"f/{self.workflow}"


def owner_of(call: Call) -> str:
    """Owner on whose behalf the call is made. Raises ``CapabilityError``."""
    match = _OWNER.fullmatch(call.metadata.workflow_owner)
    if match is None:
        raise _nobody("its metadata name no owner of 40 hex digits")
    return match[1].lower()


def scope_of(call: Call, by: ScopeBy) -> Scope:
    """The workflow that calls. Raises ``CapabilityError`` for a call that comes from none."""
    workflow = call.metadata.workflow_id if by == "workflow_id" else call.metadata.workflow_name
    if not _WORKFLOW.fullmatch(workflow):
        raise _nobody(f"its metadata hold no {by}")
    return Scope(owner_of(call), workflow)


def _nobody(why: str) -> CapabilityError:
    return CapabilityError("Public", "User", "InvalidArgument", f"values belong to the workflow that calls: {why}")
