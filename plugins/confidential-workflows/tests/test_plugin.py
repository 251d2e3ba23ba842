"""What the plugin says of itself, and the configs that it refuses."""

import logging
import re

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import backend_pb2, confidential_workflow_pb2
from strongroom_confidential_workflows.capability import _response
from strongroom_confidential_workflows.messages import Finished
from strongroom_confidential_workflows.plugin import ConfidentialWorkflowsPlugin
from strongroom_confidential_workflows.providers.choice import KINDS
from tests.fakes.enclave_host import EnclaveHost


def test_what_is_asked_beside_execute(host):
    tees = host.call("ProvidedTees", empty_pb2.Empty())
    report = host.call("Backend", empty_pb2.Empty())
    assert tees == confidential_workflow_pb2.ProvidedTeesResponse()
    assert isinstance(report, backend_pb2.BackendReport)
    assert (report.label, report.insecure) == ("insecure-software", True)
    assert "no-new-privs" in report.protections


def test_the_start_warns_that_no_hardware_protects(vault, caplog):
    EnclaveHost(vault=vault).close()
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING and "insecure-software" in r.getMessage()]
    assert "INSECURE SIMULATION: no protection from the host operator" in warning.getMessage()


KIND = f"evidence.kind must say what this machine's evidence is: one of {', '.join(KINDS)}"
CONFIG_FILE = "enclave_config_file must be the file that the operator of the vault gave out for runners"
AUTHORITY = "evidence.authority_key_file belongs to kind insecure-software of runners that are started here"
ONE_CLIENT = "executions_max must be 1 and spare_runners 0 where evidence.device is a socket: it takes one client"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"executions_max": 0}, "executions_max must be a whole number in 1..64"),
        ({"executions_max": True}, "executions_max must be a whole number in 1..64"),
        ({"spare_runners": 65}, "spare_runners must be a whole number in 0..64"),
        ({"https_hosts": "example.com"}, "https_hosts must be a list of texts"),
        ({"https_hosts": ["Example.com"]}, "https_hosts: 'Example.com' is not a lower-case host name, or name:port"),
        ({"https_hosts": ["https://a"]}, "https_hosts: 'https://a' is not a lower-case host name, or name:port"),
        ({"file_directories": ["var"]}, "file_directories: 'var' is not an absolute path"),
        ({"evidence": {}}, KIND),
        (
            {"evidence": {"kind": "sgx"}},
            KIND,
        ),
        ({"evidence": []}, "evidence must be a map"),
        ({"evidence": {"kind": "nitro", "skip": 1}}, "evidence: unknown keys skip"),
        ({"evidence": {"kind": "nitro", "device": 1}}, "evidence.device must be the name of a file"),
        ({"evidence": {"kind": "tpm2", "pcrs": [24]}}, "evidence.pcrs must be a list of numbers in 0..23"),
        ({"evidence": {"kind": "tpm2", "pcrs": [True]}}, "evidence.pcrs must be a list of numbers in 0..23"),
        ({"evidence": {"kind": "nitro", "endorsements": "x"}}, "evidence.endorsements must be a list of texts"),
        ({"evidence": {"kind": "nitro", "regions": ["a b"]}}, "evidence.regions must be at most 64 names of regions"),
        ({"evidence": {"kind": "insecure-software"}}, AUTHORITY),
        ({"evidence": {"kind": "nitro", "authority_key_file": "x"}}, AUTHORITY),
        (
            {"evidence": {"kind": "nitro"}},
            CONFIG_FILE,
        ),
        ({"evidence": {"kind": "tpm2", "device": "/run/tpm"}}, ONE_CLIENT),
        ({"evidence": {"kind": "insecure-swtpm", "device": "/run/tpm"}, "executions_max": 1}, ONE_CLIENT),
        ({"evidence": {"kind": "tpm2", "device": "/dev/tpmrm1"}}, CONFIG_FILE),
        ({"launcher": "qemu"}, "launcher must be one of process, bubblewrap, external"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_a_wrong_config_is_refused_with_its_reason(config, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        ConfidentialWorkflowsPlugin(**config)


@pytest.mark.parametrize(
    ("finished", "error"),
    [
        (
            Finished(outcome="result", result=b"\xff\xff"),
            ("System", "Internal", "the enclave runner broke its contract: its result is not an ExecutionResult"),
        ),
        (
            Finished(outcome="result", result=b"\x12\x00" * 3_000_000),
            ("System", "Internal", "the enclave runner broke its contract: its result is not an ExecutionResult"),
        ),
        (Finished(outcome="host_fault"), ("System", "Internal", "no reason was given")),
        (
            Finished(outcome="refused", error="e" * 9_000, code="x:y"),
            ("User", "FailedPrecondition", "e" * 2_000),
        ),
        (
            Finished(outcome="host_fault", error="gone", code="DataLoss"),
            ("System", "DataLoss", "gone"),
        ),
    ],
    ids=["no result", "too large", "no outcome", "long error with a wrong code", "known code"],
)
def test_an_outcome_of_a_runner_is_bounded_and_checked(finished, error):
    with pytest.raises(CapabilityError) as caught:
        _response(finished)
    assert (caught.value.origin, caught.value.name, caught.value.message) == error
