"""Sealing again: the one job that brings everything to the key version that writes.

Rule 1: it works in bounded batches with a pace, on a thread of its own; whoever writes meanwhile goes first.
Rule 2: nothing remembers how far it came but the sealed things themselves, so it can be killed anywhere: what is left
is what is not under the writing version.
Rule 3: one job at a time. That one is wanted is written down, and a host that starts goes on with it.
Rule 4: what cannot be sealed again stays as it is and is counted; nothing is dropped.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from strongroom.engine.rotation_things import NamesSkipped, SealedAlong, SealedThing
from strongroom.errors import InvalidInput, LimitExceeded, NotFound, StrongroomError, WrongState
from strongroom.storage import meta
from strongroom.storage.database import Database
from strongroom.telemetry import logs

__all__ = ["RATE_MAX", "Progress", "Rotation"]

BATCH_MAX: Final = 500
"""Blobs between two looks at the clock and at the wish to stop; at the highest rate, some ten milliseconds."""
BATCHES_A_SECOND: Final = 50
"""At lower rates: an edit waits for one of them, and each walks through the document however small it is."""
RATE_DEFAULT: Final = 10_000
"""Blobs a second. A hundred thousand take ten seconds, and half of a core stays free."""
RATE_MAX: Final = 1_000_000
"""More than any machine does: no limit in practice."""
PASSES_MAX: Final = 8
"""Times that everything is gone through when a version is promoted meanwhile; nobody promotes that often."""
PROBLEMS_MAX: Final = 32
"""Reasons that are kept; each names a thing, and a screenful is enough to begin with."""
CLOSE_S: Final = 5.0
"""A batch takes milliseconds; a disk that hangs keeps no host from stopping."""
WISH: Final = "rewrap"
"""Its name among the facts about the database: JSON of what was asked for, empty once it is done."""
UNREADABLE: Final = "SR-KEY-031"
log = logs.get("keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How the job stands. ``total`` is what was not under ``version`` when it began, ``done`` what was sealed again."""

    state: Literal["idle", "running", "done", "stopped"] = "idle"
    version: int = 0
    workspace: str = ""
    rate: int = 0
    done: int = 0
    total: int = 0
    thing: str = ""
    problems: tuple[str, ...] = ()


class Rotation:
    """The job of one host. ``things`` are asked for at each pass: workspaces come and go."""

    def __init__(
        self,
        things: Callable[[], Sequence[SealedThing]],
        writing_version: Callable[[], int],
        database: Database,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._things = things
        self._writing_version = writing_version
        self._database = database
        self._monotonic_s = monotonic_s
        self._changed = threading.Condition()
        self._progress = Progress()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, workspace: str = "", rate: int = 0) -> None:
        """Begin, or join the job that runs. ``rate`` is blobs a second, 0 for the usual one.

        Raises ``NotFound`` for a workspace that is not open, ``WrongState`` while another job runs, ``InvalidInput``.
        """
        if not 0 <= rate <= RATE_MAX:
            raise LimitExceeded(
                "SR-KEY-027",
                f"the rate {rate} is not in 1..{RATE_MAX} blobs a second",
                fix="leave it out for the usual one",
                size=rate,
                limit=RATE_MAX,
                setting="rate",
            )
        self.check_open(workspace)
        with self._changed:
            if self._progress.state == "running":
                if self._progress.workspace == workspace:
                    return
                raise WrongState(
                    "SR-KEY-026",
                    f"{_named(self._progress.workspace) if self._progress.workspace else 'everything'} is being sealed"
                    " again",
                    why="one job at a time, so that the pace holds",
                    fix="wait for it: strongroom keys rewrap --wait",
                )
            wish = json.dumps({"workspace": workspace, "rate": rate})
            self._database.write(lambda connection: meta.set(connection, WISH, wish)).result()
            self._begin(workspace, rate)

    def check_open(self, workspace: str) -> None:
        """Raises ``NotFound`` for a workspace that is not open, ``WrongState`` for one with keys of its own. The empty
        name is everything."""
        only = next((thing for thing in self._things() if workspace and thing.name == _named(workspace)), None)
        if workspace and (only is None or only.kind != "workspace"):
            raise NotFound(
                "SR-KEY-028",
                f"no workspace {workspace[:80]!r} is open",
                fix="strongroom workspace list shows them; mount it first",
                workspace=workspace[:80],
            )
        if only is not None and only.stays:
            raise WrongState(
                "SR-KEY-032",
                f"workspace {workspace} is not sealed again by this",
                why=only.stays,
                fix="leave it out",
                workspace=workspace,
            )

    def resume(self) -> None:
        """Go on with what a host that ended was asked for. A workspace that is not open any more is left out."""
        wish = self._database.read(lambda connection: meta.get(connection, WISH))
        if not wish:
            return
        try:
            wanted = json.loads(wish)
            self.start(str(wanted["workspace"]), int(wanted["rate"]))
        except (ValueError, TypeError, KeyError, InvalidInput, NotFound, LimitExceeded) as error:
            log.warning("sealing again is not gone on with", extra={"why": str(error)})

    def progress(self) -> Progress:
        """How it stands now."""
        with self._changed:
            return self._progress

    def follow(self, interval_s: float, *, is_wanted: Callable[[], bool]) -> Iterator[Progress]:
        """How it stands now and once in every ``interval_s``, until it does not run or ``is_wanted`` says no."""
        while is_wanted():
            now = self.progress()
            yield now
            if now.state != "running":
                return
            with self._changed:
                self._changed.wait_for(self._has_ended, interval_s)

    def _has_ended(self) -> bool:
        return self._progress.state != "running"

    def close(self) -> None:
        """Stop after the batch in progress; the next start of the host goes on."""
        self._stop.set()
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)

    def _begin(self, workspace: str, rate: int) -> None:
        rate = rate or RATE_DEFAULT
        self._progress = Progress(state="running", workspace=workspace, rate=rate, version=self._writing_version())
        self._thread = threading.Thread(target=self._run, name="rewrap", daemon=True)
        self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        state: Literal["done", "stopped"] = "stopped"
        try:
            for _ in range(PASSES_MAX):
                version = self._writing_version()
                self._pass(version)
                if self._stop.is_set() or self._writing_version() == version:
                    break
            if not self._stop.is_set():
                self._database.write(lambda connection: meta.set(connection, WISH, "")).result()
                state = "done"
        except StrongroomError as error:
            self._problem("sealing again", error)
        except Exception:
            # Whatever it is, the host goes on, and the job can be started again.
            log.exception("sealing again failed unexpectedly")
            self._update(problems=(*self.progress().problems, "it failed unexpectedly; the log says more"))
        finally:
            self._update(state=state, thing="")
        ended = self.progress()
        log.info("sealing again has ended", extra={"state": state, "blobs": ended.done, "to_version": ended.version})

    def _pass(self, version: int) -> None:
        only = self.progress().workspace
        things = [thing for thing in self._things() if not thing.stays and (not only or thing.name == _named(only))]
        left = {thing.name: _left(self._counted(thing), version) for thing in things}
        self._update(version=version, total=self.progress().done + sum(left.values()))
        for thing in things:
            if self._stop.is_set():
                return
            if not left[thing.name]:
                continue
            self._update(thing=thing.name)
            done = self.progress().done
            try:
                if isinstance(thing, SealedAlong):
                    self._told(thing, done, 0, _left(thing.counts(), version))
                    continue
                self._rewrapped(thing)
                if not self._stop.is_set():
                    thing.finish()
                    self._told(thing, done, left[thing.name], _left(thing.counts(), version))
            except StrongroomError as error:
                # One that fails keeps nobody else from being done.
                self._problem(thing.name, error)

    def _counted(self, thing: SealedThing) -> Mapping[int, int]:
        try:
            return thing.counts()
        except StrongroomError as error:
            self._problem(thing.name, error)
            return {}

    def _rewrapped(self, thing: SealedThing) -> None:
        rate = self.progress().rate
        batch = max(1, min(BATCH_MAX, rate // BATCHES_A_SECOND))
        began_s, done = self._monotonic_s(), 0
        while not self._stop.is_set():
            number = thing.rewrap(batch)
            if not number:
                return
            done += number
            self._update(done=self.progress().done + number)
            ahead_s = done / rate - (self._monotonic_s() - began_s)
            if ahead_s > 0:
                self._stop.wait(ahead_s)

    def _told(self, thing: SealedThing, done: int, before: int, after: int) -> None:
        """What is left of a thing, rows of logs included, which go all at once."""
        name = thing.name
        self._update(done=max(self.progress().done, done + before - after))
        if after and self._writing_version() == self.progress().version:
            log.warning("blobs keep their version", extra={"code": UNREADABLE, "thing": name, "blobs": after})
            self._add_problem(f"{name}: {after} blobs keep their version, since they cannot be opened ({UNREADABLE})")
            for each in thing.skipped() if isinstance(thing, NamesSkipped) else ():
                self._add_problem(f"{name}: {each}")

    def _problem(self, name: str, error: StrongroomError) -> None:
        log.warning("something was not sealed again", extra={"thing": name, "code": error.code, "why": str(error)})
        self._add_problem(f"{name}: {error} ({error.code})")

    def _add_problem(self, problem: str) -> None:
        known = self.progress().problems
        if problem not in known and len(known) < PROBLEMS_MAX:
            self._update(problems=(*known, problem))

    def _update(self, **changes: object) -> None:
        with self._changed:
            self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]  # fields of Progress, by name
            self._changed.notify_all()


def _named(workspace: str) -> str:
    return f"workspace {workspace}"


def _left(counts: Mapping[int, int], version: int) -> int:
    return sum(count for each, count in counts.items() if each not in {0, version})
