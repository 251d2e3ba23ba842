"""Names of spans, and the attributes that they may have. What is not here does not get into a trace.

Attributes are ids, names, sizes, durations and hashes; the names of the first group are those of OpenTelemetry.
"""

from typing import Final

__all__ = ["ATTRIBUTES", "SPANS"]

API_CALL: Final = "api.call"
RUN_ACCEPT: Final = "run.accept"
RUN_EXECUTE: Final = "run.execute"
RUN_REPLAY: Final = "run.replay"
CAPABILITY_CALL: Final = "capability.call"
PLUGIN_EXECUTE: Final = "plugin.execute"
ENCLAVE_EXECUTE: Final = "enclave.execute"

SPANS: Final = {
    API_CALL: "a call of the API, with one answer",
    RUN_ACCEPT: "a run was accepted; its traceparent is kept with it, sealed",
    RUN_EXECUTE: "its guest is executed, until it ends or waits; once for each time that it is taken up",
    RUN_REPLAY: "a run that has ended is executed again against its journal",
    CAPABILITY_CALL: "a call of a capability, as the host makes it",
    PLUGIN_EXECUTE: "the same, as the process answers that serves it",
    ENCLAVE_EXECUTE: "an execution in an enclave, as the plugin sees it from outside",
}
"""Each name, and what it is of."""
ATTRIBUTES: Final = {
    "rpc.system.name": "grpc",
    "rpc.method": "service and method of the API",
    "rpc.response.status_code": "word of the answer, such as OK or NOT_FOUND",
    "error.type": "stable code, or word of an error of a capability",
    "strongroom.run.id": "id of the run",
    "strongroom.execution.id": "execution id, which capabilities see",
    "strongroom.workflow.id": "id of the workflow",
    "strongroom.workflow.name": "its name",
    "strongroom.module": "local or confidential",
    "strongroom.binary.sha256": "hash of its binary",
    "strongroom.outcome": "how it ended, or suspended",
    "strongroom.capability.id": "id of the capability that answered",
    "strongroom.step": "reference of the call within its run",
    "strongroom.request.bytes": "size of a request",
    "strongroom.response.bytes": "size of an answer",
    "strongroom.evidence.kind": "kind of the enclave's evidence",
    "strongroom.receipt.bytes": "size of its receipt",
}
"""Each name, and what it holds."""
