"""What a vault says of secrets without opening them: there or not, version, least class, and what they are for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.cli.channel import Host
from strongroom.cli.failure import bad_data, unavailable
from strongroom.cli.vault_calls import LacksMethod, call_vault
from strongroom.pb.strongroom.vault.v1 import strongroom_vault_pb2
from strongroom.pb.vault import vault_pb2
from strongroom.telemetry.redaction import printable

__all__ = ["SecretState", "secret_states"]

IDS_PER_CALL: Final = 10
"""What a vault answers for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretState:
    """One secret. Version 0 and no class stand for a vault that does not say."""

    is_present: bool
    version: int = 0
    min_assurance: str = ""
    is_test_only: bool = False

    def document(self) -> dict[str, Any]:  # Any: JSON values
        """The terms, for programs; null where they are not known."""
        if not self.min_assurance:
            return {"version": None, "min_assurance": None, "test_only": None}
        return {"version": self.version, "min_assurance": self.min_assurance, "test_only": self.is_test_only}

    def cells(self) -> list[str]:
        """The terms, for a table."""
        if not self.min_assurance:
            return ["", "", ""]
        return [str(self.version), self.min_assurance, "tests" if self.is_test_only else "production"]

    def in_words(self) -> str:
        """For people, in one line."""
        if not self.is_present:
            return "missing"
        if not self.min_assurance:
            return "present"
        test = " · test-only" if self.is_test_only else ""
        return f"present · version {self.version} · min-assurance {printable(self.min_assurance)}{test}"


def secret_states(host: Host, owner: str, ids: Sequence[vault_pb2.SecretIdentifier]) -> list[SecretState]:
    """The state of each of ``ids``, in order. A vault that has no terms is asked for names. Raises ``Failure``."""
    try:
        return [
            state
            for start in range(0, len(ids), IDS_PER_CALL)
            for state in _asked(host, owner, ids[start : start + IDS_PER_CALL])
        ]
    except LacksMethod:
        names = _names(host, owner)
        return [SecretState(is_present=(each.namespace, each.key) in names) for each in ids]


def _asked(host: Host, owner: str, ids: Sequence[vault_pb2.SecretIdentifier]) -> list[SecretState]:
    request = strongroom_vault_pb2.SecretStatusRequest(ids=ids)
    answer = call_vault(host, owner, "vault.secrets.status", request, strongroom_vault_pb2.SecretStatusResponse)
    if len(answer.statuses) != len(ids):
        raise unavailable(
            "SR-CLI-119",
            "the vault did not answer for each secret",
            why=f"it was asked about {len(ids)}, and said something of {len(answer.statuses)}",
            fix="update the plugin that offers it",
        )
    for asked, found in zip(ids, answer.statuses, strict=True):
        if found.error:
            raise bad_data(
                "SR-CLI-120",
                f"the vault can say nothing of {asked.namespace}/{asked.key}",
                why=found.error,
                fix="correct what it names",
            )
    return [
        SecretState(
            is_present=each.present,
            version=each.version,
            min_assurance=each.min_assurance if each.present else "",
            is_test_only=each.test_only,
        )
        for each in answer.statuses
    ]


def _names(host: Host, owner: str) -> set[tuple[str, str]]:
    request = vault_pb2.ListSecretIdentifiersRequest(owner=owner)
    answer = call_vault(host, owner, "vault.secrets.list", request, vault_pb2.ListSecretIdentifiersResponse)
    return {(item.namespace, item.key) for item in answer.identifiers} if answer.success else set()
