"""What becomes of one request: checked, recognised, kept, delivered, and answered when its run is on the host's disk.

The request's id is the event's id, so whatever is repeated, here or by the host, starts one run.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from strongroom.plugin import EventBook, LimitExceeded, StrongroomError
from strongroom.plugin.messages import http_pb2
from strongroom_http_trigger.asked import Asked, asked, request_id_of
from strongroom_http_trigger.limits import WAITING_PER_WORKFLOW_MAX
from strongroom_http_trigger.rates import Rate
from strongroom_http_trigger.refusal import Refusal, conflict, internal, not_confirmed, overloaded, unavailable
from strongroom_http_trigger.registrations import Listening, Registrations
from strongroom_http_trigger.requests import Requests, request_key
from strongroom_http_trigger.token import claims_of
from strongroom_http_trigger.tokens_seen import TokensSeen

__all__ = ["Answer", "Service", "execution_id"]

LOCKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``retry_after_s`` 0 means that the field is left out."""

    status: int
    body: bytes = field(repr=False)
    retry_after_s: int = 0


def execution_id(workflow_id: str, event_id: str, index: int) -> str:
    """The id that the host gives to the run of an event. Source: contracts, "cre-guest" section 13.1."""
    return hashlib.sha256(f"{workflow_id}{event_id}{index}".encode()).hexdigest()


class Service:
    """Answers requests, from any thread."""

    def __init__(
        self,
        registrations: Registrations,
        requests: Requests,
        book: EventBook,
        rate: Rate,
        log: logging.Logger,
        *,
        accept_wait_s: float,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._registrations = registrations
        self._requests = requests
        self._book = book
        self._rate = rate
        self._log = log
        self._accept_wait_s = accept_wait_s
        self._now_s = now_s
        self._tokens = TokensSeen()
        # One request id is kept or let go of by one thread at a time.
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._waiting_lock = threading.Lock()
        self._waiting: dict[str, int] = {}

    def answer(self, untrusted_authorization: str, untrusted_body: bytes) -> Answer:
        """The answer to one request, whatever it holds."""
        try:
            request = asked(untrusted_body)
            return _answer(200, request.request_id, {"result": self._execute(request, untrusted_authorization)})
        except Refusal as raised:
            refusal = raised
        except StrongroomError as error:
            self._log.error("a request could not be taken (%s)", error.code)
            refusal = unavailable()
        except Exception as error:
            # The last line of defence: a listener must answer whatever happens. The text may hold what was sent.
            self._log.error("a request failed (%s)", type(error).__name__)
            refusal = internal(f"an internal error ({type(error).__name__})")
        return refused(refusal, request_id_of(untrusted_body))

    def acknowledged(self, trigger_id: str, event_id: str) -> None:
        """The run of an event is on the host's disk. Raises as the store, and is then told again."""
        key = request_key(trigger_id, event_id)
        with self._lock_of(key):
            self._requests.accept(key)
            self._book.ack(trigger_id, event_id)

    def forgotten(self, trigger_id: str) -> None:
        """A workflow is gone for good. Raises as the store."""
        self._registrations.forget(trigger_id)
        self._book.forget(trigger_id)
        self._requests.forget(trigger_id)

    def _execute(self, request: Asked, authorization: str) -> dict[str, str]:
        claims = claims_of(authorization, digests=request.digests, now_s=self._now_s())
        one, signer = self._registrations.find(request.workflow, claims.signers)
        self._tokens.take(one.workflow_id, claims, request.digest, now_s=self._now_s())
        key = request_key(one.trigger_id, request.request_id)
        if not self._take(key, request, one, signer):
            self._wait(key, one)
        return {
            "workflowExecutionID": execution_id(one.workflow_id, request.request_id, one.index),
            "status": "ACCEPTED",
        }

    def _take(self, key: str, request: Asked, one: Listening, signer: http_pb2.AuthorizedKey) -> bool:
        """Keep the request and its event. Whether it is accepted already."""
        with self._lock_of(key):
            taken = self._requests.find(key)
            if taken is not None and taken.digest != request.digest:
                raise conflict()
            if taken is not None and taken.accepted:
                return True
            if taken is None:
                self._rate.take(one.workflow_id)
                self._requests.put(key, request.digest)
            try:
                self._book.add(one.trigger_id, request.request_id, http_pb2.Payload(input=request.input, key=signer))
            except LimitExceeded as error:
                if taken is None:
                    self._requests.drop(key)
                raise overloaded("too many requests of this workflow wait for their runs", 5) from error
        return False

    def _lock_of(self, key: str) -> threading.Lock:
        return self._locks[int(key[-8:], 16) % LOCKS]

    def _wait(self, key: str, one: Listening) -> None:
        """Wait until the host has the event. Raises ``Refusal`` when that takes too long."""
        with self._waiting_lock:
            count = self._waiting.get(one.workflow_id, 0)
            if count < WAITING_PER_WORKFLOW_MAX:
                self._waiting[one.workflow_id] = count + 1
        # A workflow that is behind must not hold every thread; its request is kept all the same.
        timeout_s = self._accept_wait_s if count < WAITING_PER_WORKFLOW_MAX else 0.0
        try:
            if not self._requests.wait(key, timeout_s):
                raise not_confirmed()
        finally:
            if count < WAITING_PER_WORKFLOW_MAX:
                with self._waiting_lock:
                    self._waiting[one.workflow_id] -= 1
                    if not self._waiting[one.workflow_id]:
                        del self._waiting[one.workflow_id]


def refused(refusal: Refusal, request_id: str | None) -> Answer:
    """``refusal`` as an answer."""
    data: dict[str, object] = {"reason": refusal.reason}
    if refusal.retry_after_s:
        data["retryAfterSeconds"] = refusal.retry_after_s
    error = {"code": refusal.code, "message": refusal.message, "data": data}
    return _answer(refusal.status, request_id, {"error": error}, retry_after_s=refusal.retry_after_s)


def _answer(status: int, request_id: str | None, content: dict[str, object], *, retry_after_s: int = 0) -> Answer:
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, **content}, separators=(",", ":")).encode()
    return Answer(status=status, body=body, retry_after_s=retry_after_s)
