"""What was sealed to the vault, as the entry that it keeps: the value, and which runs may read it.

Rule 1: a test store keeps secrets for tests only, a production store none of them: they are different stores with
different keys, so that no mistake in a policy for tests opens what matters.
Rule 2: a plain value, from a client that knows no entries, gets what is usual in its store: in a test store every run
may read it, in a production store only one on attested hardware.
Source: contracts/attestation.md 17.4.
"""

from strongroom.attest.assurance import LOCAL
from strongroom.attest.evidence import HARDWARE
from strongroom.attest.secret_entry import SecretEntry, decode_secret_entry, is_secret_entry
from strongroom.attest.vault_identity import TEST_STORE
from strongroom.plugin import EvidenceRejected
from strongroom_vault.limits import CIPHERTEXT_BYTES_MAX, VALUE_BYTES_MAX
from strongroom_vault.names import SecretName, SecretRefused

__all__ = ["entry_of"]


def entry_of(opened: bytes, name: SecretName, *, sealed_bytes: int, store: str) -> SecretEntry:
    """The entry in ``opened``, which was sealed for ``name`` in ``sealed_bytes`` bytes. Raises ``SecretRefused``."""
    is_test = store == TEST_STORE
    if is_secret_entry(opened):
        entry = _decoded(opened)
        if (entry.owner, entry.namespace, entry.key) != (name.owner, name.namespace, name.key):
            raise SecretRefused("the value was sealed for another owner, namespace or key: seal it again for this one")
        if entry.is_test_only and not is_test:
            raise SecretRefused("this vault keeps production secrets, and this one was made with --test-only")
        if is_test and not entry.is_test_only:
            raise SecretRefused("this vault is for tests, and keeps only secrets that were made with --test-only")
    else:
        if sealed_bytes > CIPHERTEXT_BYTES_MAX:
            text = f"encrypted_value: {sealed_bytes} bytes of ciphertext is more than {CIPHERTEXT_BYTES_MAX}"
            raise SecretRefused(text)
        entry = SecretEntry(
            owner=name.owner,
            namespace=name.namespace,
            key=name.key,
            value=opened,
            min_assurance=LOCAL if is_test else HARDWARE,
            is_test_only=is_test,
        )
    try:
        entry.value.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretRefused("the value is not UTF-8 text, and workflows receive secrets as text") from None
    return entry


def _decoded(opened: bytes) -> SecretEntry:
    try:
        return decode_secret_entry(opened, bytes_max=VALUE_BYTES_MAX)
    except EvidenceRejected as refusal:
        # The refusal names the field, its type and its size, never what is in it.
        raise SecretRefused(f"the sealed entry is wrong: {refusal}") from None
