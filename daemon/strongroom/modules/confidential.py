"""Hands a workflow to the capability that executes it inside an enclave.

The flow of one execution, with the step numbers of contracts, "confidential" section 3:

1. serialize the request once, for the bytes field and for its typed twin;
2. name the secrets, each with a namespace;
3. wrap everything in one payload;
4. find the capability;
5. call it;
6. to 8. unwrap the answer;
9. fetch the receipt, which is kept before the result is used, and also when the execution failed.

Whoever was called in step 5 is asked in step 9, and to cancel: no other knows the execution.

There is no other way to run a confidential workflow: whatever fails here fails the run, and nothing runs locally. The
execution helper serves only for its identity and to cancel; the enclave has its own time, secrets and capabilities.
"""

from contextlib import suppress
from typing import Final

from google.protobuf import any_pb2, empty_pb2
from google.protobuf.message import DecodeError, EncodeError

from strongroom.errors import CapabilityError, PluginFault, Refused, StrongroomError, Unavailable
from strongroom.modules.attributes import SecretName
from strongroom.modules.capabilities import Capabilities, Executable, HeldExecutable, HoldableExecutable
from strongroom.modules.confidential_answer import Answered, result_in
from strongroom.modules.confidential_faults import away, cut_off, failed, fault_of, is_away, refusal_code
from strongroom.modules.module import NO_TERMS, Backend, ExecutionHelper, KeepsReceipts, Terms, Workflow
from strongroom.modules.receipts import fetch_receipt
from strongroom.modules.tees import CAPABILITY_ID, QUESTION_TIMEOUT_S
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2
from strongroom.telemetry.tally import Tally

__all__ = ["CAPABILITY_ID", "ConfidentialModule", "ask_backend"]

UNKNOWN_BACKEND: Final = Backend("unknown", insecure=True)
"""A backend that does not say what it is earns no trust."""
PROTECTIONS_MAX: Final = 64
"""What a backend says is in force, or missing; ours knows a dozen names."""


class ConfidentialModule:
    """A workflow behind ``confidential-workflows@1.0.0-alpha``."""

    def __init__(
        self,
        workflow: Workflow,
        secrets: tuple[SecretName, ...],
        capabilities: Capabilities,
        tally: Tally | None = None,
    ) -> None:
        self._workflow = workflow
        self._secrets = secrets
        self._capabilities = capabilities
        self._tally = tally or Tally()
        self._backend: Backend | None = None

    def start(self) -> None:
        """Nothing: the capability is looked up for every execution."""

    def close(self) -> None:
        """Nothing was taken."""

    def execute(
        self, request: sdk_pb2.ExecuteRequest, helper: ExecutionHelper, terms: Terms = NO_TERMS
    ) -> sdk_pb2.ExecutionResult:
        """The result that the enclave sent back, which has been told of ``terms`` and checks them itself."""
        capability = self._find()
        is_later = self._is_later(capability, terms)
        secrets = () if is_later and self._dialect() != "both" else self._secrets
        payload = self._payload(request, helper, secrets, terms)
        call = capabilities_pb2.CapabilityRequest(
            metadata=capabilities_pb2.RequestMetadata(
                workflow_id=self._workflow.workflow_id,
                workflow_owner=self._workflow.owner,
                workflow_name=self._workflow.name,
                workflow_tag=self._workflow.tag,
                workflow_execution_id=helper.execution_id,
            ),
            payload=payload,
            configPayload=_packed(empty_pb2.Empty()),
            method="Execute",
            capabilityId=CAPABILITY_ID,
        )
        with capability.held() as held:
            helper.on_cancel(lambda reason, grace_ms=0: _cancel(held, helper.execution_id, reason))
            return self._executed(held, call, helper)

    def _executed(
        self, held: HeldExecutable, call: capabilities_pb2.CapabilityRequest, helper: ExecutionHelper
    ) -> sdk_pb2.ExecutionResult:
        try:
            answer = held.begin(call, timeout_s=helper.timeout_ms / 1000)
        except (CapabilityError, Unavailable) as error:
            if held.is_cut_off:
                raise cut_off() from error
            if not is_away(error):
                if code := refusal_code(error):
                    self._tally.count_refusal(code)
                self._keep_what_is_left(held, helper)
            raise fault_of(error, helper) from error
        if held.is_cut_off:
            # What the guest called was lost with the plugin, and it may have answered that.
            raise cut_off()
        answered = result_in(answer)
        self._keep_receipt(held, helper, answered)
        return answered.result

    def _keep_receipt(self, capability: Executable, helper: ExecutionHelper, answered: Answered | None) -> None:
        """Have the receipt of what has just ended on disk before anybody learns of its result; None for no result.

        Raises ``PluginFault`` when the receipt is about another result. Subscribing is no run: its execution has an id
        that the enclave drew, and nobody keeps its receipt.
        """
        receipt = None
        if helper.execution_id:
            receipt = fetch_receipt(capability, helper.execution_id, is_demanded=answered is not None)
        if receipt is not None:
            covered = receipt.covered(b"") if answered is None else receipt.checked(answered.serialized)
            if isinstance(helper, KeepsReceipts):
                helper.keep_receipt(receipt.encoded, receipt.assurance, covered)
        if receipt.is_insecure if receipt is not None else answered is not None and self.backend(capability).insecure:
            self._tally.count_insecure_release()

    def _keep_what_is_left(self, capability: Executable, helper: ExecutionHelper) -> None:
        """The receipt of an execution that failed, if there is one. The failure says more than its faults."""
        with suppress(CapabilityError, PluginFault, Unavailable):
            self._keep_receipt(capability, helper, None)

    def backend(self, asked: Executable | None = None) -> Backend:
        """What the far side says it is, asked until it answers once, of ``asked`` if given; unknown until then."""
        if self._backend is None:
            try:
                self._backend = ask_backend(asked or self._find())
            except StrongroomError:
                return UNKNOWN_BACKEND
        return self._backend

    def _find(self) -> HoldableExecutable:
        try:
            return self._capabilities.get_executable(CAPABILITY_ID)
        except StrongroomError as error:
            raise away("cannot be called", error) from error

    def _payload(
        self,
        request: sdk_pb2.ExecuteRequest,
        helper: ExecutionHelper,
        secrets: tuple[SecretName, ...],
        terms: Terms,
    ) -> any_pb2.Any:
        try:
            serialized = request.SerializeToString(deterministic=True)
        except EncodeError as error:
            raise failed("failed to marshal ExecuteRequest", "SR-CWF-001", error, whole=True) from error
        try:
            return _packed(
                messages.ConfidentialWorkflowRequest(
                    vault_don_secrets=[messages.SecretIdentifier(key=s.key, namespace=s.namespace) for s in secrets],
                    execution=messages.WorkflowExecution(
                        workflow_id=self._workflow.workflow_id,
                        binary_url=self._workflow.binary_url,
                        binary_hash=bytes.fromhex(self._workflow.binary_sha256),
                        execute_request=serialized,
                        owner=f"0x{self._workflow.owner}",
                        execution_id=helper.execution_id,
                        sdk_execute_request=sdk_pb2.ExecuteRequest.FromString(serialized),
                        requirements=terms.requirements,
                        restrictions=terms.restrictions,
                    ),
                )
            )
        except (EncodeError, ValueError) as error:
            raise failed("failed to marshal capability payload", "SR-CWF-003", error, whole=True) from error

    def _dialect(self) -> str | None:
        return self._capabilities.dialect(CAPABILITY_ID)

    def _is_later(self, capability: Executable, terms: Terms) -> bool:
        """Whether the far side reads terms, and fetches secrets on its own. Asked only when something hangs on it.

        Raises ``Refused`` for terms that it would not see: an execution that nobody keeps to its terms is not begun.
        """
        has_terms = terms.requirements is not None or terms.restrictions is not None
        if not has_terms and not self._secrets:
            return False
        dialect = self._dialect()
        is_later = dialect in {"both", "later"} if dialect else self._answers(capability, "ProvidedTees")
        if has_terms and not is_later:
            raise Refused(
                "SR-CWF-013",
                "the confidential-workflows capability knows neither requirements nor restrictions",
                why="it speaks the dialect seed",
                fix="use a plugin that does, or a subscription without requirements and pre-hook; nothing was run",
                capability=CAPABILITY_ID,
            )
        return is_later

    def _answers(self, capability: Executable, method: str) -> bool:
        try:
            capability.execute(_question(method), timeout_s=QUESTION_TIMEOUT_S)
        except CapabilityError as error:
            if error.name == "Unimplemented":
                return False
            fault = (
                away(f"{method} failed", error) if is_away(error) else failed(f"{method} failed", "SR-CWF-009", error)
            )
            raise fault from error
        return True


def ask_backend(capability: Executable) -> Backend:
    """What the capability says it executes in; unknown, and so insecure, when it does not know the question.

    Raises ``CapabilityError`` when it cannot be asked now.
    """
    try:
        answer = capability.execute(_question("Backend"), timeout_s=QUESTION_TIMEOUT_S)
    except CapabilityError as error:
        if error.name == "Unimplemented":
            # A plugin of another maker.
            return UNKNOWN_BACKEND
        raise
    described = backend_pb2.BackendReport()
    try:
        if not answer.payload.Unpack(described) or not described.label:
            return UNKNOWN_BACKEND
    except DecodeError:
        return UNKNOWN_BACKEND
    return Backend(
        described.label,
        described.insecure,
        protections=tuple(described.protections[:PROTECTIONS_MAX]),
        missing=tuple(described.missing[:PROTECTIONS_MAX]),
    )


def _cancel(capability: Executable, execution_id: str, reason: str) -> None:
    """Ask the far side to stop one execution. One that cannot is left to its time limit and still waited for."""
    request = _question("Cancel")
    request.payload.Pack(backend_pb2.CancelExecution(execution_id=execution_id, reason=reason))
    try:
        capability.execute(request, timeout_s=QUESTION_TIMEOUT_S)
    except CapabilityError:
        return


def _question(method: str) -> capabilities_pb2.CapabilityRequest:
    return capabilities_pb2.CapabilityRequest(
        payload=_packed(empty_pb2.Empty()), method=method, capabilityId=CAPABILITY_ID
    )


def _packed(message: messages.ConfidentialWorkflowRequest | empty_pb2.Empty) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed
