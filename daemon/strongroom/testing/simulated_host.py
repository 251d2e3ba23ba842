"""The host of a simulated workflow: mocks answer calls, secrets come from a file, and a host's own limits hold."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from strongroom.engine.policy import refuse_system_only
from strongroom.errors import CapabilityError, LimitExceeded, StrongroomError
from strongroom.modules.attributes import DEFAULT_NAMESPACE, Attributes
from strongroom.modules.quotas import SecretBytes
from strongroom.modules.vault_reads import is_vault, not_listed
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.plugin.error_text import format_error
from strongroom.settings.limits import LimitSettings
from strongroom.testing.authors_host import OWNER, AuthorsHost, Begun
from strongroom.testing.mocks import MocksOfOneRun

__all__ = ["SimulatedHost", "Used"]


@dataclass(slots=True)
class Used:
    """How much one guest asked for, by what is counted."""

    counts: Counter[str] = field(default_factory=Counter)
    secrets: list[tuple[str, str]] = field(default_factory=list)
    """The secrets that it asked for, as (namespace, key)."""
    notes: list[str] = field(default_factory=list)
    """What its host had to say beside that."""


class SimulatedHost(AuthorsHost):
    """An ``AuthorsHost`` with the rules of a host: system capabilities, named secrets, steps, the time."""

    def __init__(
        self,
        *,
        mocks: MocksOfOneRun,
        secrets: Mapping[tuple[str, str], str],
        attributes: Attributes | None,
        limits: LimitSettings,
        execution_id: str,
        timeout: tuple[int, str],
        may_call: bool,
    ) -> None:
        super().__init__(
            function_of=lambda _id: self._answer,
            secrets=secrets,
            execution_id=execution_id,
            timeout_ms=timeout[0],
            timeout_setting=timeout[1],
            log_lines_max=limits.log_lines_max,
            don_time=self._agreed_time,
            may_call=may_call,
        )
        self._mocks = mocks
        self._attributes = attributes
        self._limits = limits
        self._secret_bytes = SecretBytes(limits.secrets_bytes_max)
        self.used = Used()

    def step(self, request: Begun) -> None:
        """Count a call or a fetch that is started; one too many ends the run."""
        self.used.counts["steps"] += 1
        if isinstance(request, sdk_pb2.CapabilityRequest):
            self.used.counts[request.id.split("@", 1)[0].split(":", 1)[0]] += 1
            self._mocks.begin(request)
        else:
            self.used.counts["fetches"] += 1
        if self.used.counts["steps"] > self._limits.steps_max and self._stop is not None:
            self._stop(
                f"the run has made {self._limits.steps_max} steps, as many as a run may (limits.steps_max)", grace_ms=0
            )

    def get_secrets(self, request: sdk_pb2.GetSecretsRequest) -> sdk_pb2.SecretResponses:
        """As a host answers: what the attributes list, and no more bytes than a run may have.

        Without attributes there is nobody who could have listed any, and the guest gets what it asks for.
        """
        listed = self._attributes.vault_don_secrets if self._attributes is not None else ()
        named = {(secret.namespace, secret.key) for secret in listed}
        answers = super().get_secrets(request)
        for asked, answer in zip(request.requests, answers.responses, strict=True):
            name = (asked.namespace or DEFAULT_NAMESPACE, asked.id)
            self.used.secrets.append(name)
            if self._attributes is not None and name not in named:
                why = not_listed(*name)
                refusal = sdk_pb2.SecretError(id=name[1], namespace=name[0], owner=OWNER, error=why)
                answer.error.CopyFrom(refusal)
        if refusal_of_all := self._secret_bytes.refusal(str(request.callback_id), answers):
            raise LimitExceeded(
                "SR-SIM-006",
                refusal_of_all,
                fix="ask for fewer or smaller secrets, or raise limits.secrets_bytes_max",
                limit=self._limits.secrets_bytes_max,
                setting="limits.secrets_bytes_max",
            )
        self.used.counts["secret bytes"] += sum(len(answer.secret.value.encode()) for answer in answers.responses)
        return answers

    def note(self, what: str, error: Exception | None = None) -> None:
        """Keep it for whoever reads the simulation."""
        self.used.notes.append((str(error) if error is not None else what).removeprefix("strongroom: "))

    def _answer(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        try:
            if not is_vault(request.id):
                # What a workflow may read of the vault depends on the host; here a mock decides.
                refuse_system_only(request.id, request.method)
        except StrongroomError as error:
            refusal = CapabilityError("Public", "System", "PermissionDenied", str(error))
            return sdk_pb2.CapabilityResponse(error=format_error(refusal))
        return self._mocks.answer(request)

    def _agreed_time(self) -> int:
        self.used.counts["time reads"] += 1
        if self.used.counts["time reads"] > self._limits.time_reads_max:
            raise LimitExceeded(
                "SR-SIM-007",
                f"the run read the time more than {self._limits.time_reads_max} times",
                fix="read the time once and keep it, or raise limits.time_reads_max",
                limit=self._limits.time_reads_max,
                setting="limits.time_reads_max",
            )
        return time.time_ns()
