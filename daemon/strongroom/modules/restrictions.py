"""What a pre-hook's restrictions leave of the calls and secrets of one run.

Rule 1: what is asked for is taken whole or not at all: a denial spends nothing.
Rule 2: a name in a namespace ``""`` is a name in ``main``, here and there.
Rule 3: secrets that travel inside of a call are secrets: the same rules, whether capabilities are restricted or not.

Not thread safe: one place asks, in the order in which the guest starts its calls, so that a replay counts the same.
Source: contracts, "cre-guest" sections 15 and 17.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.modules.attributes import DEFAULT_NAMESPACE
from strongroom.modules.requirements import holds_unknown_fields
from strongroom.pb.capabilities.networking.confidentialhttp.v1alpha import confidential_http_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.vault import vault_pb2

__all__ = [
    "ENTRIES_MAX",
    "HTTP_PAYLOAD_BYTES_MAX",
    "NAMES_MAX",
    "VAULT_PAYLOAD_BYTES_MAX",
    "Ledger",
    "denial_of",
    "named_secrets",
    "objection_to",
]

ENTRIES_MAX: Final = 1_000
"""Entries of capabilities and of secrets together. Each secret that is asked for is held against each of them."""
NAMES_MAX: Final = 100
"""Secrets that one call carries or one fetch asks for: as many as the vault keeps for one owner."""
VAULT_PAYLOAD_BYTES_MAX: Final = 64 * 1024
"""A read of the vault with that many names has room to spare. Parsed, two bytes may become a message of a hundred."""
HTTP_PAYLOAD_BYTES_MAX: Final = 256 * 1024
"""The same for confidential HTTP, which carries a body too."""
CONFIDENTIAL_HTTP: Final = confidential_http_pb2.ConfidentialHTTPRequest.DESCRIPTOR.full_name
VAULT_GET: Final = vault_pb2.GetSecretsRequest.DESCRIPTOR.full_name
_PAYLOAD_BYTES_MAX: Final = {CONFIDENTIAL_HTTP: HTTP_PAYLOAD_BYTES_MAX, VAULT_GET: VAULT_PAYLOAD_BYTES_MAX}

Name = tuple[str, str]
"""Namespace, never empty, and id of a secret."""


@dataclass(slots=True)
class _Prefix:
    namespace: str
    prefix: str
    left: int

    def covers(self, name: Name) -> bool:
        return name[0] == self.namespace and name[1].startswith(self.prefix)


def objection_to(restrictions: sdk_pb2.Restrictions) -> str:
    """Why nobody could be kept to ``restrictions``; empty when everybody can."""
    if holds_unknown_fields(restrictions):
        return "the restrictions hold fields that are not known here"
    count = len(restrictions.capabilities.restrictions) + len(restrictions.secrets.restrictions)
    return f"the restrictions have {count} entries, more than {ENTRIES_MAX}" if count > ENTRIES_MAX else ""


class Ledger:
    """Counts down one ``Restrictions``. Each ``take_…`` gives the reason of a denial, or nothing when it is granted."""

    def __init__(self, restrictions: sdk_pb2.Restrictions) -> None:
        capabilities, secrets = restrictions.capabilities, restrictions.secrets
        self._calls_are_free = not restrictions.HasField("capabilities")
        self._is_open = capabilities.type == sdk_pb2.CAPABILITY_RESTRICTION_TYPE_OPEN
        self._calls_left = capabilities.max_total_calls
        self._methods: dict[tuple[str, str], int] = {}
        for restriction in capabilities.restrictions:
            if restriction.WhichOneof("restriction") == "method":
                method = restriction.method
                key = (method.id, method.method)
                self._methods[key] = min(method.max_calls, self._methods.get(key, method.max_calls))
        self._secrets_are_free = not restrictions.HasField("secrets")
        self._secrets_left = secrets.max_secrets
        self._exact: set[Name] = set()
        self._prefixes: list[_Prefix] = []
        for entry in secrets.restrictions:
            if entry.WhichOneof("restriction") == "exact_secret":
                self._exact.add(_name(entry.exact_secret.namespace, entry.exact_secret.id))
            elif entry.WhichOneof("restriction") == "prefixed_secret":
                rule = entry.prefixed_secret
                self._prefixes.append(_Prefix(rule.namespace or DEFAULT_NAMESPACE, rule.prefix, rule.max_secrets))

    def take_call(self, request: sdk_pb2.CapabilityRequest) -> str:
        """Take one call, with the secrets that it carries."""
        if self._calls_are_free and self._secrets_are_free:
            return ""
        denied = f"call denied by user pre-hook restrictions: {request.id} {request.method}"
        key = (request.id, request.method)
        if not self._calls_are_free and (self._calls_left == 0 or not self._methods.get(key, int(self._is_open))):
            return denied
        names = named_secrets(request)
        if names is None or not self._take_all(names):
            return denied
        if not self._calls_are_free:
            self._calls_left -= 1
            if key in self._methods:
                self._methods[key] -= 1
        return ""

    def charge_call(self, request: sdk_pb2.CapabilityRequest) -> None:
        """Count a call that was granted before, with the secrets that it carries, whatever is left."""
        if not self._calls_are_free:
            key = (request.id, request.method)
            self._calls_left = max(self._calls_left - 1, 0)
            if key in self._methods:
                self._methods[key] = max(self._methods[key] - 1, 0)
        if not self._secrets_are_free:
            self._charge(named_secrets(request) or [])

    def charge_secret(self, request: sdk_pb2.SecretRequest) -> None:
        """Count a secret that was granted before."""
        if not self._secrets_are_free:
            self._charge([_name(request.namespace, request.id)])

    def take_secret(self, request: sdk_pb2.SecretRequest) -> str:
        """Take one secret."""
        return "" if self._take_all([_name(request.namespace, request.id)]) else denial_of(request)

    def take_secrets(self, names: Sequence[Name]) -> bool:
        """Take secrets by namespace and id, all or none; whether they were granted."""
        return self._take_all([_name(*name) for name in names])

    def allows(self, namespace: str, key: str) -> bool:
        """Whether that secret could be taken now. Nothing is taken."""
        return self._secrets_are_free or (self._secrets_left > 0 and self._covering(_name(namespace, key)) is not None)

    def _take_all(self, names: Sequence[Name]) -> bool:
        if self._secrets_are_free:
            return True
        left = self._secrets_left, [rule.left for rule in self._prefixes]
        for name in names:
            covering = self._covering(name)
            if self._secrets_left == 0 or covering is None:
                self._secrets_left, counts = left
                for rule, count in zip(self._prefixes, counts, strict=True):
                    rule.left = count
                return False
            self._secrets_left -= 1
            for rule in covering:
                rule.left -= 1
        return True

    def _charge(self, names: Sequence[Name]) -> None:
        for name in names:
            self._secrets_left = max(self._secrets_left - 1, 0)
            for rule in self._prefixes:
                if rule.covers(name):
                    rule.left = max(rule.left - 1, 0)

    def _covering(self, name: Name) -> list[_Prefix] | None:
        """The prefixes that ``name`` counts against; ``None`` when it is denied."""
        covering = [rule for rule in self._prefixes if rule.covers(name)]
        if any(rule.left == 0 for rule in covering) or (not covering and name not in self._exact):
            return None
        return covering


def denial_of(request: sdk_pb2.SecretRequest) -> str:
    """What the guest reads of a secret that its restrictions deny."""
    namespace, key = _name(request.namespace, request.id)
    return f'secret "{key}" in namespace "{namespace}" denied by user pre-hook restrictions'


def named_secrets(request: sdk_pb2.CapabilityRequest) -> list[Name] | None:
    """The secrets that a call carries: those of confidential HTTP and of a read of the vault.

    ``None`` when they cannot be read, or are more than a call may carry. What is too large for that is not parsed.
    """
    kind = request.payload.type_url.rsplit("/", 1)[-1]
    bytes_max = _PAYLOAD_BYTES_MAX.get(kind)
    if bytes_max is not None and len(request.payload.value) > bytes_max:
        return None
    try:
        if kind == CONFIDENTIAL_HTTP:
            http = confidential_http_pb2.ConfidentialHTTPRequest.FromString(request.payload.value)
            return _bounded([_name(secret.namespace, secret.key) for secret in http.vault_don_secrets[: NAMES_MAX + 1]])
        if kind == VAULT_GET:
            read = vault_pb2.GetSecretsRequest.FromString(request.payload.value)
            return _bounded([_name(secret.id.namespace, secret.id.key) for secret in read.requests[: NAMES_MAX + 1]])
    except DecodeError:
        return None
    return []


def _bounded(names: list[Name]) -> list[Name] | None:
    return names if len(names) <= NAMES_MAX else None


def _name(namespace: str, key: str) -> Name:
    return namespace or DEFAULT_NAMESPACE, key
