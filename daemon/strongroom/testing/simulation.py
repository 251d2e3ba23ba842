"""A workflow without a host: what registration and one run of it would do, under the limits of a host.

1. The binary, the config and the payload are checked against their limits, the attributes are parsed.
2. The guest names its triggers.
3. The payload is wrapped as a host does it for a start by hand.
4. The pre-hook says what is allowed, if the subscription asks for one; anything but that denies the run.
5. The trigger runs, kept to what the pre-hook allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

from strongroom.engine.triggers import wrap
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.guest.binary import StoredBinary, decode_upload
from strongroom.guest.ids import execution_id, workflow_id
from strongroom.guest.limits import GuestLimits
from strongroom.modules.attributes import Attributes
from strongroom.modules.decisions import Decisions
from strongroom.modules.quotas import QuotaLimits, Quotas
from strongroom.modules.restricted import RestrictedHelper
from strongroom.modules.restrictions import Ledger
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.settings.limits import LimitSettings
from strongroom.testing.authors_host import NOT_FOUND, OWNER
from strongroom.testing.mocks import Mocks, MocksOfOneRun
from strongroom.testing.outcome import GuestOutcome, invalid_module
from strongroom.testing.run import trial
from strongroom.testing.simulated_host import SimulatedHost, Used

__all__ = ["Phase", "Simulation", "Wish", "simulate"]

EVENT_ID: Final = "simulated"
"""The same event each time, so that the seed of DON mode is the same each time too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is simulated; nothing of it is trusted. ``payload`` is JSON.

    ``has_attributes`` says whether attributes were given, even empty ones: then they list what the guest may have.
    """

    binary: bytes
    name: str
    config: bytes = field(repr=False)
    attributes: Attributes
    has_attributes: bool
    trigger: int
    payload: bytes = field(repr=False)
    mocks: Mocks
    secrets: Mapping[tuple[str, str], str] = field(repr=False)
    limits: LimitSettings


@dataclass(frozen=True, slots=True)
class Phase:
    """One request that the guest was asked, and what it came to. ``refusal`` is what a host says of that."""

    name: str
    outcome: GuestOutcome
    used: Used
    log_lines: int
    """Lines in the mode that has most of them, those above the limit too."""
    refusal: str = ""

    @property
    def failure(self) -> str:
        """Why it failed; empty when it did not."""
        result = self.outcome.result
        return self.refusal or self.outcome.error or (result.error if result is not None else "")


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was simulated. Its last phase is the one that decided."""

    binary: StoredBinary
    workflow_id: str
    subscriptions: tuple[sdk_pb2.TriggerSubscription, ...]
    phases: tuple[Phase, ...]
    missing: tuple[sdk_pb2.CapabilityRequest, ...]

    @property
    def failure(self) -> str:
        """Why the run failed; empty when it completed."""
        return self.phases[-1].failure


def simulate(wish: Wish) -> Simulation:
    """Run it. Raises ``InvalidInput`` and ``LimitExceeded`` for what registration or a start would refuse."""
    return _Run(wish).run()


class _Run:
    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._limits = wish.limits
        shared = _shared(wish.limits, GuestLimits)
        self._guest_limits = GuestLimits(timeout_ms=wish.limits.run_timeout_ms, **shared)
        self._mocks = MocksOfOneRun(wish.mocks, call_timeout_ms=wish.limits.capability_call_timeout_ms)
        self._phases: list[Phase] = []
        named = ((secret.namespace, secret.key) for secret in wish.attributes.vault_don_secrets)
        self._not_given = ["/".join(name) for name in named if name not in wish.secrets]

    def run(self) -> Simulation:
        wish, limits = self._wish, self._limits
        _check_size("config", len(wish.config), limits.config_bytes_max, "config_bytes_max")
        _check_size("payload", len(wish.payload), limits.payload_bytes_max, "payload_bytes_max")
        try:
            binary = decode_upload(wish.binary, self._guest_limits)
        except (InvalidInput, LimitExceeded) as refusal:
            raise invalid_module(refusal) from refusal
        identity = workflow_id(owner=OWNER, name=wish.name, binary=binary.data, config=wish.config)
        found = self._subscribe()
        if found:
            self._trigger(found, identity)
        return Simulation(binary, identity, found, tuple(self._phases), tuple(self._mocks.missing))

    def _subscribe(self) -> tuple[sdk_pb2.TriggerSubscription, ...]:
        request = sdk_pb2.ExecuteRequest(config=self._wish.config)
        request.subscribe.SetInParent()
        result = self._execute("subscribe", request, self._time("subscribe_timeout_ms"))
        if result is None:
            return ()
        kind, most = result.WhichOneof("result"), self._limits.subscriptions_max
        found = tuple(result.trigger_subscriptions.subscriptions)
        if kind == "error":
            return ()
        if kind != "trigger_subscriptions":
            self._refuse(f"it answered subscribe with {kind or 'an empty result'}")
        elif not found:
            self._refuse("the workflow subscribes to no trigger, so no run can be started")
        elif len(found) > most:
            self._refuse(f"it subscribes to {len(found)} triggers, more than {most} (limits.subscriptions_max)")
            return ()
        return found

    def _trigger(self, found: tuple[sdk_pb2.TriggerSubscription, ...], identity: str) -> None:
        wish = self._wish
        if wish.trigger >= len(found):
            raise InvalidInput(
                "SR-SIM-004",
                f"the workflow has no trigger {wish.trigger}",
                why=f"it subscribes to {', '.join(f'{n}={s.id}' for n, s in enumerate(found))}",
                fix="choose one of them with --trigger",
                field="--trigger",
            )
        if wish.attributes.confidential and self._not_given:
            # An enclave gets its secrets with the request, and begins with none of them missing.
            missing = f"{NOT_FOUND}: {', '.join(self._not_given)}"
            self._phases.append(Phase("trigger", GuestOutcome(None, missing, [], [], 0, 0.0), Used(), 0))
            return
        subscription = found[wish.trigger]
        event = sdk_pb2.Trigger(id=wish.trigger, payload=wrap(subscription.id, subscription.method, wish.payload))
        run_id = execution_id(identity, EVENT_ID, wish.trigger)
        restrictions = None
        if subscription.pre_hook:
            hook = sdk_pb2.ExecuteRequest(config=wish.config, pre_hook=event)
            answer = self._execute("pre-hook", hook, self._time("pre_hook_timeout_ms"), run_id)
            if answer is None or answer.WhichOneof("result") == "error":
                return
            if answer.WhichOneof("result") != "restrictions":
                self._refuse(f"pre-hook execution failed: it answered with {answer.WhichOneof('result') or 'nothing'}")
                return
            restrictions = answer.restrictions
        request = sdk_pb2.ExecuteRequest(config=wish.config, trigger=event)
        result = self._execute("trigger", request, self._time("run_timeout_ms"), run_id, restrictions)
        if result is not None and result.WhichOneof("result") not in {"value", "error"}:
            self._refuse(f"it answered a trigger with {result.WhichOneof('result') or 'an empty result'}")
        for name in self._phases[-1].used.secrets:
            if "/".join(name) in self._not_given:
                self._refuse(f"secret {'/'.join(name)} is not set, and the workflow's attributes name it")

    def _execute(
        self,
        name: str,
        request: sdk_pb2.ExecuteRequest,
        timeout: tuple[int, str],
        run_id: str = "",
        restrictions: sdk_pb2.Restrictions | None = None,
    ) -> sdk_pb2.ExecutionResult | None:
        host = SimulatedHost(
            mocks=self._mocks,
            secrets=self._wish.secrets,
            attributes=self._wish.attributes if self._wish.has_attributes else None,
            limits=self._limits,
            execution_id=run_id,
            timeout=timeout,
            may_call=name != "subscribe",
        )
        gate = RestrictedHelper(
            host,
            owner=OWNER,
            decisions=Decisions(
                Quotas(QuotaLimits(**_shared(self._limits, QuotaLimits))),
                None if restrictions is None else Ledger(restrictions),
            ),
        )

        # The gate hears of each call from whoever executes the guest, as on a host.
        host.begin = host.step
        outcome = trial(self._wish.binary, request, host=host, helper=gate, limits=self._guest_limits)
        self._phases.append(Phase(name, outcome, host.used, max(host.lines_by_mode.values(), default=0)))
        return outcome.result

    def _time(self, setting: str) -> tuple[int, str]:
        """The limit of a request in milliseconds, and its setting; none is longer than a run."""
        limits = self._limits
        return min((getattr(limits, setting), f"limits.{setting}"), (limits.run_timeout_ms, "limits.run_timeout_ms"))

    def _refuse(self, why: str) -> None:
        self._phases[-1] = replace(self._phases[-1], refusal=why)


def _shared(limits: LimitSettings, kind: type) -> dict[str, int]:
    """The limits whose names ``kind`` has too."""
    return {field.name: getattr(limits, field.name) for field in fields(kind) if hasattr(limits, field.name)}


def _check_size(what: str, size: int, limit: int, setting: str) -> None:
    if size > limit:
        raise LimitExceeded(
            "SR-SIM-008",
            f"the {what} is {size} bytes, more than {limit}",
            fix=f"make it smaller, or raise limits.{setting}",
            size=size,
            limit=limit,
            setting=f"limits.{setting}",
        )
