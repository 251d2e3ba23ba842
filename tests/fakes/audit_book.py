"""An audit log in memory: it keeps what it is told, or takes nothing."""

from strongroom.audit.record import Record
from strongroom.engine.auditing import CALLER
from strongroom.errors import Unavailable


class AuditBook:
    """``fails`` makes it take nothing and refuse what must be recorded; ``degrades`` lets that be done all the same."""

    def __init__(self, *, fails=False, degrades=False):
        self.records = []
        self.fails = fails
        self.degrades = degrades

    def begin(self, action, *, subject, owner="", outcome="done", caller="", reason="", **facts):
        if not self.fails:
            self.records.append(
                Record(
                    action=action,
                    subject=subject,
                    owner=owner,
                    outcome=outcome,
                    caller=caller or CALLER.get(),
                    reason=reason,
                    facts=facts,
                )
            )
        return self

    def record(self, action, **fields):
        self.begin(action, **fields).wait()

    def check(self):
        self.wait()

    def wait(self):
        if self.fails and not self.degrades:
            raise Unavailable("SR-AUDIT-010", "this must be on record, and the audit log takes nothing")

    def told(self):
        """What was recorded, as (action, subject, outcome)."""
        return [(each.action, each.subject, each.outcome) for each in self.records]
