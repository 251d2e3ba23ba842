"""The keys of an enclave: one writes, a new one comes every 12 hours, each can be opened with for 24 hours.

One key stands for one request: whoever asks again for the same request gets the same key, so that the nodes of a
network seal to one. A key that lives for hours is why this dialect binds no secret to one execution.
Source: contracts/confidential.md 10.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.box import BoxKey
from strongroom.plugin import Conflict, InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig, PublicKeyResponse
from strongroom_confidential_workflows.dialect.times import NS_PER_S

__all__ = ["LIFETIME_NS", "PINS_MAX", "ROTATION_NS", "EnclaveKey", "EnclaveKeys", "is_due", "living"]

ROTATION_NS: Final = 12 * 3600 * NS_PER_S
LIFETIME_NS: Final = 24 * 3600 * NS_PER_S
PINS_MAX: Final = 500_000
"""As many requests as are remembered."""


@dataclass(frozen=True, slots=True)
class EnclaveKey:
    """A key pair for sealed boxes and when it was made, in Unix nanoseconds."""

    pair: BoxKey
    created_ns: int

    @property
    def public(self) -> bytes:
        """The 32 bytes to seal to."""
        return bytes.fromhex(self.pair.public_hex)


def living(keys: Sequence[EnclaveKey], *, now_ns: int) -> tuple[EnclaveKey, ...]:
    """The keys that have not expired."""
    return tuple(each for each in keys if now_ns - each.created_ns < LIFETIME_NS)


def is_due(keys: Sequence[EnclaveKey], *, now_ns: int) -> bool:
    """Whether a new key must be made: there is none, or the newest is 12 hours old."""
    return not keys or now_ns - max(each.created_ns for each in keys) >= ROTATION_NS


@dataclass(slots=True, kw_only=True)
class EnclaveKeys:
    """The keys of one enclave, and which request each was given to. For one thread at a time."""

    generate: Callable[[], BoxKey] = BoxKey.generate
    pins_max: int = PINS_MAX
    _keys: tuple[EnclaveKey, ...] = field(default=(), init=False)
    _pins: dict[bytes, bytes] = field(default_factory=dict, init=False)

    def advance(self, *, now_ns: int) -> None:
        """Make a key when one is due, drop those that expired and the requests that they were pinned to."""
        kept = living(self._keys, now_ns=now_ns)
        if is_due(kept, now_ns=now_ns):
            kept = (*kept, EnclaveKey(self.generate(), now_ns))
        if kept != self._keys:
            publics = {each.public for each in kept}
            self._pins = {request: public for request, public in self._pins.items() if public in publics}
        self._keys = kept

    def response(self, request_id: bytes, config: EnclaveConfig, *, now_ns: int) -> PublicKeyResponse:
        """The key for that request, with its age, to be attested. Raises ``LimitExceeded`` for too many requests."""
        self.advance(now_ns=now_ns)
        if request_id not in self._pins:
            if len(self._pins) >= self.pins_max:
                raise LimitExceeded(
                    "SR-DIAL-019",
                    f"keys were given to {len(self._pins)} requests, which is the most",
                    fix="ask another enclave, or later",
                    size=len(self._pins),
                    limit=self.pins_max,
                    setting="pins_max",
                )
            self._pins[request_id] = self._keys[-1].public
        key = self._find(self._pins[request_id])
        return PublicKeyResponse(
            public_keys=(key.public,), creation_times_ns=(key.created_ns,), ttls_ns=(LIFETIME_NS,), config=config
        )

    def pair_for(self, request_id: bytes, public: bytes, *, now_ns: int) -> BoxKey:
        """What opens boxes for that request. Raises ``InvalidInput`` for a key that is not known or has expired,
        ``Conflict`` for one that is not the request's."""
        self.advance(now_ns=now_ns)
        key = self._find(public)
        if self._pins.get(request_id, public) != public:
            raise Conflict("SR-DIAL-020", "the request has another key", fix="seal to the key that was given for it")
        return key.pair

    def _find(self, public: bytes) -> EnclaveKey:
        for each in self._keys:
            if each.public == public:
                return each
        raise InvalidInput(
            "SR-DIAL-021",
            "the key is not one of this enclave",
            why="it has expired, or another enclave made it",
            fix="ask for its keys again and seal to the one in the answer",
            field="enclaveEphemeralPublicKey",
        )
