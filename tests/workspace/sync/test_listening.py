"""Where the relay may listen, and with what."""

import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strongroom.errors import Misconfigured
from strongroom.settings.relay import RelaySettings
from strongroom.workspace.document import Document
from strongroom.workspace.sync.client import SyncClient
from strongroom.workspace.sync.dial import dial
from strongroom.workspace.sync.listening import listening
from strongroom.workspace.sync.relay import Relay
from strongroom.workspace.sync.room_url import RoomAddress, room_url
from tests.fakes.relay_rig import RelayRig, connected, until, write_tokens


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=2100))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = {"certificate_file": tmp_path / "relay.pem", "key_file": tmp_path / "relay.key"}
    files["certificate_file"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files["key_file"].touch(mode=0o600)
    files["key_file"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_it_is_off_as_shipped():
    assert listening(RelaySettings()) is None


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.9.1:80", "[::1]:7000", "localhost:7000"])
def test_this_machine_needs_no_certificate(listen):
    assert listening(RelaySettings(listen=listen)).tls is None


@pytest.mark.parametrize("listen", ["0.0.0.0:7000", "[::]:7000", "192.168.1.2:7000", "relay.example:443"])
def test_other_machines_are_not_talked_to_without_tls(listen):
    with pytest.raises(Misconfigured) as refused:
        listening(RelaySettings(listen=listen))
    assert refused.value.code == "SR-SYNC-002"


@pytest.mark.parametrize("listen", ["7000", "localhost", "localhost:", ":7000", "::1:7000", "localhost:70000", "a b:1"])
def test_what_is_no_address_is_refused(listen):
    with pytest.raises(Misconfigured) as refused:
        listening(RelaySettings(listen=listen))
    assert refused.value.code == "SR-SYNC-001"


def test_with_a_certificate_any_address_will_do(certificate):
    found = listening(RelaySettings(listen="0.0.0.0:443", **certificate))
    assert found.tls.minimum_version is ssl.TLSVersion.TLSv1_2


def test_half_of_a_certificate_and_a_readable_key_are_refused(certificate):
    for half in certificate:
        with pytest.raises(Misconfigured, match="no usable certificate") as refused:
            listening(RelaySettings(listen="0.0.0.0:443", **{half: certificate[half]}))
        assert "neither" in str(refused.value)
    certificate["key_file"].chmod(0o644)
    with pytest.raises(Misconfigured, match="others can read the key"):
        listening(RelaySettings(listen="0.0.0.0:443", **certificate))


def test_what_is_no_certificate_is_refused(certificate):
    certificate["certificate_file"].write_text("nothing")
    with pytest.raises(Misconfigured, match="does not take it"):
        listening(RelaySettings(listen="0.0.0.0:443", **certificate))


def test_a_client_reaches_a_relay_over_tls_and_no_other_certificate_will_do(certificate, tmp_path):
    with RelayRig(tmp_path, **certificate) as rig:
        url = room_url(f"wss://localhost:{rig.port}", RoomAddress("alice", "notes"), "a")
        trusting = SyncClient(
            Document("notes"),
            url,
            open_web_socket=lambda url, offered: dial(
                url, offered, bearer="alice-writes", authorities_file=certificate["certificate_file"]
            ),
        )
        connected(rig.kept(trusting))
        wary = SyncClient(
            Document("notes"), url, open_web_socket=lambda url, offered: dial(url, offered, bearer="alice-writes")
        )
        rig.kept(wary)
        until(lambda: wary.state == "offline")
        assert wary.problem.startswith("SR-SYNC-033")
        assert "certificate" in wary.problem


def test_two_relays_do_not_share_an_address(tmp_path):
    with RelayRig(tmp_path) as rig:
        second = Relay(RelaySettings(listen=rig.address, tokens_file=rig.tokens_file), tmp_path / "second")
        with pytest.raises(Exception, match="cannot listen") as refused:
            second.start()
        assert refused.value.code == "SR-SYNC-006"
        assert not second.status().running


def test_a_relay_with_tokens_that_cannot_be_read_does_not_start(tmp_path):
    tokens = write_tokens(tmp_path / "tokens", {})
    tokens.chmod(0o644)
    with pytest.raises(Misconfigured) as refused:
        Relay(RelaySettings(listen="127.0.0.1:0", tokens_file=tokens), tmp_path).start()
    assert refused.value.code == "SR-SYNC-004"
