"""A relay node with a vault and capabilities behind it, and an enclave of the test PKI that asks it."""

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace

from strongroom.crypto.signing import SigningKey
from strongroom.plugin.messages import confidential_workflow_pb2, sdk_pb2
from strongroom_confidential_workflows.dialect.attested import AttestedRequest, PcrSet
from strongroom_confidential_workflows.dialect.go_json import written
from strongroom_confidential_workflows.dialect.hashes import compute_request_hash
from strongroom_confidential_workflows.dialect.json_forms import signed_request_form
from strongroom_confidential_workflows.dialect.messages import ComputeRequest, EnclaveConfig, SignedComputeRequest
from strongroom_confidential_workflows.dialect.registered import RegisteredExecutions
from strongroom_confidential_workflows.dialect.relay import Relay
from strongroom_confidential_workflows.dialect.relay_answers import SecretAnswer
from strongroom_confidential_workflows.dialect.relay_params import SecretRef
from strongroom_confidential_workflows.dialect.retries import request_id
from strongroom_confidential_workflows.dialect.signatures import COMPUTE_DOMAIN, sign
from tests.fakes.dialect_values import ASKED, CALL, EXECUTION, A, B
from tests.fakes.pki_nitro import ANCHORS, NOW, document

NODES = [SigningKey.from_raw(bytes([number]) * 32) for number in range(1, 5)]
CONFIG = EnclaveConfig(signers=tuple(node.public for node in NODES), master_public_key=b"mpk", t=2, f=1)
SET = PcrSet(*(bytes([index + 1]) * 48 for index in range(3)))
FREE = sdk_pb2.Restrictions()
READABLE = frozenset({("main", "A"), ("main", "B")})


@dataclass
class Vault:
    """Seals by writing down for which key; one name is missing."""

    asked: list = field(default_factory=list)
    others: bool = False

    def sealed(self, names, *, public_key_hex, metadata):
        self.asked.append((tuple(names), public_key_hex, metadata))
        if self.others:
            return [SecretAnswer(SecretRef("main", "Z"))]
        return [
            SecretAnswer(each, error="vault: gone") if each.key == "gone" else SecretAnswer(each, "Y3Q=", ("c2g=",))
            for each in names
        ]


@dataclass
class Capabilities:
    """Answers what it was asked, or raises."""

    asked: list = field(default_factory=list)
    error: Exception | None = None

    def call(self, request, *, metadata):
        self.asked.append((request, metadata))
        if self.error:
            raise self.error
        return sdk_pb2.CapabilityResponse(payload=request.payload)


class Rig:
    """A relay with its host, and an enclave that asks it."""

    def __init__(self, **changes):
        self.vault, self.capabilities = Vault(), Capabilities()
        self.executions = RegisteredExecutions(vault=self.vault, capabilities=self.capabilities)
        check = AttestedRequest(trusted=(SET,), anchors=ANCHORS, clock=lambda: NOW)
        parts = {"attested": check, "configs": lambda: (CONFIG,), "executions": self.executions, "key": NODES[0]}
        self.relay = Relay(**{**parts, **changes})

    def registered(self, **changes):
        return self.executions.registered(
            changes.get("execution", EXECUTION),
            readable=changes.get("readable", READABLE),
            restrictions=changes.get("restrictions", FREE),
            don_id=7,
        )

    def ask(self, method, params, message_id="ask-1"):
        form = params if isinstance(params, dict) else params.form()
        answer = self.relay.answer(written({"jsonrpc": "2.0", "id": message_id, "method": method, "params": form}))
        return json.loads(answer)


def attested(params):
    """``params`` with a document of the test PKI about them."""
    body = document(user_data=params.user_data(), nonce=None, public_key=None).body
    return replace(params, attestation=body)


def compute_request(**changes):
    execution = confidential_workflow_pb2.WorkflowExecution(
        workflow_id=EXECUTION.workflow_id,
        owner=EXECUTION.owner,
        execution_id=EXECUTION.execution_id,
        **changes.pop("data", {}),
    )
    for name, value in changes.pop("other", {}).items():
        setattr(execution, name, value)
    return ComputeRequest(
        **{
            "request_id": request_id(EXECUTION.execution_id),
            "application_request_id": "exec-1",
            "public_data": execution.SerializeToString(),
            "enclave_ephemeral_public_key": b"epk",
            "master_public_key": b"mpk",
            "app_id": "confidential-workflows",
            "version": "0.0.7",
            **changes,
        }
    )


def signed_by(nodes, request=None):
    request = request or compute_request()
    made = [sign(node, COMPUTE_DOMAIN, compute_request_hash(request)).signature for node in nodes]
    return tuple(dict(signed_request_form(SignedComputeRequest(request=request, signature=each))) for each in made)


def asking(secrets=(A, B), nodes=NODES[:2], request=None, **changes):
    return attested(replace(ASKED, secrets=secrets, signed_compute_requests=signed_by(nodes, request), **changes))


def calling(method="PerformAction", capability_id="basic-test-action@1.0.0", payload=None, **changes):
    request = sdk_pb2.CapabilityRequest(id=capability_id, method=method, payload=payload)
    encoded = b64encode(request.SerializeToString()).decode()
    return attested(replace(CALL, capability_id=capability_id, payload=encoded, **changes))


def error_of(answer):
    assert "result" not in answer
    return answer["error"]["code"], answer["error"]["message"]
