"""What the service and the hosts that call it agree on: the one method, its messages, its limits."""

from collections.abc import Sequence
from typing import Final

__all__ = ["CALL_BYTES_MAX", "CAPABILITY", "EXECUTE", "SERVICE", "TRANSPORT_OPTIONS"]

CAPABILITY: Final = "vault@1.0.0"
SERVICE: Final = "strongroom.vault.v1.VaultService"
EXECUTE: Final = "Execute"
CALL_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a call and of its answer: a manifest has up to 1 MiB, a release that and its evidence or attestation result."""
FRAME_BYTES: Final = 64 * 1024
"""What gRPC may take beyond that, so that a refusal comes from us, with the limit in its text."""
TRANSPORT_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_send_message_length", CALL_BYTES_MAX + FRAME_BYTES),
    ("grpc.max_receive_message_length", CALL_BYTES_MAX + FRAME_BYTES),
    # A proxy of the environment would only see TLS, and be one more place where calls get lost.
    ("grpc.enable_http_proxy", 0),
)
