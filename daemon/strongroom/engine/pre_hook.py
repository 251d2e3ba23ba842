"""One guest execution of a run, with its pre-hook before it when the subscription asks for one.

A pre-hook sees the same config and trigger and answers with restrictions, which hold for the run. Its answer is in the
journal before the trigger runs, so it is asked once however often the run is taken up again. Anything but restrictions
or an error denies the run: a guard that says something else has not said yes.

Source: contracts, "cre-guest" sections 3, 15 and 17, "confidential" section 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.engine.host import EngineHost
from strongroom.engine.recorded import Recorded
from strongroom.engine.restrictions import Counted, restricted
from strongroom.engine.selection import terms_of
from strongroom.engine.specs import Spec
from strongroom.errors import Cancelled, Forbidden, GuestFault, StorageFault, StrongroomError, Unavailable
from strongroom.guest.ids import PRE_HOOK, TRIGGER
from strongroom.modules.module import ExecutionHelper
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import objection_to
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2

__all__ = ["GuestRun"]

FAILED: Final = "pre-hook execution failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRun:
    """What the guest of one run is executed with.

    ``helper_of`` gives the host's side of a phase; ``known`` is what the journal has of the pre-hook's answer;
    ``remember`` returns when the journal has that answer on disk. ``recorded`` is what the run did before, and
    ``counted`` what that used up.
    """

    host: EngineHost
    spec: Spec
    module_name: str
    trigger: sdk_pb2.Trigger
    helper_of: Callable[[str], ExecutionHelper]
    known: journal_pb2.RestrictionsSet | None
    remember: Callable[[journal_pb2.RestrictionsSet], None]
    recorded: Recorded
    counted: Counted

    def execute(self) -> sdk_pb2.ExecutionResult:
        """The result of the trigger, or the pre-hook's when that is an error. Raises ``StrongroomError``."""
        index = int(self.trigger.id)
        restrictions = None
        if self.spec.subscriptions[index].pre_hook:
            answer = self._restrictions()
            if isinstance(answer, sdk_pb2.ExecutionResult):
                return answer
            restrictions = answer
        helper = self._gated(TRIGGER, restrictions)
        module = self.host.module(self.spec, self.module_name)
        return module.execute(self._request(trigger=self.trigger), helper, terms_of(self.spec, index, restrictions))

    def _restrictions(self) -> sdk_pb2.Restrictions | sdk_pb2.ExecutionResult:
        if self.known is not None:
            # Written by this host, and never without restrictions.
            return self.known.restrictions
        result = self._ask()
        kind = result.WhichOneof("result")
        if kind == "error":
            return result
        if kind != "restrictions":
            raise _denied(f"it answered with {kind or 'an empty result'}")
        if objection := objection_to(result.restrictions):
            raise _denied(objection)
        self.remember(journal_pb2.RestrictionsSet(restrictions=result.restrictions))
        return result.restrictions

    def _ask(self) -> sdk_pb2.ExecutionResult:
        limit_ms = self.host.limits.pre_hook_timeout_ms
        helper = self._gated(PRE_HOOK)
        if limit_ms < helper.timeout_ms:
            helper.timeout_ms = helper.timeout_limit_ms = limit_ms
            helper.timeout_setting = "limits.pre_hook_timeout_ms"
        # It has seconds in all, so it keeps its runner while it waits.
        helper.suspend_after_ms = 0
        try:
            return self.host.module(self.spec).execute(self._request(pre_hook=self.trigger), helper)
        except (Cancelled, StorageFault):
            # Nobody's verdict: the run was stopped, or its journal takes nothing and it is tried again.
            raise
        except (Forbidden, Unavailable) as error:
            # Nothing that the workflow said: its enclave was refused or away, and the run shows that by its own code.
            raise type(error)(error.code, FAILED, why=str(error), fix=error.fix, **error.details) from error
        except StrongroomError as error:
            raise _denied(str(error)) from error

    def _gated(self, phase: str, restrictions: sdk_pb2.Restrictions | None = None) -> RestrictedHelper:
        decisions = self.counted.decisions(phase, self.recorded, self.host.limits, restrictions)
        return restricted(self.helper_of(phase), self.spec, decisions)

    def _request(
        self, *, trigger: sdk_pb2.Trigger | None = None, pre_hook: sdk_pb2.Trigger | None = None
    ) -> sdk_pb2.ExecuteRequest:
        return sdk_pb2.ExecuteRequest(
            config=self.spec.config,
            trigger=trigger,
            pre_hook=pre_hook,
            max_response_size=self.recorded.created.response_bytes_max or self.host.limits.response_bytes_max,
        )


def _denied(why: str) -> GuestFault:
    return GuestFault(
        "SR-GUEST-040",
        FAILED,
        why=why,
        fix="a pre-hook answers with restrictions, or with an error, within limits.pre_hook_timeout_ms; the run was not"
        " executed",
    )
