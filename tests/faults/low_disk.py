"""A host on a disk of a few megabytes that fills up and is freed again, as a program for a mount namespace of its own.

``unshare -rm python -m tests.faults.low_disk DIRECTORY`` prints one JSON object of what happened.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc

from strongroom.pb.strongroom.v1 import run_pb2, workflow_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.program import DEADLINE_S
from tests.faults.small_runs import GREET
from tests.guests.build import wasm

DISK = "8m"
LOOKS_S = 60
BLOCK = 65_536


def main(directory):
    disk = Path(directory) / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    subprocess.run([mount, "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(disk)], check=True)
    state, cache = disk / "state", Path(directory) / "cache"
    state.mkdir(mode=0o700)
    cache.mkdir(mode=0o700)
    settings = {"cache_dir": str(cache), "limits.drain_timeout_ms": "1000", "limits.run_timeout_ms": "120000"}
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    daemon = LiveDaemon(state, options=("--log-level", "warning", *options), is_installed=True).start()
    found = {}
    try:
        with daemon.channel() as api:
            story(daemon, api, disk / "fill", found)
        found["verified"] = daemon("audit", "verify").code
    finally:
        found["exit"] = daemon.stop()
        found["log"] = [line for line in daemon.log if "room" in line]
    print(json.dumps(found))


def story(daemon, api, fill, found):
    api.register(GREET, "greet")
    api.register(wasm("loop"), "loop")
    done = [api.execute("greet").run.run_id for _ in range(20)]
    endless = start(api, "loop")
    fill_to_the_mark(fill)
    found["refused"] = until(lambda: refusal(lambda: start(api, "greet")))
    found["registration"] = refusal(lambda: register(api))
    api.runs.Kill(run_pb2.KillRequest(run_id=endless, reason="no room"), timeout=DEADLINE_S)
    found["ended"] = status(api, endless)
    fill_up(fill)
    found["full"] = refusal(lambda: start(api, "greet"))
    freed = time.monotonic()
    fill.unlink()
    again = until(lambda: start_or_none(api))
    found["recovered_s"] = time.monotonic() - freed
    done += [again, api.execute("greet").run.run_id]
    until(lambda: status(api, again) == "RUN_STATUS_COMPLETED")
    found["kept"] = [status(api, run_id) for run_id in done]


def start(api, workflow):
    return api.runs.Start(run_pb2.StartRequest(workflow=workflow, json=b"{}"), timeout=DEADLINE_S).run.run_id


def start_or_none(api):
    try:
        return start(api, "greet")
    except grpc.RpcError:
        return None


def register(api):
    request = workflow_pb2.RegisterRequest(binary=wasm("config"), name="one more")
    return api.workflows.Register(request, timeout=DEADLINE_S)


def status(api, run_id):
    run = api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=DEADLINE_S).run
    return run_pb2.RunStatus.Name(run.status)


def refusal(call):
    """The status and the text of a refusal; nothing when it was not refused."""
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return None


def until(look):
    end_s = time.monotonic() + LOOKS_S
    while not (found := look()):
        assert time.monotonic() < end_s, "it does not come"
        time.sleep(0.1)
    return found


def fill_to_the_mark(path):
    """Take all but a tenth of the disk, less a little."""
    of = os.statvfs(path.parent)
    free, size = of.f_bavail * of.f_frsize, of.f_blocks * of.f_frsize
    with path.open("wb") as file:
        file.write(bytes(max(free - size // 10 + BLOCK, 0)))


def fill_up(path):
    try:
        with path.open("ab", buffering=0) as file:
            while file.write(bytes(BLOCK)):
                pass
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1])
