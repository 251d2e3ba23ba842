"""The configured kind decides which evidence is made. What is missing is an error, never a reason for another kind."""

from pathlib import Path

import pytest

from strongroom.attest.evidence import NO_ASSURANCE
from strongroom.errors import Misconfigured
from strongroom_confidential_workflows.providers import nitro, tpm2, tsm
from strongroom_confidential_workflows.providers.choice import KINDS, EvidenceSettings, open_provider
from strongroom_confidential_workflows.providers.devices import unusable
from strongroom_confidential_workflows.providers.sev_guest import SevGuestProvider
from strongroom_confidential_workflows.providers.software import SoftwareIdentity
from tests.fakes import pki_software
from tests.fakes.evidence_devices import device_at

DEVICE_KINDS = ["insecure-swtpm", "nitro", "sev-snp", "tdx", "tpm2"]
IDENTITY = SoftwareIdentity(
    measurement=pki_software.MEASUREMENT,
    key=pki_software.KEY,
    certificate=pki_software.certified(),
    authority=pki_software.authority().certificate,
)


def refusal(**settings):
    with pytest.raises(Misconfigured) as refused:
        open_provider(EvidenceSettings(**settings))
    return refused.value


def test_there_is_a_provider_of_each_kind_and_no_other():
    assert set(KINDS) == {*DEVICE_KINDS, "insecure-software"}
    for kind in ("sgx", "az-snp-vtpm", "software", "", "x" * 1000):
        found = refusal(kind=kind, software=IDENTITY)
        assert found.code == "SR-EVID-014"
        assert len(str(found)) < 200


@pytest.mark.parametrize("kind", DEVICE_KINDS)
def test_a_missing_device_is_named_with_what_to_do_and_nothing_else_is_tried(tmp_path, kind):
    device = tmp_path / "missing"
    found = refusal(kind=kind, device=device, pcrs=frozenset({0}), software=IDENTITY)
    assert (found.code, found.what) == ("SR-EVID-002", f"evidence kind {kind} needs {device}")
    assert found.why == "No such file or directory"
    assert found.fix
    assert list(tmp_path.iterdir()) == []


def test_each_kind_has_its_usual_place(tmp_path, monkeypatch):
    for module, name in ((nitro, "DEVICE"), (tpm2, "DEVICE"), (tsm, "ROOT")):
        assert getattr(module, name).is_relative_to("/dev") or getattr(module, name).is_relative_to("/sys")
        monkeypatch.setattr(module, name, tmp_path / f"{module.__name__}-place")
    for kind in DEVICE_KINDS:
        assert "-place" in refusal(kind=kind, pcrs=frozenset({0})).what


def test_a_device_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for kind in ("nitro", "sev-snp", "tpm2"):
        assert refusal(kind=kind, device=tmp_path / "file", pcrs=frozenset({0})).code == "SR-EVID-003"


def test_a_device_that_is_closed_to_the_runner_says_so():
    found = unusable(Path("/dev/nsm"), "nitro", PermissionError(13, "Permission denied"), fix="another")
    assert found.fix == "give the runner's user read and write access to it"


def test_a_tpm_without_registers_to_quote_is_refused_before_it_is_opened(tmp_path):
    assert refusal(kind="tpm2", device=tmp_path / "missing").code == "SR-EVID-008"


def test_the_guest_device_is_used_where_it_is_configured(tmp_path):
    provider = open_provider(EvidenceSettings(kind="sev-snp", device=device_at(tmp_path / "sev-guest")))
    assert isinstance(provider, SevGuestProvider)
    provider.close()


def test_simulated_evidence_is_bound_and_worth_nothing():
    provider = open_provider(EvidenceSettings(kind="insecure-software", software=IDENTITY))
    bound = pki_software.BOUND
    evidence = provider.collect(bound.report_data, bound.nonce, bound.kem_spki)
    provider.close()
    claims = pki_software.verified(evidence)
    assert claims.is_bound
    assert claims.assurance == NO_ASSURANCE
    assert claims.facts["measurement"] == pki_software.MEASUREMENT


def test_simulated_evidence_needs_a_key_that_is_configured():
    assert refusal(kind="insecure-software").code == "SR-EVID-015"
