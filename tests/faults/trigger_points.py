"""Named places between a scheduled second and its confirmed run, for the program that ends the daemon there."""

import sys

from tests.faults import failpoints
from tests.faults.failpoints import Point

__all__ = ["POINTS", "PROGRAM"]

PROGRAM = (sys.executable, "-m", "tests.faults.trigger_points")
_BOOK = "strongroom.plugin.event_book:EventBook"
_MARKS = "strongroom_cron_trigger.jobs:Jobs._keep"
POINTS = {
    "event kept.before": Point(f"{_BOOK}.add", "before"),
    "event kept.after": Point(f"{_BOOK}.add", "after"),
    "run accepted, trigger not told": Point("strongroom.registry.triggers:Registrations.ack", "before"),
    "trigger told.after": Point("strongroom.registry.triggers:Registrations.ack", "after"),
    "schedule moved on.before": Point(_MARKS, "before"),
    "schedule moved on.after": Point(_MARKS, "after"),
}

if __name__ == "__main__":
    sys.exit(failpoints.main(POINTS))
