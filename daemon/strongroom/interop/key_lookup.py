"""Where the key of a run of others comes from: derived here for the own deployment, else asked of whoever has it.

Rule 1: the lookup takes the record of the run: its deployment says who has the key.
Rule 2: a run without a key is an error. Elsewhere it silently means plaintext; that takes ``strict=False`` here.
Rule 3: nothing here talks to a network: whoever wants to ask another deployment gives a ``KeyService``.

Source: contracts/run-encryption.md 2, 14 rows 3, 10 and 12.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote

from strongroom.crypto.base64_text import decode_base64
from strongroom.crypto.encr import import_run_key, run_key
from strongroom.crypto.keys import KEY_BYTES, Key
from strongroom.errors import InvalidInput, Misconfigured, Unavailable

__all__ = ["KeyLookup", "KeyService", "RunRecord"]

ANSWER_BYTES_MAX: Final = 4096
"""A key and its name take less than a hundred."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the record of a run says of its key: its id, and which deployment it belongs to, if that is known."""

    run_id: str
    deployment_id: str | None = None


class KeyService(Protocol):
    """An authenticated GET at the host that has the keys of other deployments."""

    def get(self, path: str, query: Mapping[str, str], *, token: str) -> tuple[int, bytes]:
        """The HTTP status and the body of the answer, which must be read to a limit. It raises what it likes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyLookup:
    """Finds keys of runs of one project.

    ``deployment_id`` is the own one, known in the runtime of a deployment alone; ``deployment_key`` its secret.
    ``token`` is for ``service``, and neither is needed where every run is of the own deployment.
    """

    project_id: str
    deployment_id: str | None = None
    deployment_key: Key | None = None
    team_id: str | None = None
    service: KeyService | None = None
    token: str | None = field(default=None, repr=False)

    def run_key(self, record: RunRecord, *, strict: bool = True) -> Key | None:
        """The key of a run; nothing, unless ``strict``, where it has none.

        Raises ``InvalidInput`` where strict demands one, ``Misconfigured`` without a token, ``Unavailable`` when the
        service refuses or answers something else.
        """
        key = self._found(record)
        if key is None and strict:
            raise InvalidInput(
                "SR-INTEROP-027",
                f"run {record.run_id[:80]} has no key",
                why="its deployment is unknown, or has no deployment key",
                fix="give the record of the run with its deployment; or strict=False for a run that is not encrypted",
                field="deployment_id",
            )
        return key

    def _found(self, record: RunRecord) -> Key | None:
        is_hosted = self.deployment_id is not None
        if is_hosted and record.deployment_id in (None, self.deployment_id):
            return run_key(self.deployment_key, self.project_id, record.run_id) if self.deployment_key else None
        return None if record.deployment_id is None else self._fetched(record.run_id, record.deployment_id)

    def _fetched(self, run_id: str, deployment_id: str) -> Key | None:
        if not self.token or self.service is None:
            raise Misconfigured(
                "SR-INTEROP-028",
                "Cannot fetch run key: no OIDC token or VERCEL_TOKEN available",
                fix="give a token and a service to ask, or look at the run where it is deployed",
                where="token",
            )
        query = {"projectId": self.project_id, "runId": run_id}
        if self.team_id:
            query["teamId"] = self.team_id
        path = f"/v1/workflow/run-key/{quote(deployment_id, safe='')}"
        status, body = self.service.get(path, query, token=self.token)
        if not 200 <= status < 300:
            raise Unavailable(
                "SR-INTEROP-029",
                f"Failed to fetch run key for {run_id[:80]} (deployment {deployment_id[:80]}): HTTP {status}",
                fix="check the token and the names; at 5xx try again",
                status=status,
            )
        return _key_in(body)

    def __repr__(self) -> str:
        """The project."""
        return f"<KeyLookup of {self.project_id}>"


def _key_in(untrusted: bytes) -> Key | None:
    """The key in ``{"key": base64 or null}``."""
    try:
        answer = json.loads(untrusted) if len(untrusted) <= ANSWER_BYTES_MAX else None
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and "key" in answer:
        text = answer["key"]
        if text is None:
            return None
        raw = decode_base64(text) if isinstance(text, str) else None
        if raw is not None and len(raw) == KEY_BYTES:
            return import_run_key(raw)
    # Nothing of the answer is shown: it may be a key.
    raise Unavailable(
        "SR-INTEROP-030",
        "the answer for a run's key is none",
        why='it is not {"key": 32 bytes in base64, or null}',
        fix="check that the address is the right one",
    )
