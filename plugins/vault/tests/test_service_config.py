"""The file of ``vault serve`` and the TLS files it names: each thing that may be wrong stops the start, by name."""

from datetime import UTC, datetime

import pytest

from strongroom.plugin import Misconfigured
from strongroom_vault.remote import RemoteVault
from strongroom_vault.service.config import FILE_BYTES_MAX, read_config
from strongroom_vault.service.files import PEM_BYTES_MAX, load_credentials
from tests.fakes.host_certificates import HostAuthority

OWNER = "d8da6bf26964af9d7eed9e03e53415d37aa96045"
GOOD = f"""
listen = "127.0.0.1:8478"
key_file = "vault.key"
state_file = "/srv/vault/vault.db"
enclave_config_files = ["enclave-config.cbor"]
attempts_max = 2

[tls]
certificate_file = "vault.pem"
key_file = "vault-tls.key"
client_ca_file = "hosts-ca.pem"
hosts = ["{"AB:" * 31}AB"]

[owners]
"{OWNER}" = "owner.pub"
"0x{OWNER}" = "{"cd" * 32}"
"""


def written(tmp_path, text):
    path = tmp_path / "vault.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_paths_count_from_the_directory_of_the_file_and_fingerprints_are_spelled_one_way(tmp_path):
    config = read_config(written(tmp_path, GOOD))
    assert config.listen == "127.0.0.1:8478"
    assert config.tls.key_file == tmp_path / "vault-tls.key"
    assert config.tls.hosts == {"ab" * 32}
    assert config.vault == {
        "key_file": str(tmp_path / "vault.key"),
        "state_file": "/srv/vault/vault.db",
        "enclave_config_files": [str(tmp_path / "enclave-config.cbor")],
        "attempts_max": 2,
        "owners": {OWNER: str(tmp_path / "owner.pub"), f"0x{OWNER}": "cd" * 32},
    }


def test_without_a_list_every_host_of_the_ca_may_call(tmp_path):
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith("hosts"))
    assert read_config(written(tmp_path, text)).tls.hosts is None


@pytest.mark.parametrize(
    ("old", "new", "where", "why"),
    [
        ("listen", "lisen", ":lisen cannot be used", "it is not known"),
        ("client_ca_file", "client_ca", ":tls.client_ca cannot be used", "it is not known"),
        ("key_file =", "# key_file =", ":key_file cannot be used", "it is missing"),
        ("certificate_file =", "# certificate_file =", ":tls.certificate_file cannot be used", "it is missing"),
        ('"127.0.0.1:8478"', '"8478"', ":listen cannot be used", "it is not ADDRESS:PORT"),
        ('"127.0.0.1:8478"', '"127.0.0.1:70000"', ":listen cannot be used", "it is not ADDRESS:PORT"),
        ('"127.0.0.1:8478"', "8478", ":listen cannot be used", "it is not a text"),
        ('"vault.key"', "7", ":key_file cannot be used", "it is not a text"),
        ('["enclave-config.cbor"]', '"enclave-config.cbor"', ":enclave_config_files", "it is not a list"),
        ('"AB:AB', '"AB', ":tls.hosts cannot be used", "no SHA-256 fingerprint"),
        ('hosts = ["', 'hosts = [] # ["', ":tls.hosts cannot be used", "it has 0 entries"),
        ('"owner.pub"', "3", f":owners.{OWNER} cannot be used", "it is not a text"),
        ("listen =", "listen", "cannot be used", "it is not TOML"),
        ("[tls]", "[tls", "cannot be used", "it is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_key(tmp_path, old, new, where, why):
    with pytest.raises(Misconfigured) as caught:
        read_config(written(tmp_path, GOOD.replace(old, new, 1)))
    assert caught.value.code == "SR-VAULT-041"
    assert where in caught.value.what
    assert why in caught.value.why
    assert caught.value.fix


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"#" * (FILE_BYTES_MAX + 1), b"a = " + b"[" * 5_000], ids=["binary", "too big", "deep"]
)
def test_a_file_that_nobody_wrote_by_hand_is_refused(tmp_path, content):
    with pytest.raises(Misconfigured, match="cannot be used"):
        read_config(written(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="No such file"):
        read_config(tmp_path / "none.toml")


def load(certificate, key, authority):
    return load_credentials(certificate, key, authority, now=datetime.now(UTC))


@pytest.fixture
def authority(tmp_path):
    return HostAuthority(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604], ids=oct)
def test_a_private_key_that_others_can_read_is_refused(authority, mode):
    host = authority.issue("host")
    host.key.chmod(mode)
    with pytest.raises(Misconfigured, match="others can read it") as caught:
        load(host.certificate, host.key, authority.path)
    assert "chmod 600" in caught.value.fix


def test_a_key_of_another_certificate_is_refused(authority):
    with pytest.raises(Misconfigured, match="or not that of"):
        load(authority.issue("host").certificate, authority.issue("other").key, authority.path)


def test_an_expired_certificate_is_refused_with_its_dates(authority):
    host = authority.issue("host", days=-1)
    with pytest.raises(Misconfigured, match="its certificate is good from"):
        load(host.certificate, host.key, authority.path)


@pytest.mark.parametrize(
    "content", [b"", b"no pem", b"x" * (PEM_BYTES_MAX + 1)], ids=["empty", "other text", "too big"]
)
@pytest.mark.parametrize("place", ["certificate", "key", "authority"])
def test_a_file_without_what_it_should_hold_is_refused(authority, tmp_path, place, content):
    host = authority.issue("host")
    files = {"certificate": host.certificate, "key": host.key, "authority": authority.path}
    files[place].write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        load(files["certificate"], files["key"], files["authority"])
    assert str(files[place]) in caught.value.what
    assert caught.value.code == "SR-VAULT-040"


def test_a_file_that_is_none_is_refused(authority, tmp_path):
    host = authority.issue("host")
    with pytest.raises(Misconfigured, match="it is not a regular file"):
        load(tmp_path, host.key, authority.path)
    with pytest.raises(Misconfigured, match="No such file"):
        load(tmp_path / "none", host.key, authority.path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"adress": "x:1"}, "look at adress"),
        ({"key_file": None}, "remote.key_file"),
        ({"key_file": "host.key"}, "it is not an absolute path"),
        ({"address": "vault.example"}, "it is not NAME:PORT"),
        ({"address": ""}, "it is not a text"),
    ],
    ids=["unknown key", "no text", "relative", "no port", "empty"],
)
def test_a_section_for_a_remote_vault_that_is_wrong_is_refused(change, why):
    section = {"address": "vault.example:8478", "ca_file": "/a", "certificate_file": "/b", "key_file": "/c", **change}
    with pytest.raises(Misconfigured) as caught:
        RemoteVault(section)
    assert caught.value.code == "SR-VAULT-046"
    assert why in str(caught.value)
