"""The private file in the place of the public one, for every command that takes a key: refused, and never shown."""

import hashlib
import json

import pytest

from strongroom.crypto.signing import SigningKey
from tests.cli.test_receipt_verify import accepting, receipt_file
from tests.fakes.policies import toml
from tests.fakes.terminal import strongroom

SECRET = bytes(range(100, 132))
LINE = f"strongroom-signing-key-1:{SECRET.hex()}"
GRANTS = {"owner": "0x" + "11" * 20, "serial": 1, "grants": []}
REFERENCE = "reference.json"


@pytest.fixture(autouse=True)
def files(tmp_path):
    """A key pair, a policy, a receipt, and a reference value that nobody signed."""
    key = SigningKey.from_raw(SECRET)
    key.save(tmp_path / "owner.key")
    (tmp_path / "owner.key.pub").write_text(f"{key.public.hex()}\n")
    (tmp_path / "policy.toml").write_bytes(toml(accepting()))
    receipt_file(tmp_path)
    (tmp_path / REFERENCE).write_text("{}")
    (tmp_path / "grants.json").write_text(json.dumps(GRANTS))


WANT_PUBLIC = {
    "secret set": ("secret", "set", "K", "--vault-key", "KEY"),
    "vault identity": ("vault", "identity", "--vault-key", "KEY"),
    "manifest grant": ("vault", "manifest", "grant", "hello", "--owner-key", "owner.key", "--vault-key", "KEY"),
    "receipt verify": ("receipt", "verify", "run.receipt", "--vault-key", "KEY"),
    "receipt verify, policy": ("receipt", "verify", "run.receipt", "--policy", "policy.toml", "--policy-key", "KEY"),
    "attest verify": ("attest", "verify", "run.receipt", "--policy", "policy.toml", "--policy-key", "KEY"),
    "policy test": ("policy", "test", "policy.toml", "--key", "KEY"),
    "policy test, reference": ("policy", "test", "policy.toml", "--reference", REFERENCE, "--reference-key", "KEY"),
    "policy diff": ("policy", "diff", "policy.toml", "policy.toml", "--key", "KEY"),
}


def ended(host, words, key):
    """The end of a command, of which nothing shows the private key."""
    found = strongroom(*(key if word == "KEY" else word for word in words), stdin=b"v")
    assert SECRET.hex() not in found.out + found.err
    assert not host.secrets
    return found


@pytest.mark.parametrize("key", ["owner.key", LINE], ids=["file", "its line"])
@pytest.mark.parametrize("words", WANT_PUBLIC.values(), ids=WANT_PUBLIC)
def test_a_private_key_is_refused_as_one_where_a_public_one_is_wanted(host, wasm, words, key):
    if words[2] == "grant":
        assert strongroom("workflow", "register", str(wasm), "--name", "hello").code == 0
    found = ended(host, words, key)
    assert (found.code, found.out) == (65, "")
    assert "it is a private key" in found.err
    assert "SR-CLI-111" in found.err or "SR-CLI-096" in found.err


def test_a_private_key_in_the_settings_is_refused_as_one(host, tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_VAULT_PUBLIC_KEY_FILE", str(tmp_path / "owner.key"))
    found = ended(host, ("secret", "set", "K"), "")
    assert (found.code, "it is a private key" in found.err) == (65, True)


@pytest.mark.parametrize("name", ["secret set", "vault identity", "receipt verify"])
def test_digits_that_somebody_copied_out_of_a_private_file_are_not_printed_back(host, name):
    found = ended(host, WANT_PUBLIC[name], SECRET.hex())
    assert found.code != 0
    assert hashlib.sha256(SECRET).hexdigest() in found.out + found.err


def test_a_signature_by_another_key_names_the_wanted_one_by_its_fingerprint(host, tmp_path):
    found = ended(host, WANT_PUBLIC["policy test, reference"], "owner.key.pub")
    public = SigningKey.from_raw(SECRET).public
    assert (found.code, hashlib.sha256(public).hexdigest() in found.err) == (65, True)
    assert public.hex() not in found.err


@pytest.mark.parametrize(
    "words",
    [
        ("policy", "sign", "policy.toml", "--key", "KEY"),
        ("vault", "manifest", "sign", "grants.json", "--output", "m.cbor", "--owner-key", "KEY"),
    ],
    ids=["policy sign", "manifest sign"],
)
def test_a_public_key_is_refused_as_one_where_a_private_one_is_wanted(host, tmp_path, words):
    (tmp_path / "owner.key.pub").chmod(0o600)
    found = ended(host, words, "owner.key.pub")
    assert found.code == 65
    assert "SR-CLI-099" in found.err
    assert "it is a public key" in found.err
