"""What the vault takes and gives at most.

The first six are those of the network's vault (capability-wire 11.5), so that whatever is stored here could be stored
there. KB is decimal, as everywhere in that contract.
"""

from typing import Final

__all__ = [
    "CIPHERTEXT_BYTES_MAX",
    "ENCRYPTION_KEYS_MAX",
    "KEY_BYTES_MAX",
    "NAMESPACE_BYTES_MAX",
    "OWNER_BYTES_MAX",
    "REQUEST_ID_BYTES_MAX",
    "SECRETS_PER_OWNER_MAX",
    "SECRETS_PER_REQUEST_MAX",
    "WORKFLOW_READS_MAX",
]

CIPHERTEXT_BYTES_MAX: Final = 2_000  # sealed; a value is 48 bytes shorter
KEY_BYTES_MAX: Final = 64
NAMESPACE_BYTES_MAX: Final = 64
OWNER_BYTES_MAX: Final = 64
SECRETS_PER_OWNER_MAX: Final = 100
SECRETS_PER_REQUEST_MAX: Final = 10
ENCRYPTION_KEYS_MAX: Final = 32  # one seal costs about 0.1 ms, and 10 secrets times 32 keys is still one quick call
REQUEST_ID_BYTES_MAX: Final = 256  # it is only echoed
WORKFLOW_READS_MAX: Final = 1_000  # as many as a host has workflows
