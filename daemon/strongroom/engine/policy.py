"""What guests and clients may not call: capabilities that are the host's own business, and secrets of others."""

from collections.abc import Iterable

from strongroom.errors import Forbidden
from strongroom.guest.ids import owner_checksum
from strongroom.modules.attributes import SecretName
from strongroom.modules.capabilities import Capabilities, Executable
from strongroom.modules.vault_reads import check_vault_read, is_vault
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.system_only import system_only

__all__ = ["admitted_call", "refuse_system_only"]


def admitted_call(
    call: capabilities_pb2.CapabilityRequest, capabilities: Capabilities, listed: Iterable[SecretName]
) -> Executable:
    """The capability that a guest's ``call`` goes to. A read of the vault is made one of what the workflow may read.

    Raises ``Forbidden`` for what no guest calls, ``CapabilityError`` for secrets that it may not read, ``NotFound``.
    """
    if not is_vault(call.capabilityId):
        refuse_system_only(call.capabilityId, call.method)
        return capabilities.get_executable(call.capabilityId)
    vault = capabilities.get_executable(call.capabilityId)
    names = [(name.namespace, name.key) for name in listed]
    check_vault_read(call, vault, owner=owner_checksum(call.metadata.workflow_owner), listed=names)
    return vault


def refuse_system_only(capability_id: str, method: str) -> None:
    """Raises ``Forbidden`` for what is called by the host only, whoever else wants to."""
    if system_only(capability_id, method):
        raise Forbidden(
            "SR-CAP-002",
            f"{capability_id} {method} may be called by the host only",
            fix="secrets reach a workflow through get_secrets; confidential runs start through RunService",
            capability=capability_id,
            method=method,
        )
