"""What clients saw, held against what the host says afterwards.

Rule 1: what was acknowledged exists and ended.
Rule 2: a run ends once.
Rule 3: a capability accepts a key once, and is asked the same under it every time.
"""

from collections import Counter
from dataclasses import dataclass, field

import grpc

from strongroom.pb.strongroom.v1 import run_pb2
from tests.faults.ledger import Line

__all__ = ["ENDS", "Verdict", "judge_ledger", "judge_runs"]

ENDS = frozenset({"run_completed", "run_failed", "run_cancelled", "run_timed_out"})
DEADLINE_S = 20


@dataclass
class Verdict:
    """Figures of one storm. What ``problems`` names must be empty; ``not_completed`` is for a test to judge."""

    acknowledged: int = 0
    finals: Counter = field(default_factory=Counter)
    steps_accepted: int = 0
    steps_repeated: int = 0
    lost: list = field(default_factory=list)
    unfinished: list = field(default_factory=list)
    ended_twice: list = field(default_factory=list)
    accepted_twice: list = field(default_factory=list)
    asked_otherwise: list = field(default_factory=list)
    not_completed: list = field(default_factory=list)

    def problems(self):
        """What must not be, by name."""
        names = ("lost", "unfinished", "ended_twice", "accepted_twice", "asked_otherwise")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def text(self):
        """The figures on one line."""
        finals = ", ".join(f"{count} {name}" for name, count in sorted(self.finals.items()))
        runs = f"{self.acknowledged} acknowledged runs ({finals}): {len(self.lost)} lost"
        ends = f"{len(self.unfinished)} unfinished, {len(self.ended_twice)} with two ends"
        keys = f"{self.steps_accepted} keys accepted once, {len(self.accepted_twice)} twice"
        return f"{runs}, {ends}; {keys}, {len(self.asked_otherwise)} asked otherwise, {self.steps_repeated} sent again"


def judge_runs(api, acknowledged, verdict):
    """Look at every acknowledged run and its journal."""
    verdict.acknowledged += len(acknowledged)
    for run_id in acknowledged:
        try:
            run = api.runs.Get(run_pb2.RunServiceGetRequest(run_id=run_id), timeout=DEADLINE_S).run
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            verdict.lost.append(run_id)
            continue
        status = run_pb2.RunStatus.Name(run.status).removeprefix("RUN_STATUS_").lower()
        verdict.finals[status] += 1
        if status != "completed":
            verdict.not_completed.append(run_id)
        ends = [event for event in events(api, run_id) if event.event_type in ENDS]
        if not ends:
            verdict.unfinished.append((run_id, status))
        elif len(ends) > 1:
            verdict.ended_twice.append(run_id)


def events(api, run_id):
    """The whole journal."""
    found, token = [], ""
    while True:
        request = run_pb2.ListEventsRequest(run_id=run_id, page_size=500, page_token=token)
        page = api.runs.ListEvents(request, timeout=DEADLINE_S)
        found += page.events
        token = page.next_page_token
        if not token:
            return found


def judge_ledger(lines: list[Line], verdict):
    """Look at every call that the capability wrote down."""
    first: dict[str, str] = {}
    accepted = Counter(line.key for line in lines if line.kind == "accepted")
    verdict.steps_accepted += len(accepted)
    verdict.accepted_twice += [key for key, count in accepted.items() if count > 1]
    verdict.steps_repeated += sum(line.kind == "repeated" for line in lines)
    for line in lines:
        if first.setdefault(line.key, line.digest) != line.digest:
            verdict.asked_otherwise.append(line.key)
