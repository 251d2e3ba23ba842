"""An execution, what its enclave asks a relay for, and what comes back, as the vectors of the contract have them."""

import struct

from strongroom_confidential_workflows.dialect.messages import EnclaveConfig
from strongroom_confidential_workflows.dialect.relay_answers import CapabilityAnswer, SecretAnswer, SecretsAnswer
from strongroom_confidential_workflows.dialect.relay_params import (
    CapabilityParams,
    ExecutionRef,
    SecretRef,
    SecretsParams,
)

EXECUTION = ExecutionRef(
    workflow_id="00" + "ab" * 31,
    owner="0x" + "11" * 20,
    execution_id="b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4",
)
CONFIG = EnclaveConfig(signers=(b"s2", b"s1"), master_public_key=b"mpk", t=2, f=1)
A, B = SecretRef("main", "A"), SecretRef("main", "B")
ASKED = SecretsParams(execution=EXECUTION, secrets=(B, A), enclave_public_key="ab" * 32)
CALL = CapabilityParams(
    execution=EXECUTION, reference_id="7", capability_id="basic-test-action@1.0.0", payload="cGF5bG9hZA=="
)
GIVEN = SecretsAnswer((SecretAnswer(A, "Y3QtYQ==", ("c2gy", "c2gx")), SecretAnswer(B, "Y3QtYg==", ("c2gz",))))
ANSWERED = CapabilityAnswer("cmVzcA==")


def second_framing(parts):
    """The second implementation: numbers, texts and lists of them, one after another."""
    out = b""
    for part in parts:
        if isinstance(part, list):
            out += struct.pack(">Q", len(part)) + second_framing(part)
        elif isinstance(part, tuple):
            out += second_framing(part)
        elif isinstance(part, int):
            out += struct.pack(">I", part)
        else:
            raw = part.encode() if isinstance(part, str) else part
            out += struct.pack(">Q", len(raw)) + raw
    return out
