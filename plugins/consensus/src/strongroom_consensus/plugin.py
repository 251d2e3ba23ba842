"""Consensus of a host with a single observer: ``Simple`` decides, ``Report`` signs.

The rules are those for n observers of which f may be faulty; here n = 1 and f = 0, so one observation decides.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf import empty_pb2

from strongroom.plugin import Call, Capability, Host, Repeats, Store, hookimpl
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus.aggregate import aggregate
from strongroom_consensus.bounds import check_inputs
from strongroom_consensus.keys import SigningKeys, key_from_file, key_from_store
from strongroom_consensus.numbering import Numbering
from strongroom_consensus.report import check_request, header_of, signed_report

__all__ = ["Consensus", "ConsensusPlugin"]

IDS: Final = ("consensus@1.0.0-alpha", "consensus@1.0.0")
REMEMBER_HOURS_MAX: Final = 8_760  # a year; a run that waits for longer gets another number


class Consensus:
    """The methods of the capability."""

    def __init__(
        self, keys: SigningKeys, store: Store, repeats: Repeats, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._numbering = Numbering(store, repeats)
        self._now_s = now_s

    def simple(self, call: Call) -> values_pb2.Value:
        """One value from the one observation of this host."""
        inputs = call.unpack(sdk_pb2.SimpleConsensusInputs)
        check_inputs(inputs)
        observation = inputs.value if inputs.WhichOneof("observation") == "value" else inputs.error
        default = inputs.default if inputs.HasField("default") else None
        return aggregate([observation], inputs.descriptors, default)

    def report(self, call: Call) -> sdk_pb2.ReportResponse:
        """The payload of the request, numbered and signed."""
        request = call.unpack(sdk_pb2.ReportRequest)
        check_request(request)
        stamped = call.metadata
        stamp = stamped.execution_timestamp.seconds if stamped.HasField("execution_timestamp") else int(self._now_s())
        header = header_of(stamped, stamp)
        return self._numbering.report(
            call, request.encoded_payload, header, lambda head, number: signed_report(self._keys, request, head, number)
        )

    def signers(self, call: Call) -> values_pb2.Value:
        """What whoever checks reports must know: config digest, address, public keys, all as hex text."""
        call.unpack(empty_pb2.Empty)
        answer = values_pb2.Value()
        for name, data in (
            ("config_digest", self._keys.config_digest),
            ("ecdsa_address", self._keys.address),
            ("ecdsa_public_key", self._keys.ecdsa_public),
            ("ed25519_public_key", self._keys.ed25519_public),
        ):
            answer.map_value.fields[name].string_value = data.hex()
        return answer


@dataclass(slots=True, kw_only=True, eq=False)
class ConsensusPlugin:
    """``key_file`` is an absolute path; without one the keys are made at the first start and kept in the store.

    ``remember_hours`` is how long a call that is sent again finds its report.
    """

    key_file: str = ""
    remember_hours: int = 168
    _consensus: Consensus | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.key_file and not Path(self.key_file).is_absolute():
            raise ValueError("key_file must be an absolute path")
        if not 1 <= self.remember_hours <= REMEMBER_HOURS_MAX:
            raise ValueError(f"remember_hours must be in 1..{REMEMBER_HOURS_MAX}, it is {self.remember_hours}")

    @hookimpl
    def start(self, host: Host) -> None:
        """Load the keys, or make them."""
        if self.key_file:
            keys, fresh = key_from_file(Path(self.key_file)), False
        else:
            keys, fresh = key_from_store(host.store)
        self._consensus = Consensus(keys, host.store, Repeats(host.store, hours=self.remember_hours))
        host.log.info("%s reports as 0x%s", "made keys; signs" if fresh else "signs", keys.address.hex())

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer consensus under both ids that SDKs ask for."""
        consensus = self._consensus
        if consensus is None:
            return []
        methods = {"Simple": consensus.simple, "Report": consensus.report, "Signers": consensus.signers}
        description = "One result from what nodes saw, and signed reports"
        return [Capability(id=name, description=description, methods=methods) for name in IDS]

    @hookimpl
    def stop(self) -> None:
        """Let go of the keys."""
        self._consensus = None
