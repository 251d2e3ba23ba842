"""Keys as text: a private key is never taken for a public one, and nothing of what is refused is repeated."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from strongroom.crypto.box import BoxKey
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.key_text import is_private, private_bytes, private_line, public_key_in
from strongroom.crypto.signing import SigningKey
from strongroom.errors import InvalidInput
from strongroom_vault.key import create_key_file

PUBLIC = SigningKey.generate().public


def signing_key(path):
    SigningKey.generate().save(path)


def box_key(path):
    BoxKey.generate().save(path)


def authority(path):
    DevelopmentAuthority.generate(now=datetime.now(UTC)).save(path)


def pem(path):
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    "text",
    [PUBLIC.hex(), PUBLIC.hex().upper(), f"# whose\n\n  {PUBLIC.hex()}\r\n"],
    ids=["lower case", "upper case", "comments"],
)
def test_a_public_key_is_64_hex_digits_among_comments(text):
    assert public_key_in(text) == PUBLIC
    assert not is_private(text)


@pytest.mark.parametrize(
    "make", [signing_key, box_key, authority, create_key_file, pem], ids=lambda make: make.__name__
)
def test_every_file_with_a_private_key_is_refused_as_one(tmp_path, make):
    make(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    assert is_private(text)
    with pytest.raises(InvalidInput) as caught:
        public_key_in(text)
    assert caught.value.code == "SR-SIGN-004"
    assert "it is a private key" in str(caught.value)
    said = f"{caught.value} {caught.value.fix} {caught.value.details}"
    assert not any(word in said for word in text.replace(":", " ").split() if len(word) > 30)


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "ab" * 31, "ab" * 33, "zz" * 32, f"{'ab' * 32}\n{'cd' * 32}", "\ufffd" * 64, f"0x{'ab' * 32}"],
)
def test_what_is_no_key_is_refused_without_showing_it(text):
    with pytest.raises(InvalidInput) as caught:
        public_key_in(text)
    assert caught.value.code == "SR-SIGN-005"
    assert "abab" not in f"{caught.value} {caught.value.fix}"


def test_a_line_is_read_back_under_its_own_label_only():
    line = private_line("signing-key-1", bytes(range(32)))
    assert private_bytes("signing-key-1", line) == bytes(range(32))
    for other in (f"{line}0", line[:-1], line.upper(), bytes(32).hex(), ""):
        assert private_bytes("signing-key-1", other) is None
    assert private_bytes("box-key-1", line) is None


def test_a_file_of_bare_digits_is_no_signing_key():
    assert SigningKey.from_text(bytes(32).hex()) is None
