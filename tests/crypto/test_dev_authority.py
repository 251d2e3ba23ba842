"""The development CA: what it certifies, for how long, under which names, and who may read it."""

import pickle
import stat
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509

from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import ECDSA_P256, ED25519, PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.errors import Misconfigured

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
KEY = PublicKey.of_ed25519(SigningKey.from_raw(bytes(range(32))).public)
P256_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def test_it_certifies_a_key_that_may_issue_nothing():
    authority = DevelopmentAuthority.generate(now=NOW)
    root, leaf = load_certificate(authority.certificate), load_certificate(authority.certify(KEY, now=NOW))
    assert leaf.is_issued_by(root)
    assert leaf.key.spki() == KEY.spki()
    assert root.key.kind == ED25519
    assert [root.is_authority, leaf.is_authority] == [True, False]
    assert [root.may_issue(authorities_below=n) for n in (0, 1)] == [True, False]
    assert authority.fingerprint == root.fingerprint == sha256(authority.certificate).hexdigest()


def test_keys_of_simulated_modules_are_certified_too():
    authority = DevelopmentAuthority.generate(now=NOW)
    assert load_certificate(authority.certify(PublicKey.of_p256_point(*P256_BASE), now=NOW)).key.kind == ECDSA_P256


def test_certificates_live_as_long_as_is_said():
    authority = DevelopmentAuthority.generate(now=NOW)
    early = NOW - timedelta(minutes=5)
    root = load_certificate(authority.certificate)
    leaf = load_certificate(authority.certify(KEY, now=NOW))
    short = load_certificate(authority.certify(KEY, now=NOW, lives=timedelta(minutes=1)))
    assert (root.not_before, root.not_after) == (early, NOW + timedelta(days=3650))
    assert (leaf.not_before, leaf.not_after) == (early, NOW + timedelta(days=1))
    assert short.not_after == NOW + timedelta(minutes=1)


def test_every_name_says_that_it_is_insecure():
    authority = DevelopmentAuthority.generate(now=NOW)
    for der in (authority.certificate, authority.certify(KEY, now=NOW)):
        found = x509.load_der_x509_certificate(der)
        assert "INSECURE" in found.subject.rfc4514_string()
        assert "INSECURE" in found.issuer.rfc4514_string()


def test_two_installations_have_two_authorities_that_issue_nothing_for_each_other():
    one, other = DevelopmentAuthority.generate(now=NOW), DevelopmentAuthority.generate(now=NOW)
    assert one.fingerprint != other.fingerprint
    leaf = load_certificate(one.certify(KEY, now=NOW))
    assert not leaf.is_issued_by(load_certificate(other.certificate))


def test_a_saved_authority_is_read_back_by_its_owner_alone(tmp_path):
    authority, path = DevelopmentAuthority.generate(now=NOW), tmp_path / "dev-ca"
    authority.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = DevelopmentAuthority.load(path)
    assert loaded.certificate == authority.certificate
    leaf = load_certificate(loaded.certify(KEY, now=NOW))
    assert leaf.is_issued_by(load_certificate(authority.certificate))
    with pytest.raises(FileExistsError):
        authority.save(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured) as caught:
        DevelopmentAuthority.load(path)
    assert caught.value.code == "SR-DEVCA-001"


def test_a_file_without_an_authority_is_refused(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    DevelopmentAuthority.generate(now=NOW).save(one)
    DevelopmentAuthority.generate(now=NOW).save(other)
    seed, certificate = one.read_bytes().splitlines()
    foreign = other.read_bytes().splitlines()[1]
    bad = (
        b"",
        seed,
        seed + b"\n" + foreign,
        certificate + b"\n" + seed,
        b"zz\nzz",
        b"\xff\n\xff",
        one.read_bytes() * 2,
    )
    for content in (*bad, seed[:-2] + b"\n" + certificate, one.read_bytes() + b"00" * 5000):
        one.write_bytes(content)
        with pytest.raises(Misconfigured) as caught:
            DevelopmentAuthority.load(one)
        assert caught.value.code == "SR-DEVCA-002"
        assert seed.decode() not in f"{caught.value} {caught.value.fix}"


def test_it_shows_its_fingerprint_only(tmp_path):
    authority = DevelopmentAuthority.generate(now=NOW)
    authority.save(tmp_path / "dev-ca")
    seed = (tmp_path / "dev-ca").read_text().splitlines()[0]
    assert seed not in f"{authority} {authority!r}"
    assert authority.fingerprint in repr(authority)
    with pytest.raises(TypeError):
        pickle.dumps(authority)
