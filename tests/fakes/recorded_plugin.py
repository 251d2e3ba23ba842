"""Run as a program: ``recorded_plugin.py DIRECTORY MODULE …`` is ``python -m MODULE …``, a plugin process, whose
sockets all pass through relays that record them in DIRECTORY: those where it serves, and those that it dials.
"""

import runpy
import sys
from pathlib import Path

# Started by its path, it finds its neighbours only so.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from strongroom.plugin.serve import broker, server
from strongroom.plugin.serve.wire import unix_target
from tests.fakes.recording_relay import RecordingRelay


def record(directory):
    """From now on, a relay stands at each socket."""

    def serving(path):
        RecordingRelay(path, f"{path}i", directory)
        return unix_target(f"{path}i")

    def dialling(path):
        RecordingRelay(f"{path}o", path, directory)
        return unix_target(f"{path}o")

    server.unix_target = serving
    broker.unix_target = dialling


if __name__ == "__main__":
    record(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
