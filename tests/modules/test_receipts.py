"""The receipt of a confidential execution: fetched after it, read as far as keeping it demands, and handed on."""

import dataclasses
import hashlib

import pytest
from google.protobuf import any_pb2, empty_pb2

from strongroom.crypto.signing import SigningKey
from strongroom.errors import CapabilityError, Forbidden, PluginFault, StorageFault, Unavailable
from strongroom.modules.confidential import CAPABILITY_ID, ConfidentialModule
from strongroom.modules.receipts import read_receipt
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2
from strongroom.pb.values.v1 import values_pb2
from strongroom.telemetry.tally import Tally
from tests.fakes import golden_release
from tests.fakes.capabilities import ScriptedCapabilities, ScriptedCapability, confidential_answer, packed
from tests.fakes.receipts import evidence_of, receipt_of
from tests.modules.test_confidential import REQUEST, RESULT, WORKFLOW

DATA = dataclasses.replace(golden_release.runtime_data(), kind="insecure-software")
STRANGER = SigningKey.from_raw(b"\x07" * 32)
EXECUTION_ID = DATA.execution.execution_id
SERIALIZED = RESULT.SerializeToString(deterministic=True)


def receipt_about(result, **changes):
    """A receipt of this execution whose enclave signed these bytes as its result."""
    signed = {"result_sha256": hashlib.sha256(result).digest(), **changes}
    return receipt_of(data=DATA, result_changes=signed).encode()


RECEIPT = receipt_about(SERIALIZED)
OF_NO_RESULT = receipt_about(b"", status="failed")
AWAY = CapabilityError("Public", "System", "Unavailable", "the vault is away")
REFUSED = CapabilityError(
    "Public",
    "User",
    "PermissionDenied",
    "SR-ATTEST-021 evidence refused at measurement: found aa, wanted one of 1 entries",
)


@dataclasses.dataclass
class Helper:
    execution_id: str = EXECUTION_ID
    timeout_ms: int = 1500
    kept: list = dataclasses.field(default_factory=list)
    fault: Exception | None = None

    def on_cancel(self, stop):
        pass

    def keep_receipt(self, receipt, assurance, result):
        if self.fault:
            raise self.fault
        self.kept.append((receipt, assurance, result))


def answered(receipt):
    return capabilities_pb2.CapabilityResponse(payload=packed(backend_pb2.ReceiptResponse(receipt=receipt)))


def executed(execute, receipt, helper=None, tally=None):
    """What the module returned, and the capability that it asked."""
    answers = {"Execute": execute} | ({"Receipt": receipt} if receipt is not None else {})
    capability = ScriptedCapability(answers)
    capabilities = ScriptedCapabilities({CAPABILITY_ID: capability}, {CAPABILITY_ID: "both"})
    module = ConfidentialModule(WORKFLOW, (), capabilities, tally)
    return module.execute(REQUEST, helper or Helper()), capability


def test_the_receipt_is_kept_before_the_result_is_used():
    helper, tally = Helper(), Tally()
    result, capability = executed(confidential_answer(RESULT), answered(RECEIPT), helper, tally)
    assert result == RESULT
    assert helper.kept == [(RECEIPT, "none", SERIALIZED)]
    (asked,) = capability.called("Receipt")
    assert asked.capabilityId == CAPABILITY_ID
    named = backend_pb2.ReceiptRequest()
    assert asked.payload.Unpack(named)
    assert named.execution_id == EXECUTION_ID
    assert tally.insecure_releases == 1


def test_a_failed_execution_leaves_its_receipt_too_and_keeps_its_own_error():
    helper, tally = Helper(), Tally()
    with pytest.raises(Forbidden, match="SR-ATTEST-021.*found aa, wanted one of 1 entries") as caught:
        executed(REFUSED, answered(OF_NO_RESULT), helper, tally)
    assert caught.value.code == "SR-ATTEST-021"
    assert "strongroom measure" in caught.value.fix
    assert helper.kept == [(OF_NO_RESULT, "none", b"")]
    assert (tally.insecure_releases, tally.refusals) == (1, {"SR-ATTEST-021": 1})


def test_a_failed_execution_whose_result_got_lost_keeps_its_receipt_without_it():
    helper = Helper()
    with pytest.raises(Forbidden, match="SR-ATTEST-021"):
        executed(REFUSED, answered(RECEIPT), helper)
    assert helper.kept == [(RECEIPT, "none", None)]


def test_a_result_that_its_receipt_is_not_about_is_the_fault_of_the_plugin_and_nothing_is_kept():
    helper = Helper()
    with pytest.raises(PluginFault, match="about another result than the one that came: it names sha256") as caught:
        executed(confidential_answer(RESULT), answered(OF_NO_RESULT), helper)
    assert caught.value.code == "SR-CWF-017"
    assert hashlib.sha256(SERIALIZED).hexdigest() in str(caught.value)
    assert helper.kept == []


def test_the_bytes_that_came_are_compared_and_kept_also_when_nobody_here_would_write_them_so():
    # The text of the value in two pieces of one message, of which the last counts.
    piece = sdk_pb2.ExecutionResult(value=values_pb2.Value(string_value="before")).SerializeToString()
    other = piece + SERIALIZED
    assert sdk_pb2.ExecutionResult.FromString(other) == RESULT
    answer = messages.ConfidentialWorkflowResponse(execution_result=other, sdk_execution_result=RESULT)
    helper, receipt = Helper(), receipt_about(other)
    execute = capabilities_pb2.CapabilityResponse(payload=packed(answer))
    assert executed(execute, answered(receipt), helper)[0] == RESULT
    assert helper.kept == [(receipt, "none", other)]
    with pytest.raises(PluginFault) as caught:
        executed(execute, answered(RECEIPT))
    assert caught.value.code == "SR-CWF-017", "the same message in other bytes is not what was signed"


def test_a_result_that_came_without_its_bytes_cannot_be_compared_and_its_receipt_is_kept():
    helper = Helper()
    result, _ = executed(confidential_answer(RESULT, serialized=False), answered(OF_NO_RESULT), helper)
    assert (result, helper.kept) == (RESULT, [(OF_NO_RESULT, "none", None)])


def test_an_empty_result_has_no_bytes_and_is_compared():
    helper, empty = Helper(), sdk_pb2.ExecutionResult()
    executed(confidential_answer(empty), answered(OF_NO_RESULT), helper)
    assert helper.kept == [(OF_NO_RESULT, "none", b"")]
    with pytest.raises(PluginFault) as caught:
        executed(confidential_answer(empty), answered(RECEIPT))
    assert caught.value.code == "SR-CWF-017"


@pytest.mark.parametrize(
    "receipt",
    [answered(b""), answered(b"no receipt"), AWAY, None],
    ids=["none", "damaged", "away", "of another maker"],
)
def test_what_is_wrong_with_the_receipt_of_a_failed_execution_hides_nothing(receipt):
    helper = Helper()
    with pytest.raises(Forbidden, match="SR-ATTEST-021"):
        executed(REFUSED, receipt, helper)
    assert helper.kept == []


def test_a_plugin_of_another_maker_leaves_none_and_its_result_counts():
    helper, tally = Helper(), Tally()
    result, _ = executed(confidential_answer(RESULT), None, helper, tally)
    assert (result, helper.kept) == (RESULT, [])
    assert tally.insecure_releases == 1, "who does not say what it is earns no trust"


@pytest.mark.parametrize(
    ("receipt", "text"),
    [(AWAY, "could not be asked for the receipt"), (answered(b""), "lost the receipt")],
    ids=["away", "restarted since"],
)
def test_a_result_whose_receipt_is_lost_is_as_a_backend_that_is_away(receipt, text):
    with pytest.raises(Unavailable, match=text) as caught:
        executed(confidential_answer(RESULT), receipt)
    assert caught.value.code == "SR-ATTEST-035"
    assert "CONFIDENTIAL_BACKEND_UNAVAILABLE" in str(caught.value)
    assert caught.value.details["reason"] == "CONFIDENTIAL_BACKEND_UNAVAILABLE"


@pytest.mark.parametrize(
    ("receipt", "code"),
    [
        (capabilities_pb2.CapabilityResponse(payload=packed(empty_pb2.Empty())), "SR-CWF-014"),
        (
            capabilities_pb2.CapabilityResponse(
                payload=any_pb2.Any(
                    type_url="type.googleapis.com/strongroom.plugin.v1.ReceiptResponse", value=b"\x0a\xff"
                )
            ),
            "SR-CWF-014",
        ),
        (answered(RECEIPT[:-1]), "SR-CWF-014"),
        (answered(b"\x00" * (5 * 1024 * 1024 + 1)), "SR-CWF-014"),
        (answered(receipt_of(data=golden_release.runtime_data(), runtime_data=b"no").encode()), "SR-CWF-014"),
        (answered(receipt_of(data=DATA, key=STRANGER).encode()), "SR-CWF-014"),
    ],
    ids=["another message", "a damaged answer", "cut short", "too large", "no runtime data", "signed by another key"],
)
def test_what_is_no_receipt_is_the_fault_of_the_plugin(receipt, code):
    helper = Helper()
    with pytest.raises(PluginFault, match="the receipt of the execution is none") as caught:
        executed(confidential_answer(RESULT), receipt, helper)
    assert caught.value.code == code
    assert helper.kept == []


def test_the_receipt_of_another_execution_is_not_taken():
    with pytest.raises(PluginFault, match="about another execution: it names") as caught:
        read_receipt(RECEIPT, "ab" * 32)
    assert caught.value.code == "SR-CWF-015"
    with pytest.raises(PluginFault, match="about another execution: it names 'other'") as caught:
        read_receipt(receipt_about(b"", execution_id="other"), EXECUTION_ID)
    assert caught.value.code == "SR-CWF-015"


@pytest.mark.parametrize(
    "receipt",
    [
        receipt_of(data=DATA, assurance="hardware"),
        receipt_of(data=dataclasses.replace(DATA, kind="nitro"), evidence=evidence_of(DATA), assurance="hardware"),
    ],
    ids=["a simulation that claims hardware", "evidence of another kind than its runtime data"],
)
def test_a_receipt_that_contradicts_itself_is_not_taken(receipt):
    with pytest.raises(PluginFault, match="contradicts itself") as caught:
        read_receipt(receipt.encode(), EXECUTION_ID)
    assert caught.value.code == "SR-CWF-016"


def test_subscribing_leaves_no_receipt_since_it_is_no_run():
    result, capability = executed(confidential_answer(RESULT), answered(RECEIPT), Helper(execution_id=""))
    assert result == RESULT
    assert capability.called("Receipt") == []


def test_a_journal_that_takes_no_receipt_is_said_also_after_a_failure():
    full = StorageFault("SR-RUN-019", "the journal of a run was not written")
    for answer in (confidential_answer(RESULT), REFUSED):
        with pytest.raises(StorageFault):
            executed(answer, answered(RECEIPT), Helper(fault=full))


@pytest.mark.parametrize("error", [AWAY, Unavailable("SR-PLUG-001", "it is restarting")], ids=["vault", "plugin"])
def test_a_backend_that_is_away_is_told_apart_from_one_that_refuses(error):
    tally = Tally()
    with pytest.raises(Unavailable, match="CONFIDENTIAL_BACKEND_UNAVAILABLE") as caught:
        executed(error, answered(RECEIPT), tally=tally)
    assert caught.value.code == "SR-ATTEST-035"
    assert "never runs locally" in caught.value.fix
    assert caught.value.__cause__ is error
    assert tally.refusals == {}
