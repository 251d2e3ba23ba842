"""Runs of every kind that have ended, beside a keyring that goes from one version to the next."""

from collections import Counter

from strongroom.crypto.srn1_parts import PART_BYTES_MAX
from strongroom.engine.event_types import HOOK_CREATED, HOOK_DISPOSED, STEP_COMPLETED, STEP_CREATED
from strongroom.engine.history import History
from strongroom.engine.journal import Journals, now_ms
from strongroom.engine.limits import EngineLimits
from strongroom.engine.stream_store import StreamStore
from strongroom.keyring.run_keys import RunEncryptor
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.storage import hooks, runs_again
from tests.fakes.journalled import ended, logged, new_run
from tests.fakes.key_rig import KeyRig

LARGE = bytes(range(256)) * (PART_BYTES_MAX // 256 * 2 + 1)
CHUNKS = 5


class RunRig(KeyRig):
    """A start of a host, with what writes and reads runs. ``versions`` are the keyring."""

    def __init__(self, database, directory, *versions):
        super().__init__(database, directory, *versions)
        self.journals = Journals(database, RunEncryptor(self.root, self.life.deployment_id), self.keys)
        self.history = History(self.journals)
        self.streams = StreamStore(self.journals, EngineLimits())

    def begun(self, number, **changes):
        """A run that goes on."""
        changes = {"key_version": self.root.writing_version, "request_digest": b"", **changes}
        return new_run(self.journals, number, **changes)

    def plain(self, number):
        """A run with some steps that has ended."""
        journal = self.begun(number)
        for step in range(3):
            journal.note(STEP_CREATED, str(step), b"asked %d" % step).result()
            journal.note(STEP_COMPLETED, str(step), b"answer %d" % step).result()
        logged(journal, "a line")
        return ended(journal, content=b"result")

    def large(self, number):
        """One with a value in parts."""
        journal = self.begun(number)
        journal.note(STEP_COMPLETED, "1", LARGE).result()
        return ended(journal, content=LARGE[:-1])

    def streaming(self, number):
        """One with two streams, of which one was closed."""
        journal = self.begun(number)
        run_id = journal.header.run_id
        for name in ("a", "b"):
            for chunk in range(CHUNKS):
                self.streams.write(run_id, name, b"%s %d" % (name.encode(), chunk), written_by=f"x:{chunk}")
        self.streams.close(run_id, "a", written_by="x:end")
        return ended(journal)

    def hooked(self, number, *, is_ended=True):
        """One with hooks, one of them disposed of by the run, the other by its end."""
        journal = self.begun(number)
        rows = self.journals.hook_rows
        for each in range(2):
            hook_id, token = f"hook_{number:013d}{each:013d}", f"token {number} {each}"
            row = rows.made(hook_id, journal.header, token, now_ms())
            content = journal_pb2.HookCreated(token=token, step="1").SerializeToString()
            journal.note(HOOK_CREATED, hook_id, content, also=lambda c, r=row: hooks.insert(c, r)).result()
        journal.note(HOOK_DISPOSED, hook_id, b"", also=lambda c: rows.dispose(c, hook_id, now_ms())).result()
        return ended(journal) if is_ended else journal.header

    def every_kind(self):
        """The headers of one run of each kind."""
        return [self.plain(1), self.large(2), self.streaming(3), self.hooked(4)]

    def to_version(self, *versions):
        """Add what is new, and promote the highest."""
        self.write(*versions)
        self.life.reload()
        self.life.promote(max(versions))

    def rewrapped(self, **more):
        """Seal everything again; how it ended."""
        self.desk.rotation.start(**more)
        return list(self.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1]

    def content(self, run_id):
        """Everything that a reader sees of a run: header, events and chunks, opened."""
        header = self.history.header(run_id)
        events = [(each.row.event_type, each.row.correlation_id, each.content) for each in self.history.stored(header)]
        chunks = {}
        for info in self.history.streams.infos(run_id, limit=100):
            assert not info.tampered
            page, _ = self.history.streams.page(run_id, info.name, 0, 100)
            chunks[info.name] = [(each.opened(), each.final) for each in page]
        rows = self.database.read(lambda c: hooks.page(c, run_id, after="", limit=100))
        tokens = [(row.hook_id, row.disposed_at) for row in map(self.journals.hook_rows.verified, rows)]
        return (header.status, header.output_bytes, header.finished_at), events, chunks, tokens

    def versions(self):
        """How many blobs of runs are under which version, whether their runs have ended or not."""
        found = Counter()
        for thing in self.desk.holdings():
            if "run" in thing.name or thing.name in {f"table {table}" for table in runs_again.TABLES}:
                found.update(thing.counts)
        return dict(found)
