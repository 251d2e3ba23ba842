"""The one thread that writes, and commits many jobs at once.

Rule 1: a future resolves after the commit that holds its job is on the disk.
Rule 2: a job that fails, fails alone. A batch is first tried without savepoints, which cost as much as the jobs; when
one fails, all of it is undone and run again with each job in a savepoint. So a job may run twice: it only writes.
Rule 3: a commit that fails, fails its whole batch, and the thread goes on with a fresh connection.
Rule 4: a job that may wait starts a batch only after a while; until then it joins the next one, or can be cancelled.

A commit costs a disk flush whatever its size; while one is under way the next batch gathers, so under load the flushes
are shared and an idle host still commits at once.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from strongroom.errors import Internal, StorageFault, Unavailable
from strongroom.storage.faults import translated

__all__ = ["Writer"]

BATCH_JOBS_MAX: Final = 256  # bounds how long the first job of a batch waits for the last
QUEUE_JOBS_MAX: Final = 10_000  # a few seconds of work; beyond it callers are told to come back

JOIN_S: Final = 0.01  # how long a job that may wait does so; a short run is over by then

T = TypeVar("T")


def _nobody(_error: BaseException) -> None:
    """Nobody wants to know."""


class _Queued(NamedTuple):
    """A job and the future of its answer; the types of both are the caller's."""

    job: Callable[[Connection], Any]
    future: Future[Any]
    may_wait: bool


class _BatchLostError(Exception):
    """The transaction is gone, and with it every job of the batch."""


class Writer:
    """Runs jobs on one connection, in order, in groups."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        can_commit: Callable[[Connection], bool],
        on_fault: Callable[[BaseException], None] = _nobody,
    ) -> None:
        """``connect`` opens a connection that begins a writing transaction; the thread starts with the first job.

        ``on_fault`` is told of what the database raised, in the thread that writes.
        """
        self._on_fault = on_fault
        self._connect = connect
        self._can_commit = can_commit
        self._connection: Connection | None = None
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[Connection], T], *, may_wait: bool = False) -> Future[T]:
        """Queue ``job``; with ``may_wait`` it shares the commit of a later one, if that comes soon.

        Raises ``Unavailable`` when the queue is full or the database closed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable("SR-STORE-006", "the database is closed", why="the daemon is stopping")
            waiting = self._queue.qsize()
            if waiting >= QUEUE_JOBS_MAX:
                raise Unavailable(
                    "SR-STORE-007",
                    "the database cannot keep up",
                    why=f"{waiting} writes are waiting, at most {QUEUE_JOBS_MAX} may",
                    fix="try again later",
                    size=waiting,
                    limit=QUEUE_JOBS_MAX,
                )
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
                self._thread.start()
            self._queue.put(_Queued(job, future, may_wait))
        return future

    def close(self) -> None:
        """Finish every queued job, then stop. Later jobs are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            batch, last = self._gather()
            if batch:
                self._write(batch)
            if last:
                self._disconnect()
                return

    def _gather(self) -> tuple[list[_Queued], bool]:
        """The jobs of one batch, and whether it is the last one."""
        entries: list[_Queued] = []
        entry = self._queue.get()
        join_until_s = time.monotonic() + JOIN_S
        hurry = False
        while entry is not None:
            entries.append(entry)
            hurry = hurry or not entry.may_wait
            left_s = 0.0 if hurry else max(join_until_s - time.monotonic(), 0.0)
            if len(entries) >= BATCH_JOBS_MAX:
                break
            try:
                entry = self._queue.get(timeout=left_s)
            except queue.Empty:
                break
        # Only now: a job that waited could be cancelled until here.
        return [entry for entry in entries if entry.future.set_running_or_notify_cancel()], entry is None

    def _write(self, batch: list[_Queued]) -> None:
        """Run and commit one batch, and resolve all of its futures whatever happens."""
        done: list[tuple[Future[Any], Any]] = []
        try:
            if not self._commit(batch, done, alone=False):
                done.clear()
                self._commit(batch, done, alone=True)
        except BaseException as error:  # the failure belongs to the futures; the thread must live
            self._disconnect()
            cause = error.__cause__ if isinstance(error, _BatchLostError) and error.__cause__ else error
            self._on_fault(cause)
            fault = translated(cause)
            if not isinstance(fault, StorageFault | Unavailable):
                fault = Internal("SR-STORE-008", "a batch of writes failed", why=type(cause).__name__)
                fault.__cause__ = cause
            for entry in batch:
                if not entry.future.done():
                    entry.future.set_exception(fault)
            return
        for future, result in done:
            future.set_result(result)

    def _commit(self, batch: list[_Queued], done: list[tuple[Future[Any], Any]], *, alone: bool) -> bool:
        """Whether the batch is committed. Without ``alone`` it is not, and nothing of it is kept, when a job failed."""
        if self._connection is not None and self._connection.invalidated:
            # It would find itself another session, and not ask whether it may write there.
            self._disconnect()
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        failed: list[tuple[Future[Any], BaseException]] = []
        with connection.begin() as transaction:
            for entry in batch:
                try:
                    result = _alone(connection, entry.job) if alone else entry.job(connection)
                except _BatchLostError:
                    raise
                except BaseException as error:  # whatever a job raises is its caller's answer
                    if not alone and len(batch) > 1:
                        transaction.rollback()
                        return False
                    self._on_fault(error)
                    failed.append((entry.future, translated(error)))
                else:
                    done.append((entry.future, result))
            if not done:
                transaction.rollback()
            elif not self._can_commit(connection):
                # SQLite ends a transaction by itself when the disk fails; committing nothing would look like success.
                raise _BatchLostError from StorageFault(
                    "SR-STORE-001", "the database refused", why="the transaction is gone"
                )
        for future, failure in failed:
            future.set_exception(failure)
        return True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # It is thrown away because it is broken, so it may fail at this too; the next one is fresh.
        with suppress(Exception):
            connection.invalidate()
            connection.close()


def _alone(connection: Connection, job: Callable[[Connection], T]) -> T:
    """Run ``job`` in a savepoint, so that its failure undoes its own writes only."""
    connection.exec_driver_sql("SAVEPOINT job")
    try:
        result = job(connection)
        connection.exec_driver_sql("RELEASE SAVEPOINT job")
    except BaseException as error:
        try:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
            connection.exec_driver_sql("RELEASE SAVEPOINT job")
        except SQLAlchemyError as gone:
            # The transaction is lost. The first failure of the database says why, the second only that it is.
            raise _BatchLostError from error if isinstance(error, SQLAlchemyError) else gone
        raise
    return result
