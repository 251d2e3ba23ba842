"""Which secrets the operator opens to a workflow that reads the vault itself, beside those that its attributes list.

The host asks before it lets a workflow's call through; it and not the vault knows the attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.plugin.messages import capabilities_pb2
from strongroom_vault.limits import SECRETS_PER_OWNER_MAX, WORKFLOW_READS_MAX
from strongroom_vault.names import DEFAULT_NAMESPACE, SecretName, SecretRefused, normal_owner

__all__ = ["WorkflowReads"]

MEMBERS: Final = {"workflow", "owner", "secrets"}


@dataclass(frozen=True, slots=True)
class _Entry:
    workflow: str
    owner: str
    secrets: tuple[tuple[str, str], ...]


class WorkflowReads:
    """The section ``workflow_reads``: a list of ``workflow`` (name or id), ``owner``, and ``secrets``.

    A secret is written ``KEY`` or ``namespace/KEY``.
    """

    def __init__(self, untrusted: Sequence[Mapping[str, Any]]) -> None:
        """Raises ``ValueError`` naming the entry."""
        if isinstance(untrusted, str | Mapping) or len(untrusted) > WORKFLOW_READS_MAX:
            raise ValueError(f"workflow_reads must be a list of at most {WORKFLOW_READS_MAX} entries")
        self._entries = [_entry(item, f"workflow_reads[{index}]") for index, item in enumerate(untrusted)]

    def open_to(self, metadata: capabilities_pb2.RequestMetadata, owner: str) -> list[SecretName]:
        """What the workflow in ``metadata``, which the host stamped, may read of ``owner`` (40 hex digits)."""
        known_as = {metadata.workflow_id, metadata.workflow_name, metadata.decoded_workflow_name} - {""}
        names = {
            SecretName(owner, namespace, key)
            for entry in self._entries
            if entry.workflow in known_as and entry.owner == owner
            for namespace, key in entry.secrets
        }
        return sorted(names, key=lambda name: (name.namespace, name.key))


def _entry(item: object, path: str) -> _Entry:
    if not isinstance(item, Mapping) or set(item) != MEMBERS:
        raise ValueError(f"{path} must have {', '.join(sorted(MEMBERS))} and nothing else")
    workflow, secrets = item["workflow"], item["secrets"]
    if not isinstance(workflow, str) or not workflow:
        raise ValueError(f"{path}.workflow must be the name or the id of a workflow")
    if isinstance(secrets, str) or not isinstance(secrets, Sequence) or len(secrets) > SECRETS_PER_OWNER_MAX:
        raise ValueError(f"{path}.secrets must be a list of at most {SECRETS_PER_OWNER_MAX} names")
    try:
        return _Entry(workflow, normal_owner(str(item["owner"])), tuple(_name(text) for text in secrets))
    except SecretRefused as refusal:
        raise ValueError(f"{path}: {refusal}") from None


def _name(text: object) -> tuple[str, str]:
    if not isinstance(text, str):
        raise SecretRefused("a secret is named by a text: KEY or namespace/KEY")
    namespace, _, key = text.rpartition("/")
    if not key:
        raise SecretRefused(f"secret {text!r} has no key")
    return namespace or DEFAULT_NAMESPACE, key
