"""kill -9 of the whole daemon, again and again, while clients start runs of every kind.

``python -m tests.faults.storm --cycles 1000 --clients 64`` prints the figures.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import grpc

from strongroom.engine.runids import new_run_id
from strongroom.pb.strongroom.v1 import run_pb2, status_pb2
from tests.fakes.live_daemon import LiveDaemon
from tests.faults.history import Verdict, judge_ledger, judge_runs
from tests.faults.ledger import read
from tests.guests.build import guest

__all__ = ["Storm"]

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "daemon" / "strongroom" / "app" / "samples"
LEDGER = """version: 1
plugins:
  - name: ledger
    factory: tests.faults.ledger:Ledger
    config: {{file: "{ledger}"}}
"""
CONFIDENTIAL = """\
  - name: confidential-workflows
    command: [python, -m, strongroom_confidential_workflows]
    provides: ["confidential-workflows@1.0.0-alpha"]
    dialect: both
    config:
      executions_max: 4
      spare_runners: 1
      evidence: {kind: insecure-software, authority_key_file: "${keys_dir}/development-ca.key"}
      enclave_config_file: "${keys_dir}/enclave-config.cbor"
  - name: vault
    command: [python, -m, strongroom_vault]
    provides: ["vault@1.0.0"]
    # Each kill takes an attempt from every execution that had its release.
    config: {key_file: "${keys_dir}/vault.key", attempts_max: 100}
"""
PAUSE_S = {"plain": 0.01, "steps": 0.01, "sleeps": 0.1, "confidential": 0.2}
"""How long a client of each kind waits between two starts: the host must not only queue."""
PAYLOADS = {"plain": b'{"who": "x"}', "confidential": b'{"who": "x"}'}
SETTLE_S = 120.0
"""How long no run may end before those that are left count as stuck."""


class Storm:
    """One daemon that is killed, its clients, and what they heard. ``kinds`` are dealt to the clients in turn.

    Without the confidential kind the daemon has no plugins that are processes, and starts in half of the time. With a
    ``url`` its database is there.
    """

    def __init__(self, state, *, clients, seed, kinds=tuple(PAUSE_S), url=""):
        self.random = random.Random(seed)  # noqa: S311 - it chooses moments, no secrets
        self.ledger = state / "ledger"
        manifest = state / "plugins.yaml"
        confidential = CONFIDENTIAL if "confidential" in kinds else ""
        manifest.write_text(LEDGER.format(ledger=self.ledger) + confidential)
        options = ("--log-level", "error", "--set", f"plugins_file={manifest}")
        elsewhere = {"STRONGROOM_DATABASE_URL": url} if url else {}
        self.daemon = LiveDaemon(state, options, variables={"PYTHONPATH": str(ROOT), **elsewhere})
        # The confidential kind is for one client only: each of its runs is a process of its own.
        others = [kind for kind in kinds if kind != "confidential"]
        self.clients = [others[number % len(others)] for number in range(clients)]
        if "confidential" in kinds:
            self.clients[-1] = "confidential"
        self.acknowledged = []
        self.doubtful = []

    def register(self):
        """Start the daemon for the first time, with one workflow of each kind."""
        self.daemon.start()
        with self.daemon.channel() as api:
            api.register(SAMPLES / "greet.wasm", "plain")
            api.register(guest("async-calls"), "steps")
            api.register(guest("sleep-long"), "sleeps", config=b"400000000")
            api.register(SAMPLES / "greet.wasm", "confidential", b'{"confidential": true}', config=b"c")

    def cycle(self, load_s):
        """Load for a while, kill, start again."""
        stop = threading.Event()
        doubtful, self.doubtful = self.doubtful, []
        threads = [threading.Thread(target=self._load, args=(kind, stop, doubtful)) for kind in self.clients]
        for thread in threads:
            thread.start()
        stop.wait(load_s * self.random.uniform(0.5, 1.5))
        self.daemon.kill()
        stop.set()
        for thread in threads:
            thread.join()
        self.daemon.start()

    def finish(self):
        """Wait for the end of what runs, stop the daemon, and judge everything and its file."""
        verdict = self.judge()
        self.daemon.stop()
        return verdict, self.integrity()

    def judge(self):
        """Wait for the end of what runs, then judge every acknowledged run and all calls."""
        verdict = Verdict()
        with self.daemon.channel() as api:
            left, looked_s = self._unfinished(api), time.monotonic()
            # However many there are: what is held against the host is that none of them ends any more.
            while left and time.monotonic() < looked_s + SETTLE_S:
                time.sleep(0.05)
                if (now_left := self._unfinished(api)) < left:
                    left, looked_s = now_left, time.monotonic()
            judge_runs(api, list(dict.fromkeys(self.acknowledged)), verdict)
        judge_ledger(read(self.ledger), verdict)
        return verdict

    def why(self, run_ids):
        """Why runs did not complete, by how often; for people, so of a few."""
        with self.daemon.channel(admin=True) as api:
            asked = [run_pb2.RunServiceGetRequest(run_id=run_id, reason="a test failed") for run_id in run_ids[:20]]
            return Counter(api.runs.Get(request, timeout=20).error for request in asked)

    def integrity(self):
        """What SQLite says of its file, which a daemon may have open: ``ok``."""
        with closing(sqlite3.connect(self.daemon.state / "strongroom.db")) as database:
            ((integrity,),) = database.execute("pragma integrity_check").fetchall()
        return integrity

    def _unfinished(self, api):
        runs = api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=20).runs
        return sum(runs[state] for state in ("pending", "running", "waiting"))

    def _load(self, kind, stop, doubtful):
        """Start runs until the daemon dies. A start without an answer is sent again after the restart, by its id."""
        again = [run_id for doubted, run_id in doubtful if doubted == kind]
        with self.daemon.channel() as api:
            while not stop.is_set():
                run_id = again.pop() if again else new_run_id()
                request = run_pb2.StartRequest(workflow=kind, run_id=run_id, json=PAYLOADS.get(kind, b"{}"))
                try:
                    api.runs.Start(request, timeout=10)
                except grpc.RpcError as error:
                    if error.code() is grpc.StatusCode.UNAVAILABLE and "limit" in (error.details() or ""):
                        stop.wait(0.1)
                        continue
                    if stop.is_set() or error.code() is grpc.StatusCode.UNAVAILABLE:
                        self.doubtful.append((kind, run_id))
                        return
                    raise
                self.acknowledged.append(run_id)
                stop.wait(PAUSE_S[kind])


def main():
    """Run a storm and print its figures; exit status 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--load-s", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}: {chosen.cycles} cycles, {chosen.clients} clients", flush=True)
    with tempfile.TemporaryDirectory(prefix="storm-") as directory:
        storm = Storm(Path(directory), clients=chosen.clients, seed=chosen.seed)
        storm.register()
        for number in range(chosen.cycles):
            storm.cycle(chosen.load_s)
            if (number + 1) % 50 == 0:
                print(f"  {number + 1} cycles, {len(storm.acknowledged)} acknowledged", flush=True)
        verdict, integrity = storm.finish()
    print(verdict.text())
    print(f"integrity {integrity}")
    for name, found in verdict.problems().items():
        print(f"{name}: {found[:5]}")
    return 1 if verdict.problems() or integrity != "ok" else 0


if __name__ == "__main__":
    sys.exit(main())
