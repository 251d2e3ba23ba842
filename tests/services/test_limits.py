"""The limits that are shown are those that guests have: each setting is shown, or is the host's own business."""

from strongroom.engine.limits import EngineLimits
from strongroom.guest.limits import GuestLimits
from strongroom.services.limits import HOST_ONLY, limits_in_force
from strongroom.settings.limits import LimitSettings

OF_THE_HOST = HOST_ONLY | {
    "runners_max",
    "message_bytes_max",
    "messages_bytes_max",
    "drain_timeout_ms",
    "plugin_drain_timeout_ms",
}
"""What no guest can meet, however it behaves."""


def test_every_setting_is_shown_or_is_of_the_host_alone():
    shown = {limit.name.removeprefix("limits.") for limit in limits_in_force(LimitSettings())}
    assert shown | OF_THE_HOST == set(LimitSettings.model_fields)
    assert not shown & OF_THE_HOST


def test_values_are_those_in_force_and_each_has_its_reason():
    limits = {limit.name: limit for limit in limits_in_force(LimitSettings(log_lines_max=7))}
    assert limits["limits.log_lines_max"].value == 7
    assert limits["limits.run_timeout_ms"].value == GuestLimits().timeout_ms
    assert limits["limits.steps_max"].value == EngineLimits().steps_max
    assert all(limit.reason.endswith(".") for limit in limits.values())
