"""What a message of the dialect may hold at most, with the reason for each.

Source: contracts/confidential.md 10, which gives the size of a body, and 11.
"""

from typing import Final

__all__ = [
    "BODY_BYTES_MAX",
    "CIPHERTEXTS_MAX",
    "DOCUMENT_BYTES_MAX",
    "ENCLAVES_MAX",
    "KEYS_MAX",
    "MEASUREMENT_SETS_MAX",
    "MEASUREMENT_SETS_TEXT_MAX",
    "NAME_BYTES_MAX",
    "SECRETS_MAX",
    "SIGNED_REQUESTS_MAX",
    "SIGNERS_MAX",
    "TEXT_BYTES_MAX",
]

BODY_BYTES_MAX: Final = 64 * 1024 * 1024  # confidential.md 10: one body of the enclave, or one message of a relay
SIGNERS_MAX: Final = 64  # nodes of one network; each signature may be held against each of them
SIGNED_REQUESTS_MAX: Final = 64  # one for each node
CIPHERTEXTS_MAX: Final = 1_000  # ciphertexts, names, lists of shares, and shares in each list
SECRETS_MAX: Final = 100  # an owner has no more
KEYS_MAX: Final = 64  # a key lives for 24 h and is rotated every 12 h: two are usual
ENCLAVES_MAX: Final = 1_000  # of one list in a registry
NAME_BYTES_MAX: Final = 256  # ids, keys, namespaces, versions, types, regions
TEXT_BYTES_MAX: Final = 8 * 1024  # urls, headers and errors
DOCUMENT_BYTES_MAX: Final = 64 * 1024  # an attestation document; strongroom.attest takes no more
MEASUREMENT_SETS_MAX: Final = 64  # releases that are trusted at a time
MEASUREMENT_SETS_TEXT_MAX: Final = 64 * 1024  # and their JSON
