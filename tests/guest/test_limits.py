"""The limits of a guest: none is zero by accident, and all of them reach the runner."""

import pytest

from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import wire_limits

NAMES = GuestLimits.__slots__


MAY_BE_ZERO = ("metric_bytes_max", "cancel_grace_ms")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MAY_BE_ZERO])
@pytest.mark.parametrize("value", [0, -1])
def test_zero_is_never_unlimited(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 1"):
        GuestLimits(**{name: value})


@pytest.mark.parametrize("name", MAY_BE_ZERO)
def test_zero_switches_metrics_and_grace_off(name):
    assert getattr(GuestLimits(**{name: 0}), name) == 0


def test_a_runner_is_told_every_limit_that_it_has_to_keep():
    numbers = {name: 1_000 + at for at, name in enumerate(NAMES)}
    wire = wire_limits(GuestLimits(**numbers), timeout_ms=77)
    told = {field.name: getattr(wire, field.name) for field in wire.DESCRIPTOR.fields}
    assert told.pop("timeout_ms") == 77
    assert told == {name: numbers[name] for name in told}
