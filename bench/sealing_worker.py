"""What sealing, opening and MACs cost one run: the real engine in this process, with a clock around each of them.

Sealing has no switch, so the run without it cannot be measured. The clock is the processor time of the thread: waiting
for another thread inside a call is not counted as encryption.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench.worker import ROOT, answer
from strongroom.app.build import build
from strongroom.engine.admission import Start
from strongroom.engine.registration import Wish
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.run_keys import RunKeys
from strongroom.settings.layers import load

WARM_UP: Final = 100
COUNT: Final = 500
CLOCKED: Final = (
    (RunKeys, "seal"),
    (RunKeys, "open"),
    (RecordKeys, "seal"),
    (RecordKeys, "open"),
    (RecordKeys, "mac"),
    (RecordKeys, "check"),
    (RecordKeys, "fingerprint"),
)
"""Every door to the keys that a run goes through."""

spent_ns: Counter[str] = Counter()
calls: Counter[str] = Counter()


def clocked(owner: type, name: str) -> None:
    """Put a clock around a method."""
    inner = getattr(owner, name)
    label = f"{owner.__name__}.{name}"

    def method(*args: Any, **kwargs: Any) -> Any:  # Any: the method's own
        began = time.thread_time_ns()
        try:
            return inner(*args, **kwargs)
        finally:
            spent_ns[label] += time.thread_time_ns() - began
            calls[label] += 1

    setattr(owner, name, method)


def overhead_ns() -> float:
    """What the clock itself adds to a call."""

    class Nothing:
        def act(self) -> None:
            """Nothing."""

    clocked(Nothing, "act")
    nothing = Nothing()
    for _ in range(10_000):
        nothing.act()
    return spent_ns["Nothing.act"] / calls["Nothing.act"]


def main(directory: str) -> None:
    """Answer the microseconds and calls of each method for one run."""
    clock_ns = overhead_ns()
    state = Path(directory)
    manifest = state / "plugins.yaml"
    manifest.write_text("version: 1\nplugins: []\n")
    settings = load("dev", {"state_dir": state, "plugins_file": manifest}, ROOT, os.environ).settings
    parts = build(settings, mode="dev", on_plugin=lambda _state: None)
    parts.pool.start()
    binary = (ROOT / "daemon" / "strongroom" / "app" / "samples" / "echo.wasm").read_bytes()
    parts.registration.register(Wish(binary=binary, name="echo"))
    payload = json.dumps("a" * 1022).encode()

    def run() -> None:
        header, _new = parts.engine.start(Start(owner=settings.owner, workflow="echo", json=payload))
        _header, outcome = parts.engine.wait(header.run_id, 30)
        assert outcome.result is not None

    for owner, name in CLOCKED:
        clocked(owner, name)

    def act(_line: str) -> dict[str, Any]:  # Any: numbers under names
        for _ in range(WARM_UP):
            run()
        spent_ns.clear()
        calls.clear()
        for _ in range(COUNT):
            run()
        labels = sorted(spent_ns)
        return {
            "us_per_run": {label: (spent_ns[label] - clock_ns * calls[label]) / COUNT / 1e3 for label in labels},
            "calls_per_run": {label: calls[label] / COUNT for label in labels},
            "runs": COUNT,
        }

    answer(act)
    parts.engine.dispatcher.close()
    parts.pool.close()
    parts.database.close()


if __name__ == "__main__":
    main(sys.argv[1])
