"""Which workflows may read and write which mounts. Nobody may, until the operator says so."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import capabilities_pb2

__all__ = ["Access", "Grants"]

Access = Literal["read", "write"]
MOUNTS_MAX: Final = 1000
ENTRIES_MAX: Final = 1000
"""Of one list; an operator who lists more workflows than that wants a pattern."""
_MOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_WORKFLOW: Final = re.compile(r"\*|(?:\*|[0-9a-f]{40})/(?:\*|[0-9A-Za-z_.-]{1,64})")


@dataclass(frozen=True, slots=True)
class Grants:
    """By mount and access, the patterns of workflows."""

    by_mount: Mapping[str, Mapping[Access, frozenset[str]]]

    @classmethod
    def parsed(cls, section: object) -> "Grants":
        """The grants in a config section. Raises ``ValueError`` with what is wrong."""
        if not isinstance(section, Mapping) or len(section) > MOUNTS_MAX:
            raise ValueError(f"mounts must be a mapping of at most {MOUNTS_MAX} names of mounts")
        by_mount: dict[str, Mapping[Access, frozenset[str]]] = {}
        for mount, lists in section.items():
            if not isinstance(mount, str) or not _MOUNT.fullmatch(mount):
                raise ValueError(f"mounts: {str(mount)[:64]!r} is no name of a mount")
            if not isinstance(lists, Mapping) or not set(lists) <= {"read", "write"}:
                raise ValueError(f"mounts.{mount} has the lists read and write, and nothing else")
            by_mount[mount] = {
                "read": _patterns(f"mounts.{mount}.read", lists.get("read", [])),
                "write": _patterns(f"mounts.{mount}.write", lists.get("write", [])),
            }
        return cls(by_mount)

    def check(self, metadata: capabilities_pb2.RequestMetadata, mount: str, access: Access) -> None:
        """Raise ``CapabilityError`` (PermissionDenied) unless the workflow may do that with ``mount``.

        A call that comes from no workflow is the operator's own, who has the whole host.
        """
        if not metadata.workflow_id and not metadata.workflow_execution_id:
            return
        lists = self.by_mount.get(mount, {})
        allowed = lists.get("write", frozenset()) | (
            lists.get("read", frozenset()) if access == "read" else frozenset()
        )
        owner = metadata.workflow_owner.removeprefix("0x").lower()
        name = metadata.decoded_workflow_name
        if allowed.isdisjoint({"*", "*/*", f"{owner}/{name}", f"*/{name}", f"{owner}/*"}):
            text = (
                f"workflow {name[:64] or metadata.workflow_id} may not {access} workspace {mount[:64]}: "
                f'its operator allows it in plugins.yaml, plugin workspace, mounts.{mount[:64]}.{access}: ["*/{name}"]'
            )
            raise CapabilityError("Public", "User", "PermissionDenied", text)


def _patterns(where: str, value: Any) -> frozenset[str]:  # Any: what a person wrote
    if not isinstance(value, list | tuple) or len(value) > ENTRIES_MAX:
        raise ValueError(f"{where} must be a list of at most {ENTRIES_MAX} workflows")
    for pattern in value:
        if not isinstance(pattern, str) or not _WORKFLOW.fullmatch(pattern):
            shown = str(pattern)[:120]
            raise ValueError(f'{where}: {shown!r} is no workflow: write "*", "*/NAME", "OWNER/NAME" or "OWNER/*"')
    return frozenset(value)
