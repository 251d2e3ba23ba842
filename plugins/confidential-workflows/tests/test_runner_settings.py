"""The files that runners are configured from: waited for, checked, and named when they are wrong."""

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.attest.enclave_config import decode_enclave_config
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Misconfigured, Unavailable
from strongroom_confidential_workflows.evidence_config import EvidenceConfig, RunnerSettings
from strongroom_confidential_workflows.software_identity import IdentityIssuer
from tests.fakes.releasing_vault import now


def settings(vault, *, wait_s=0.0, **changes):
    """Settings of a runner in front of ``vault``."""
    config = vault.config()
    section = config["evidence"] | changes
    evidence = EvidenceConfig.from_config({key: value for key, value in section.items() if value is not ...})
    return RunnerSettings(evidence=evidence, enclave_config_file=Path(config["enclave_config_file"]), wait_s=wait_s)


def test_a_runner_is_configured_with_what_its_vault_handed_out(vault):
    configure = settings(vault, regions=["eu-west-1"], authority_file=str(certificate_of(vault))).configure()
    assert decode_enclave_config(configure.enclave_config) == vault.enclave_config
    assert (configure.evidence_kind, configure.regions, configure.device) == ("insecure-software", ("eu-west-1",), "")
    certificate = load_certificate(configure.software_certificate)
    key = PublicKey.of_ed25519(SigningKey.from_raw(configure.software_key).public)
    assert certificate.key.spki() == key.spki()
    assert certificate.is_issued_by(load_certificate(configure.software_authority))
    assert configure.software_authority == vault.authority.certificate


def certificate_of(vault):
    path = vault.authority_file.with_suffix(".der")
    path.write_bytes(vault.authority.certificate)
    return path


def test_a_kind_with_a_device_gets_its_registers_and_endorsements_and_no_identity(vault, tmp_path):
    extra = tmp_path / "ek.der"
    extra.write_bytes(b"certificate")
    made = settings(
        vault, kind="tpm2", authority_key_file=..., device="/dev/tpm9", pcrs=[7, 0, 7], endorsements=[str(extra)]
    ).configure()
    assert (made.device, made.pcrs, made.endorsements) == ("/dev/tpm9", (0, 7), (b"certificate",))
    assert made.software_key == made.software_certificate == b""


@pytest.mark.parametrize("name", ["config_file", "authority_file"])
def test_a_file_that_the_vault_has_not_written_yet_is_waited_for(vault, name):
    path = getattr(vault, name)
    away = path.rename(path.with_suffix(".later"))
    under_test = settings(vault, wait_s=30)
    made = []
    configuring = threading.Thread(target=lambda: made.append(under_test.configure()))
    configuring.start()
    away.rename(path)
    configuring.join(30)
    assert made[0].enclave_config == vault.enclave_config.encode()


@pytest.mark.parametrize(
    ("name", "key"), [("config_file", "enclave_config_file"), ("authority_file", "evidence.authority_key_file")]
)
def test_a_file_that_stays_away_is_named_and_not_waited_for_a_second_time(vault, name, key):
    path = getattr(vault, name)
    path.unlink()
    under_test = settings(vault)
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"^{key} {re.escape(str(path))} does not exist") as caught:
            under_test.configure()
        assert caught.value.code == "SR-ENCL-012"


@pytest.mark.parametrize("content", [b"", b"\xff", bytes(64 * 1024 + 1)], ids=["empty", "garbage", "too large"])
def test_a_configuration_that_is_none_is_refused_with_its_key(vault, content):
    vault.config_file.write_bytes(content)
    with pytest.raises(Misconfigured, match="^enclave_config_file .* cannot be used") as caught:
        settings(vault).configure()
    assert caught.value.code == "SR-ENCL-013"


def test_a_directory_in_place_of_a_file_is_refused_with_its_key(vault):
    vault.config_file.unlink()
    vault.config_file.mkdir()
    with pytest.raises(Misconfigured, match="Is a directory"):
        settings(vault).configure()


def test_the_certificate_of_another_authority_is_refused(vault):
    path = certificate_of(vault)
    path.write_bytes(b"another")
    with pytest.raises(Misconfigured, match="evidence.authority_file .* cannot be used"):
        settings(vault, authority_file=str(path)).configure()


def test_an_authority_that_others_may_read_is_refused(vault):
    vault.authority_file.chmod(0o644)
    with pytest.raises(Misconfigured, match="others can read it"):
        settings(vault).configure()


def test_an_identity_is_kept_for_half_of_its_life_and_renewed_when_the_clock_goes_back(vault):
    issuer, began = IdentityIssuer(vault.authority), now()
    first = issuer.identity(now=began)
    assert issuer.identity(now=began + timedelta(hours=11, minutes=59)) is first
    second = issuer.identity(now=began + timedelta(hours=12))
    assert second.seed != first.seed
    assert load_certificate(second.certificate).not_after >= began + timedelta(hours=35)
    assert issuer.identity(now=began) is not second, "its certificate would not be valid yet"
    assert "seed" not in repr(first)
