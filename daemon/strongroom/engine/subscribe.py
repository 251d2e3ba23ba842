"""Asking a workflow which triggers it subscribes to, before one byte of it is stored."""

from dataclasses import replace
from typing import Final

from strongroom.engine.execution import SubscribeHelper, missing_secret
from strongroom.engine.host import EngineHost
from strongroom.engine.restrictions import new_decisions, restricted
from strongroom.engine.specs import Spec
from strongroom.errors import GuestFault, InvalidInput, LimitExceeded, TimedOut
from strongroom.modules.module import Module
from strongroom.modules.route import LOCAL
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.registry.ids import validate_id

__all__ = ["subscriptions_of"]

METHOD_CHARACTERS_MAX: Final = 128
"""As long as a capability id may be."""


def subscriptions_of(
    host: EngineHost, draft: Spec, module: Module, warnings: list[str]
) -> sdk_pb2.TriggerSubscriptionRequest:
    """What the guest of ``draft`` subscribes to; ``warnings`` gets what whoever registers should know.

    Raises ``GuestFault`` when it answers anything else.
    """
    limits = host.limits
    metadata = host.metadata(draft, "")
    names = [(s.namespace, s.key) for s in draft.attributes.vault_don_secrets]
    if names:
        missing = host.secrets.missing(metadata, names)
        warnings += [missing_secret(*name.split("/", 1)) for name in missing]
    helper = SubscribeHelper(
        metadata=metadata,
        reader=host.secrets,
        timeout_ms=limits.subscribe_timeout_ms,
        named_secrets=draft.attributes.vault_don_secrets,
    )
    request = sdk_pb2.ExecuteRequest(config=draft.config, max_response_size=limits.response_bytes_max)
    request.subscribe.SetInParent()
    try:
        result = module.execute(request, restricted(helper, draft, new_decisions(limits)))
    except TimedOut as error:
        raise TimedOut(
            "SR-WF-013",
            f"the workflow did not name its triggers within {limits.subscribe_timeout_ms} ms",
            fix="name the triggers without waiting for anything, or raise the limit",
            limit=limits.subscribe_timeout_ms,
            setting="limits.subscribe_timeout_ms",
        ) from error
    warnings += [warning for warning in helper.warnings if warning not in warnings]
    if result.WhichOneof("result") != "trigger_subscriptions":
        raise GuestFault(
            "SR-WF-012",
            "the workflow did not name its triggers",
            why=_why(result, draft),
            fix="answer a subscribe request with trigger subscriptions",
        )
    count = len(result.trigger_subscriptions.subscriptions)
    if count > limits.subscriptions_max:
        raise LimitExceeded(
            "SR-WF-009",
            f"the workflow subscribes to {count} triggers, more than {limits.subscriptions_max}",
            fix="split the workflow, or raise the limit",
            size=count,
            limit=limits.subscriptions_max,
            setting="limits.subscriptions_max",
        )
    for subscription in result.trigger_subscriptions.subscriptions:
        _check_texts(subscription)
    draft = replace(draft, subscriptions=result.trigger_subscriptions.subscriptions)
    places = [host.selection.place(draft, index) for index in range(count)]
    if names and any(module == LOCAL for module, _ in places):
        warnings += host.secrets.not_for_local_runs(metadata, names)
    warnings += filter(None, (refusal for _, refusal in places))
    if count == 0:
        warnings.append("the workflow subscribes to no trigger, so no run can be started")
    return result.trigger_subscriptions


def _why(result: sdk_pb2.ExecutionResult, draft: Spec) -> str:
    if result.error and draft.attributes.confidential:
        # What it says may hold what only its enclave may know.
        return "it answered with an error, whose words stay in the enclave"
    return result.error or f"it answered subscribe with {result.WhichOneof('result') or 'an empty result'}"


def _check_texts(subscription: sdk_pb2.TriggerSubscription) -> None:
    """They are shown in lists and logs, so nothing may be hidden in them; a refusal does not quote them."""
    try:
        validate_id(subscription.id)
        is_shown = len(subscription.method) <= METHOD_CHARACTERS_MAX and subscription.method.isprintable()
    except InvalidInput:
        is_shown = False
    if not is_shown:
        raise GuestFault(
            "SR-WF-015",
            "the workflow subscribes to something that is no trigger",
            why="the id of one is not a capability id, or its method is longer than"
            f" {METHOD_CHARACTERS_MAX} characters or holds some that cannot be printed",
            fix="subscribe to an id such as cron-trigger@1.0.0",
        )
