"""What the plugin says of itself, and the configs that it refuses."""

import logging
import re

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import backend_pb2, confidential_workflow_pb2, enclave_pb2
from strongroom_confidential_workflows.capability import _response
from strongroom_confidential_workflows.plugin import ConfidentialWorkflowsPlugin
from tests.fakes.enclave_host import EnclaveHost


def test_what_is_asked_beside_execute(host):
    tees = host.call("ProvidedTees", empty_pb2.Empty())
    report = host.call("Backend", empty_pb2.Empty())
    assert tees == confidential_workflow_pb2.ProvidedTeesResponse()
    assert isinstance(report, backend_pb2.BackendReport)
    assert (report.label, report.insecure) == ("insecure-software", True)
    assert "no-new-privs" in report.protections


def test_the_start_warns_that_no_hardware_protects(owner, caplog):
    EnclaveHost(owner=owner).close()
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING and "insecure-software" in r.getMessage()]
    assert "no hardware protects" in warning.getMessage()


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
            enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_RESULT, result=b"\xff\xff"),
            ("System", "Internal", "the enclave runner broke its contract: its result is not an ExecutionResult"),
        ),
        (
            enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_RESULT, result=b"\x12\x00" * 3_000_000),
            ("System", "Internal", "the enclave runner broke its contract: its result is not an ExecutionResult"),
        ),
        (enclave_pb2.Finished(), ("System", "Internal", "no reason was given")),
        (
            enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_REFUSED, error="e" * 9_000, error_code="x:y"),
            ("User", "FailedPrecondition", "e" * 2_000),
        ),
        (
            enclave_pb2.Finished(outcome=enclave_pb2.OUTCOME_HOST_FAULT, error="gone", error_code="DataLoss"),
            ("System", "DataLoss", "gone"),
        ),
    ],
    ids=["no result", "too large", "no outcome", "long error with a wrong code", "known code"],
)
def test_an_outcome_of_a_runner_is_bounded_and_checked(finished, error):
    with pytest.raises(CapabilityError) as caught:
        _response(finished)
    assert (caught.value.origin, caught.value.name, caught.value.message) == error
