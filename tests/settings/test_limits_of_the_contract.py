"""The defaults of every limit that the guest contract names, in its own numbers.

A guest that works on production deployments must work here, and the other way round, so a default is no matter of
taste. What is written down here a second time is the right column of its table.

Source: contracts/cre-guest.md section 12.
"""

from dataclasses import fields

import pytest

from strongroom.engine.limits import EngineLimits
from strongroom.guest.limits import GuestLimits
from strongroom.modules.quotas import QuotaLimits
from strongroom.settings.limits import LimitSettings
from strongroom_cron_trigger.plugin import CronTrigger
from strongroom_http_actions.limits import CACHE_AGE_S_MAX, TIMEOUT_S_MAX
from strongroom_http_actions.plugin import HttpActionsPlugin
from strongroom_http_trigger.plugin import HttpTriggerPlugin

KB, MB, S, MIN = 1_000, 1_000_000, 1_000, 60_000
PRODUCTION = {
    "run_timeout_ms": 5 * MIN,
    "pre_hook_timeout_ms": 10 * S,
    "subscribe_timeout_ms": 15 * S,
    "trigger_registrations_timeout_ms": 10 * S,
    "subscriptions_max": 10,
    "memory_bytes_max": 100 * MB,
    "binary_compressed_bytes_max": 20 * MB,
    "binary_bytes_max": 100 * MB,
    "config_bytes_max": 50 * KB,
    "secrets_bytes_max": 27 * KB,
    "response_bytes_max": 100 * KB,
    "log_line_bytes_max": 1 * KB,
    "log_lines_max": 1_000,
    "calls_in_flight_max": 30,
    "capability_call_timeout_ms": 3 * MIN,
    "secrets_fetches_in_flight_max": 5,
    "http_action_calls_max": 5,
    "confidential_http_calls_max": 5,
    "consensus_calls_max": 20,
    "secrets_fetches_max": 5,
    "consensus_observation_bytes_max": 100 * KB,
    "workflows_per_owner_max": 1_000,
    "workflows_max": 1_000,
    "events_queued_per_workflow_max": 50,
    "poll_subscriptions_max": 128,
    "metric_bytes_max": 0,
    "metric_name_bytes_max": 128,
    "metric_labels_max": 10,
    "metric_label_bytes_max": 256,
}


@pytest.mark.parametrize(("name", "number"), PRODUCTION.items(), ids=PRODUCTION)
def test_the_default_of_a_setting_is_the_number_of_production(name, number):
    assert getattr(LimitSettings(), name) == number


@pytest.mark.parametrize("table", [GuestLimits, EngineLimits, QuotaLimits])
def test_whatever_is_built_without_settings_has_the_same_numbers(table):
    shared = {each.name for each in fields(table)} & set(PRODUCTION)
    assert {name: getattr(table(), name) for name in shared} == {name: PRODUCTION[name] for name in shared}
    assert GuestLimits().timeout_ms == PRODUCTION["run_timeout_ms"]


def test_the_capabilities_that_come_along_have_them_too():
    http = HttpActionsPlugin()
    assert (http.request_bytes_max, http.response_bytes_max) == (10 * KB, 100 * KB)
    assert (TIMEOUT_S_MAX, CACHE_AGE_S_MAX) == (10, 600)
    assert CronTrigger().fastest_interval_s == 30
    trigger = HttpTriggerPlugin()
    assert (trigger.rate_every_s, trigger.rate_burst) == (30, 3)
