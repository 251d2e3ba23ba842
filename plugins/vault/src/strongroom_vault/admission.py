"""Who calls, with how much: the checks of a request as a whole.

The host stamps the owner of a calling workflow into the metadata. A request without one comes from the host itself, on
behalf of its operator's tools, and names the owner in each secret.
"""

from strongroom.attest.secret_entry import ENTRY_OVERHEAD_BYTES_MAX
from strongroom.plugin import Call, CapabilityError
from strongroom_vault.limits import CIPHERTEXT_BYTES_MAX, REQUEST_ID_BYTES_MAX, SECRETS_PER_REQUEST_MAX
from strongroom_vault.names import SecretRefused, normal_owner

__all__ = ["caller_of", "check_count", "managing_caller_of", "sealed_bytes"]


def caller_of(call: Call) -> str:
    """Owner of the calling workflow, 40 hex digits; empty for the host itself. Raises ``CapabilityError``."""
    if not call.metadata.workflow_owner:
        return ""
    try:
        return normal_owner(call.metadata.workflow_owner)
    except SecretRefused as refusal:
        raise _refused("InvalidArgument", f"metadata.workflow_owner: {refusal}") from None


def managing_caller_of(call: Call, request_id: str) -> str:
    """As ``caller_of``, for methods that change or list secrets. A running workflow may do neither."""
    if call.metadata.workflow_execution_id:
        raise _refused("PermissionDenied", f"{call.method} cannot be called by a running workflow")
    if (size := len(request_id.encode())) > REQUEST_ID_BYTES_MAX:
        raise _refused("LimitExceeded", f"request_id: {size} bytes is more than {REQUEST_ID_BYTES_MAX}")
    return caller_of(call)


def check_count(count: int) -> None:
    """Refuse requests for no secret or for too many."""
    if count == 0:
        raise _refused("InvalidArgument", "the request names no secret")
    if count > SECRETS_PER_REQUEST_MAX:
        raise _refused("LimitExceeded", f"secrets per request: {count} is more than {SECRETS_PER_REQUEST_MAX}")


def sealed_bytes(untrusted_hex: str) -> bytes:
    """The bytes of an ``encrypted_value``. Raises ``SecretRefused``."""
    if not untrusted_hex:
        raise SecretRefused("encrypted_value is missing")
    limit = CIPHERTEXT_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX
    if (size := (len(untrusted_hex) + 1) // 2) > limit:
        raise SecretRefused(f"encrypted_value: {size} bytes of ciphertext is more than {limit}")
    try:
        return bytes.fromhex(untrusted_hex)
    except ValueError:
        raise SecretRefused("encrypted_value is not hex") from None


def _refused(name: str, message: str) -> CapabilityError:
    return CapabilityError("Public", "User", name, message)
