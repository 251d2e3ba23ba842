"""What the enclave's configuration leaves its guests: capabilities, calls, time, and the size of what comes out."""

import pytest

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.receipt import decode_receipt
from strongroom.attest.result import check_result
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.errors import StrongroomError
from strongroom.plugin.messages import sdk_pb2
from strongroom_confidential_workflows.signed_call import open_call
from tests.fakes.attested_runner import DONE, Between, executed
from tests.fakes.enclave_host import EXECUTION
from tests.fakes.releasing_vault import ReleasingVault

ACTION = "basic-test-action@1.0.0"


class Calling(Between):
    """Answers every call, and keeps what it was sent."""

    def __init__(self, vault):
        super().__init__(vault)
        self.calls = []

    def call_capability(self, call):
        self.calls.append(call)
        return sdk_pb2.CapabilityResponse(error=f"answer {call.call_id}").SerializeToString()


class Calls:
    """A guest that makes these calls one after the other; ``errors`` are the answers."""

    def __init__(self, *ids):
        self._ids = ids
        self.errors = []

    def __call__(self, request, helper, *, limits):
        for number, capability_id in enumerate(self._ids, start=1):
            call = sdk_pb2.CapabilityRequest(id=capability_id, method="PerformAction", callback_id=number)
            self.errors.append(helper.call_capability(call).error)
        return DONE


def run(tmp_path, *ids, link=None, **config):
    """The errors that the guest saw, what the host was sent, and the end."""
    vault = ReleasingVault(tmp_path / "vault", **config)
    link, guest = Calling(vault), Calls(*ids)
    finished = executed(vault, link=link, guest=guest, secrets=())
    return guest.errors, link.calls, finished


def limits(**changes):
    return dict(EnclaveConfig(vault_public_key=bytes(32), policy_epoch=1).limits) | changes


def test_only_capabilities_that_the_configuration_lists_are_called(tmp_path):
    errors, calls, finished = run(tmp_path, ACTION, "other@1.0.0", capabilities=(ACTION,))
    assert errors[0] == "answer 1"
    assert errors[1] == "capability other@1.0.0 is not among those that this enclave's configuration allows"
    assert len(calls) == 1
    assert finished.outcome == "result"


def test_an_empty_list_closes_every_capability_as_long_as_none_is_attested(tmp_path):
    errors, calls, _ = run(tmp_path, ACTION, capabilities=())
    assert "is not among those" in errors[0]
    assert calls == []


def test_calls_are_counted_against_the_configuration(tmp_path):
    errors, calls, _ = run(tmp_path, ACTION, ACTION, ACTION, limits=limits(calls_max=2))
    assert errors == ["answer 1", "answer 2", "calls of one execution: more than 2"]
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["", "x" * 129], ids=["empty", "long"])
def test_a_call_that_no_receipt_can_name_does_not_leave(tmp_path, name):
    errors, calls, finished = run(tmp_path, name)
    assert errors == [f"the id of the capability has {len(name)} bytes, and 1 to 128 are allowed"]
    assert calls == []
    assert finished.receipt


def test_a_call_that_no_frame_holds_does_not_leave(tmp_path):
    vault = ReleasingVault(tmp_path / "vault")
    link, errors = Calling(vault), []

    def guest(request, helper, *, limits):
        call = sdk_pb2.CapabilityRequest(id=ACTION, callback_id=1)
        call.payload.value = bytes(8 * 1024 * 1024)
        errors.append(helper.call_capability(call).error)
        return DONE

    executed(vault, link=link, guest=guest, secrets=())
    assert errors[0].endswith("and 8384512 is the limit")
    assert link.calls == []


def test_calls_are_signed_by_the_key_of_the_execution_and_stand_in_its_receipt(tmp_path):
    _, calls, finished = run(tmp_path, ACTION, ACTION)
    receipt = decode_receipt(finished.receipt)
    sig_pub = decode_runtime_data(receipt.runtime_data).sig_pub
    opened = [open_call(call.body, call.signature, sig_pub=sig_pub) for call in calls]
    assert [(each.execution_id, each.reference_id) for each in opened] == [(EXECUTION, "1"), (EXECUTION, "2")]
    recorded = check_result(receipt.result, sig_pub=sig_pub).calls
    assert [each.ref for each in recorded] == ["1", "2"]
    with pytest.raises(StrongroomError, match="capability-request signature"):
        open_call(calls[0].body, calls[1].signature, sig_pub=sig_pub)


def test_a_result_above_the_configurations_limit_does_not_leave(tmp_path):
    _, _, finished = run(tmp_path, limits=limits(result_bytes_max=len(DONE) - 1))
    assert (finished.outcome, finished.result) == ("guest_fault", b"")
    assert f"the result has {len(DONE)} bytes, and {len(DONE) - 1} is the limit" in finished.error
    assert finished.receipt


def test_time_is_bounded_by_the_configuration(tmp_path):
    seen = []

    def guest(request, helper, *, limits):
        seen.append(helper.timeout_ms)
        return DONE

    vault = ReleasingVault(tmp_path / "vault", limits=limits(timeout_ms_max=5_000))
    executed(vault, guest=guest, secrets=())
    assert 0 < seen[0] <= 5_000


def test_a_secret_that_is_no_text_is_an_error_of_that_secret(tmp_path):
    vault, seen = ReleasingVault(tmp_path / "vault"), []
    vault.create("A", b"\xff")

    def guest(request, helper, *, limits):
        asked = sdk_pb2.GetSecretsRequest(requests=[sdk_pb2.SecretRequest(id="A")], callback_id=1)
        seen.extend(helper.get_secrets(asked).responses)
        return DONE

    executed(vault, guest=guest)
    assert seen[0].error.error == "the value of this secret is not text in UTF-8"


def test_a_fault_of_the_runner_itself_says_its_type_and_nothing_of_the_payload(tmp_path):
    def guest(request, helper, *, limits):
        raise KeyError("s3cret payload")

    finished = executed(ReleasingVault(tmp_path / "vault"), guest=guest, secrets=())
    assert (finished.outcome, finished.error) == ("host_fault", "the enclave runner failed with KeyError")
    assert finished.receipt
