"""What the vault takes and gives at most.

Those of names, values and requests are of the network's vault (capability-wire 11.5), so that whatever is stored here
could be stored there. KB is decimal, as everywhere in that contract.
"""

from typing import Final

__all__ = [
    "ATTEMPTS_MAX",
    "AUDIT_RECORDS_MAX",
    "CHALLENGES_KEPT_S",
    "CHALLENGES_OPEN_MAX",
    "CHALLENGES_PER_ATTEMPT_MAX",
    "CIPHERTEXT_BYTES_MAX",
    "ENCLAVE_CONFIGS_MAX",
    "ENCRYPTION_KEYS_MAX",
    "ENVELOPES_KEPT_S",
    "KEY_BYTES_MAX",
    "NAMESPACE_BYTES_MAX",
    "OWNERS_MAX",
    "OWNER_BYTES_MAX",
    "RELEASES_KEPT_S",
    "REQUEST_ID_BYTES_MAX",
    "SECRETS_PER_OWNER_MAX",
    "SECRETS_PER_REQUEST_MAX",
    "VALUE_BYTES_MAX",
    "WORKFLOW_READS_MAX",
]

CIPHERTEXT_BYTES_MAX: Final = 2_000  # sealed; a value is 48 bytes shorter
VALUE_BYTES_MAX: Final = CIPHERTEXT_BYTES_MAX - 48
KEY_BYTES_MAX: Final = 64
NAMESPACE_BYTES_MAX: Final = 64
OWNER_BYTES_MAX: Final = 64
SECRETS_PER_OWNER_MAX: Final = 100
SECRETS_PER_REQUEST_MAX: Final = 10
ENCRYPTION_KEYS_MAX: Final = 32  # one seal costs about 0.1 ms, and 10 secrets times 32 keys is still one quick call
REQUEST_ID_BYTES_MAX: Final = 256  # it is only echoed
WORKFLOW_READS_MAX: Final = 1_000  # as many as a host has workflows
ATTEMPTS_MAX: Final = 100  # of one execution that a configuration may allow; 3 unless it says otherwise
CHALLENGES_PER_ATTEMPT_MAX: Final = 3  # one is used, and two may be lost on the way
CHALLENGES_OPEN_MAX: Final = 10_000  # a minute of what one vault can answer
CHALLENGES_KEPT_S: Final = 86_400  # they are counted by attempt, and no attempt lasts for a day
ENVELOPES_KEPT_S: Final = 3_600  # a repeat comes from a runner that still lives, within its time limit
RELEASES_KEPT_S: Final = 90 * 86_400  # after that the host has forgotten the execution too
AUDIT_RECORDS_MAX: Final = 100_000  # a few KB each; the oldest go first, and the chain says where it begins
ENCLAVE_CONFIGS_MAX: Final = 64  # one for each kind of runner, and the old ones while they are replaced
OWNERS_MAX: Final = 10_000  # a line of configuration each
