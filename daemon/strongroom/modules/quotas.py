"""How much one run may ask for: calls of the dear capabilities, observations, fetches of secrets.

Counted in the order in which the guest starts its calls, so that a replay is refused the same calls. The pre-hook of a
run counts for itself: it is not repeated when the run is. Source: contracts, "cre-guest" section 12.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["QuotaLimits", "Quotas", "SecretBytes"]

HTTP_ACTION: Final = "http-actions"
CONFIDENTIAL_HTTP: Final = "confidential-http"
CONSENSUS: Final = "consensus"
VAULT: Final = "vault"
FETCHES: Final = "secrets"
SIMPLE: Final = "Simple"
SECRETS_PER_FETCH_MAX: Final = 100
"""As many as the vault keeps for one owner; more cannot all be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """Limits of one run; each is the setting ``limits.<name>``, where its reason stands."""

    http_action_calls_max: int = 5
    confidential_http_calls_max: int = 5
    consensus_calls_max: int = 20
    consensus_observation_bytes_max: int = 100_000
    secrets_fetches_max: int = 5
    secrets_fetches_in_flight_max: int = 5
    secrets_bytes_max: int = 27_000


class Quotas:
    """What one run has used. Each ``…_refusal`` says why not, or nothing; only ``take_…`` counts."""

    def __init__(self, limits: QuotaLimits) -> None:
        self.limits = limits
        self._used: Counter[str] = Counter()

    def call_refusal(self, request: sdk_pb2.CapabilityRequest) -> str:
        """Why this call may not be started; empty when it may."""
        name = _counted_name(request)
        if name == VAULT:
            return self.fetch_refusal()
        setting, what = _SETTINGS.get(name, ("", ""))
        if setting and (refusal := self._refusal(name, what, setting)):
            return refusal
        size = len(request.payload.value)
        if name == CONSENSUS and request.method == SIMPLE and size > self.limits.consensus_observation_bytes_max:
            limit, setting = self.limits.consensus_observation_bytes_max, "consensus_observation_bytes_max"
            return f"consensus observation: {size} bytes is more than {limit} (limits.{setting})"
        return ""

    def take_call(self, request: sdk_pb2.CapabilityRequest) -> None:
        """Count a call that is started."""
        name = _counted_name(request)
        self._used[FETCHES if name == VAULT else name] += 1

    def fetch_refusal(self, names: int = 1) -> str:
        """Why no fetch of so many secrets may be started; empty when one may."""
        if names > SECRETS_PER_FETCH_MAX:
            return f"secrets in one fetch: {names} is more than {SECRETS_PER_FETCH_MAX}"
        return self._refusal(FETCHES, "fetches of secrets in one run", "secrets_fetches_max")

    def take_fetch(self) -> None:
        """Count a fetch of secrets that is started."""
        self._used[FETCHES] += 1

    def _refusal(self, name: str, what: str, setting: str) -> str:
        limit: int = getattr(self.limits, setting)
        wanted = self._used[name] + 1
        return f"{what}: {wanted} is more than {limit} (limits.{setting})" if wanted > limit else ""


_SETTINGS: Final = {
    HTTP_ACTION: ("http_action_calls_max", "calls of http-actions in one run"),
    CONFIDENTIAL_HTTP: ("confidential_http_calls_max", "calls of confidential-http in one run"),
    CONSENSUS: ("consensus_calls_max", "calls of consensus in one run"),
}


def _counted_name(request: sdk_pb2.CapabilityRequest) -> str:
    """The name in the id, without labels and version: another version of the same is no other quota."""
    return request.id.split("@", 1)[0].split(":", 1)[0]


class SecretBytes:
    """The bytes of all secrets that one run was given. A fetch that would make them too many fails as a whole.

    How large an answer is turns out when it is there, so unlike a call it cannot be decided in the guest's order. What
    was decided is kept with the answer instead: ``keep`` says of an answer that stood already that it counts.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}

    def refusal(self, fetch: str, answers: sdk_pb2.SecretResponses) -> str:
        """Count the answers of a fetch, known by its name, or say why the run may not have them."""
        size = _value_bytes(answers)
        with self._lock:
            total = size + sum(count for name, count in self._sizes.items() if name != fetch)
            if total > self._bytes_max:
                return f"secrets of one run: {total} bytes is more than {self._bytes_max} (limits.secrets_bytes_max)"
            self._sizes[fetch] = size
            return ""

    def keep(self, fetch: str, answers: sdk_pb2.SecretResponses) -> None:
        """Count answers that the run had before."""
        with self._lock:
            self._sizes[fetch] = _value_bytes(answers)


def _value_bytes(answers: sdk_pb2.SecretResponses) -> int:
    return sum(len(answer.secret.value.encode()) for answer in answers.responses)
