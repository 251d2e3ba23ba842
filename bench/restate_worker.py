"""Restate: its server, one service of one step in its SDK for Python, and a client of its HTTP ingress.

The server and the SDK are programs of their own that `make bench-peers` brings; without them the worker says so.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.worker import ROOT, answer

PEERS: Final = ROOT / ".cache" / "bench-peers"
PROGRAMS: Final = PEERS / "node_modules" / "@restatedev"
SERVICE: Final = """
import restate
service = restate.Service("Echo")
@service.handler()
async def run(ctx: restate.Context, payload: str) -> str:
    return await ctx.run_typed("echo", lambda: payload)
app = restate.app([service])
"""
START_S: Final = 30.0


def server() -> Path | None:
    """The program of the server for this machine, if it was brought."""
    found = sorted(PROGRAMS.glob("restate-server-*/bin/restate-server"))
    return found[0] if found and (PEERS / "venv").is_dir() else None


def main(directory: str) -> None:
    """Start everything, then run one workflow for each question and answer its seconds."""
    program = server()
    if program is None:
        answer(lambda _line: 0.0, ready=False)
        return
    with _running(program, Path(directory)) as ingress:
        client = http.client.HTTPConnection("127.0.0.1", ingress)
        body = json.dumps("a" * 1024)

        def act(_line: str) -> float:
            began = time.perf_counter()
            client.request("POST", "/Echo/run", body, {"content-type": "application/json"})
            response = client.getresponse()
            result = response.read()
            took = time.perf_counter() - began
            assert (response.status, result.decode()) == (200, body)
            return took

        answer(act)


@contextlib.contextmanager
def _running(program: Path, directory: Path) -> Iterator[int]:
    ingress, admin, node, service = _free_ports(4)
    (directory / "restate_service.py").write_text(SERVICE, encoding="utf-8")
    # Addresses and the place of its files are named; durability and everything else are its defaults.
    environment = {
        "PATH": os.environ["PATH"],
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BASE_DIR": str(directory / "restate"),
        "RESTATE_DISABLE_TELEMETRY": "true",
    }
    hypercorn = [str(PEERS / "venv" / "bin" / "python"), "-m", "hypercorn", "restate_service:app"]
    with contextlib.ExitStack() as stack:
        for command, variables in (
            ([str(program), "--no-logo", "--log-filter", "error"], environment),
            ([*hypercorn, "--bind", f"127.0.0.1:{service}"], {"PATH": os.environ["PATH"]}),
        ):
            process = subprocess.Popen(
                command, cwd=directory, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(_end, process)
        _until(lambda: _register(admin, service))
        _until(lambda: _answers(ingress))
        yield ingress


def _register(admin: int, service: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
    body = json.dumps({"uri": f"http://127.0.0.1:{service}"})
    client.request("POST", "/deployments", body, {"content-type": "application/json"})
    return client.getresponse().status in (200, 201)


def _answers(ingress: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", ingress, timeout=5)
    client.request("POST", "/Echo/run", json.dumps("a"), {"content-type": "application/json"})
    return client.getresponse().status == 200


def _until(check: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if check():
                return
        if time.monotonic() > deadline_s:
            raise RuntimeError("Restate did not start")
        time.sleep(0.2)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    main(sys.argv[1])
