"""The main job from end to end: a daemon in a temporary directory, one plain and one confidential workflow, both run.

The daemon is a process of its own, started and stopped as an operator would, and everything goes through its socket.
The receipt of the confidential run is checked when the daemon is gone: once with the run's result, which must be the
one that its enclave signed, and once under a policy for production, which must refuse it, because what made it was a
simulation.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from strongroom.attest.evidence import INSECURE
from strongroom.errors import Unavailable

__all__ = ["run_demo"]

START_TIMEOUT_S: Final = 30
CALL_TIMEOUT_S: Final = 60
SECRET: Final = b"s3cret"
EXPECTED: Final = {
    "local": "hello, strongroom",
    "confidential": {"greeting": "hello, strongroom", "api_key": f"present, {len(SECRET)} bytes"},
}
JSON_KEYS: Final = {"local": ("result", "backend"), "confidential": ("result", "backend", "binary_sha256")}
FENCE_LINE: Final = INSECURE.encode() + b"\n"
REFUSED: Final = 1
"""What `receipt verify` ends with for a receipt that a policy does not take."""
PAYLOAD: Final = '{"who": "strongroom"}'
ATTRIBUTES: Final = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'


@dataclass(frozen=True, slots=True)
class _Client:
    """The command line of this installation, talking to the demo's daemon."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> dict[str, Any]:  # Any: one JSON document
        done = subprocess.run(
            [*_program(), *arguments, "--json", "--quiet"],
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=CALL_TIMEOUT_S,
            check=False,
        )
        # What is said of every simulation is said once, where the demo shows it.
        sys.stderr.buffer.write(b"".join(line for line in done.stderr.splitlines(True) if line != FENCE_LINE))
        if done.returncode != code:
            raise Unavailable(
                "SR-APP-005",
                f"strongroom {arguments[0]} {arguments[1]} ended with exit code {done.returncode}",
                fix="its message is above",
            )
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def run_demo(*, as_json: bool) -> int:
    """Run the demo and print what happened. Returns 0 only if both results are right."""
    state = Path(tempfile.mkdtemp(prefix="strongroom-demo-"))
    try:
        return _demo(state, as_json=as_json)
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _demo(state: Path, *, as_json: bool) -> int:
    # Nothing of the caller's own settings may decide what the demo shows.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STRONGROOM_")}
    environment["STRONGROOM_STATE_DIR"] = str(state)
    daemon = subprocess.Popen(
        [*_program(), "dev", "--state-dir", str(state), "--log-level", "error", "--json"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=state,
    )
    try:
        _wait_until_ready(daemon)
        client = _Client(environment)
        results = _results(client)
        receipt, result = state / "run.receipt", state / "run.result"
        to = ("--output", str(receipt), "--result-file", str(result))
        client("receipt", "export", results["confidential"]["run_id"], *to, "--decrypt", "--reason", "the demo")
    finally:
        daemon.send_signal(signal.SIGTERM)
        stopped = daemon.wait(START_TIMEOUT_S)
    checked = _checked(client, receipt, result)
    right = all(results[name]["result"] == EXPECTED[name] for name in EXPECTED) and stopped == 0
    right = right and checked["holds"] and checked["result_matches"] and checked["assurance"] == "none"
    right = right and not checked["production"]["ok"]
    _show(results, checked, right=right, stopped=stopped, as_json=as_json)
    return 0 if right else 1


def _checked(strongroom: _Client, receipt: Path, result: Path) -> dict[str, Any]:  # Any: JSON values
    """What the receipt says of itself and of the result, and why a policy for production refuses it; offline."""
    alone = strongroom("receipt", "verify", str(receipt), "--result", str(result))
    samples = files("strongroom.app") / "samples"
    policy = ("--policy", str(samples / "production.toml"), "--policy-key", str(samples / "production.pub"))
    judged = strongroom("receipt", "verify", str(receipt), *policy, code=REFUSED)
    reasons = [
        f"{each['code']} {each['id']}: got {each['got']}, wanted {each['wanted']}"
        for each in judged["failed"]
        if each["code"]
    ]
    return {
        "holds": alone["holds"],
        "result_matches": alone["result_matches"],
        "assurance": alone["assurance"],
        "insecure": alone["insecure"],
        "production": {"ok": judged["ok"], "reasons": reasons},
    }


def _wait_until_ready(daemon: "subprocess.Popen[bytes]") -> None:
    """Return when the daemon printed its first document. Raises ``Unavailable`` when it ended instead."""
    if daemon.stdout is None or not daemon.stdout.readline():
        raise Unavailable("SR-APP-006", "the demo's daemon did not start", fix="its message is above")


def _results(strongroom: _Client) -> dict[str, dict[str, Any]]:  # Any: JSON values
    samples = files("strongroom.app") / "samples"
    results = {}
    strongroom("workflow", "register", str(samples / "greet.wasm"), "--name", "greet")
    strongroom("secret", "set", "API_KEY", stdin=SECRET)
    strongroom("workflow", "register", str(samples / "hello.wasm"), "--name", "hello", "--attributes", ATTRIBUTES)
    for place, name in (("local", "greet"), ("confidential", "hello")):
        run = strongroom("run", "execute", name, "--payload", PAYLOAD)
        results[place] = {
            "result": run["result"],
            "backend": run["backend"],
            "module": run["module"],
            "binary_sha256": run["binary_sha256"],
            "insecure": run["insecure"],
            "run_id": run["run_id"],
        }
    return results


def _show(
    results: dict[str, dict[str, Any]],  # Any: as above
    checked: dict[str, Any],
    *,
    right: bool,
    stopped: int,
    as_json: bool,
) -> None:
    if as_json:
        shown = {place: {key: results[place][key] for key in keys} for place, keys in JSON_KEYS.items()}
        print(json.dumps({"schema": "strongroom.demo/v1", **shown, "receipt": checked}))
        return
    for place, run in results.items():
        print(f"{place} workflow")
        print(f"  result   {json.dumps(run['result'])}")
        protection = "   (no hardware protection on this machine)" if run["insecure"] else ""
        print(f"  ran in   {run['backend']}{protection}")
        print(f"  binary   sha256:{run['binary_sha256']}")
        print(f"  run      {run['run_id']}")
    print(f"the daemon stopped with exit code {stopped}")
    print("receipt of the confidential run, checked without a daemon")
    print(f"  {'holds' if checked['holds'] else 'DOES NOT HOLD'}    assurance {checked['assurance']}")
    print(f"  result   {'matches what the enclave signed' if checked['result_matches'] else 'IS ANOTHER ONE'}")
    print(f"  under a production policy: exit code {REFUSED}, refused")
    for reason in checked["production"]["reasons"]:
        print(f"    {reason}")
    if checked["insecure"]:
        print(INSECURE)
    print("both results are right" if right else "WRONG: the results are not the expected ones")


def _program() -> Sequence[str]:
    return (sys.executable, "-m", "strongroom.cli")
