"""What can be sealed to a TPM, and what not. That a TPM opens it is shown in tests/attest/test_tpm_enrolment.py."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.tpm_credential import CREDENTIAL_BYTES_MAX, make_credential
from strongroom.errors import InvalidInput
from tests.fakes.pki_tpm import EK, key

NAME = b"\x00\x0b" + bytes(32)
EK_KEY = PublicKey(EK.public_key())


@pytest.mark.parametrize("size", [1, CREDENTIAL_BYTES_MAX])
def test_a_credential_becomes_two_structures_of_fixed_size(size):
    id_object, secret = make_credential(EK_KEY, NAME, bytes(size))
    assert id_object[:4] == (2 + 32 + 2 + size).to_bytes(2, "big") + b"\x00\x20"
    assert len(id_object) == 2 + 2 + 32 + 2 + size
    assert secret[:4] == b"\x00\x44\x00\x20"
    assert len(secret) == 2 + 2 * (2 + 32)


@pytest.mark.parametrize(
    ("ek", "name", "credential", "code"),
    [
        (PublicKey(key("p384", ec.SECP384R1).public_key()), NAME, b"c", "SR-TPM-001"),
        (EK_KEY, NAME[:-1], b"c", "SR-TPM-002"),
        (EK_KEY, NAME + b"\0", b"c", "SR-TPM-002"),
        (EK_KEY, NAME, b"", "SR-TPM-003"),
        (EK_KEY, NAME, bytes(CREDENTIAL_BYTES_MAX + 1), "SR-TPM-003"),
    ],
    ids=["another curve", "short name", "long name", "nothing", "too much"],
)
def test_what_no_tpm_would_open_is_refused(ek, name, credential, code):
    with pytest.raises(InvalidInput) as refused:
        make_credential(ek, name, credential)
    assert refused.value.code == code
