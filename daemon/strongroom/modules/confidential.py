"""Hands a workflow to the capability that executes it inside an enclave.

The flow of one execution, with the step numbers of contracts, "confidential" section 3:

1. serialize the request once, for the bytes field and for its typed twin;
2. name the secrets, each with a namespace;
3. wrap everything in one payload;
4. find the capability;
5. call it;
6. to 8. unwrap the answer.

There is no other way to run a confidential workflow: whatever fails here fails the run, and nothing runs locally. The
execution helper serves only for its identity and to cancel; the enclave has its own time, secrets and capabilities.
"""

from typing import Final

from google.protobuf import any_pb2, empty_pb2
from google.protobuf.message import DecodeError, EncodeError

from strongroom.errors import Cancelled, CapabilityError, PluginFault, Refused, StrongroomError, TimedOut, Unavailable
from strongroom.modules.attributes import SecretName
from strongroom.modules.capabilities import Capabilities, Executable
from strongroom.modules.module import NO_TERMS, Backend, ExecutionHelper, Terms, Workflow
from strongroom.modules.tees import CAPABILITY_ID, QUESTION_TIMEOUT_S
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.plugin.v1 import backend_pb2

__all__ = ["CAPABILITY_ID", "ConfidentialModule", "ask_backend"]

PLUGIN: Final = "confidential-workflows"
UNKNOWN_BACKEND: Final = Backend("unknown", insecure=True)
"""A backend that does not say what it is earns no trust."""


class ConfidentialModule:
    """A workflow behind ``confidential-workflows@1.0.0-alpha``."""

    def __init__(self, workflow: Workflow, secrets: tuple[SecretName, ...], capabilities: Capabilities) -> None:
        self._workflow = workflow
        self._secrets = secrets
        self._capabilities = capabilities
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
        helper.on_cancel(lambda reason, grace_ms=0: _cancel(capability, helper.execution_id, reason))
        try:
            answer = capability.execute(call, timeout_s=helper.timeout_ms / 1000)
        except CapabilityError as error:
            if error.name == "Canceled":
                raise Cancelled("SR-RUN-018", error.message, fix="start the run again if it is still wanted") from error
            if error.name == "DeadlineExceeded":
                setting = getattr(helper, "timeout_setting", "limits.run_timeout_ms")
                limit_ms = getattr(helper, "timeout_limit_ms", 0) or helper.timeout_ms
                raise TimedOut(
                    "SR-RUN-011",
                    f"the enclave gave no answer within {limit_ms} ms",
                    fix=f"raise {setting} or make the workflow faster",
                    limit=limit_ms,
                    setting=setting,
                ) from error
            raise _failed("execution failed", "SR-CWF-005", error) from error
        return _unwrap(answer)

    def backend(self) -> Backend:
        """What the far side says it is, asked until it answers once; unknown until then."""
        if self._backend is None:
            try:
                self._backend = ask_backend(self._find())
            except StrongroomError:
                return UNKNOWN_BACKEND
        return self._backend

    def _find(self) -> Executable:
        try:
            return self._capabilities.get_executable(CAPABILITY_ID)
        except StrongroomError as error:
            raise Unavailable(
                "SR-CWF-004",
                "failed to get confidential-workflows capability",
                why=str(error),
                fix="enable the plugin confidential-workflows in plugins.yaml; the workflow never runs locally",
                capability=CAPABILITY_ID,
            ) from error

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
            raise _failed("failed to marshal ExecuteRequest", "SR-CWF-001", error, whole=True) from error
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
            raise _failed("failed to marshal capability payload", "SR-CWF-003", error, whole=True) from error

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
            raise _failed(f"{method} failed", "SR-CWF-009", error) from error
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
    return Backend(described.label, described.insecure)


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


def _unwrap(answer: capabilities_pb2.CapabilityResponse) -> sdk_pb2.ExecutionResult:
    """The one result in ``answer``: the typed field, the bytes field, or both when they agree."""
    if not answer.HasField("payload"):
        raise _broken("confidential-workflows capability returned nil payload", "SR-CWF-006")
    response = messages.ConfidentialWorkflowResponse()
    try:
        if not answer.payload.Unpack(response):
            raise _broken(
                "failed to unmarshal capability response",
                "SR-CWF-007",
                f"it is a {answer.payload.type_url or 'nothing'}",
            )
    except DecodeError as error:
        raise _broken("failed to unmarshal capability response", "SR-CWF-007", "it is damaged") from error
    try:
        serialized = sdk_pb2.ExecutionResult.FromString(response.execution_result)
    except DecodeError as error:
        raise _broken("failed to unmarshal ExecutionResult", "SR-CWF-008", "it is damaged") from error
    if not response.HasField("sdk_execution_result"):
        if not response.execution_result:
            raise _broken(
                "confidential-workflows capability returned no result", "SR-CWF-010", "both result fields are empty"
            )
        return serialized
    if response.execution_result and serialized != response.sdk_execution_result:
        raise _broken(
            "confidential-workflows capability returned two results", "SR-CWF-011", "its two result fields differ"
        )
    return response.sdk_execution_result


def _packed(message: messages.ConfidentialWorkflowRequest | empty_pb2.Empty) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


def _failed(what: str, code: str, cause: Exception, *, whole: bool = False) -> PluginFault:
    return PluginFault(
        code,
        what if whole else f"confidential-workflows capability {what}",
        why=str(cause),
        fix="the reason is the far side's; the run was not executed locally",
        plugin=PLUGIN,
    )


def _broken(what: str, code: str, why: str = "") -> PluginFault:
    return PluginFault(
        code,
        what,
        why=why,
        fix="the plugin broke its contract: update it or report this; nothing ran locally",
        plugin=PLUGIN,
    )
