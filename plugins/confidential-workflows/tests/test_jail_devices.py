"""Evidence out of a sealed runner: its device was opened before, and what else it needs is let through by name."""

import cbor2
import pytest

from strongroom_confidential_workflows.messages import ReleaseCall
from strongroom_confidential_workflows.providers.nitro import EXCHANGE, NitroProvider
from strongroom_confidential_workflows.providers.sev_guest import GET_EXTENDED_REPORT, SevGuestProvider
from strongroom_confidential_workflows.providers.tsm import TsmProvider
from tests.fakes import pki_snp
from tests.fakes.evidence_devices import ReportTree, device_at
from tests.fakes.runner_modes import started
from tests.fakes.runner_rig import RunnerRig
from tests.fakes.software_tpm import SoftwareTpm, needs_swtpm


@pytest.fixture
def tpm(tmp_path):
    tpm = SoftwareTpm(tmp_path).start()
    yield tpm
    tpm.kill()


@needs_swtpm
@pytest.mark.parametrize("launcher", ["process", "bubblewrap"])
def test_a_tpm_quotes_for_a_runner_that_is_sealed(tpm, tmp_path, launcher):
    rig = RunnerRig(tmp_path, evidence={"kind": "insecure-swtpm", "device": str(tpm.path), "pcrs": [0, 7]})
    runner, ready = started(launcher, rig)
    try:
        assert "seccomp" in ready.protections, "a TPM needs nothing beyond reading and writing"
        rig.start(runner)
        finished = rig.until(runner)
    finally:
        runner.close()
    assert (finished.outcome, finished.error) == ("result", "")
    (asked,) = [message for message in rig.heard if isinstance(message, ReleaseCall)]
    assert asked.evidence_kind == "insecure-swtpm"
    assert sorted(cbor2.loads(asked.evidence)["pcrs"]) == [0, 7]


@pytest.mark.parametrize(
    ("provider", "request_number"), [(NitroProvider, EXCHANGE), (SevGuestProvider, GET_EXTENDED_REPORT)]
)
def test_a_device_that_is_asked_by_ioctl_needs_one_request_on_one_descriptor(tmp_path, provider, request_number):
    opened = provider(device_at(tmp_path / "device"), ioctl=lambda *_: 0)
    assert opened.needs.ioctls == {(opened._descriptor, request_number)}
    assert opened.needs.names == ("ioctl",)
    opened.close()


def test_a_report_file_system_needs_its_entry_removed_and_that_happens_with_the_report(tmp_path, monkeypatch):
    tree = ReportTree(
        tmp_path / "report", monkeypatch, driver="sev_guest", answer=lambda data: pki_snp.made(report_data=data).body
    )
    opened = TsmProvider("sev-snp", tree.root, endorsements=pki_snp.chain())
    assert opened.needs.names == ("rmdir",)
    assert len(list(tree.root.iterdir())) == 1
    opened.collect(pki_snp.BOUND.report_data, pki_snp.BOUND.nonce, b"k" * 44)
    assert list(tree.root.iterdir()) == []
    opened.close()
