"""Capability ``kvstore@1.0.0``: small values that outlive a run, for the workflow that calls and for nobody else.

A step that was sent again acts once: the record that a call wrote also holds its answer.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from strongroom.plugin import Call, CapabilityError, Repeats, Store, repeat_key, request_digest
from strongroom.plugin.messages import kvstore_pb2, kvstore_stored_pb2
from strongroom_kvstore.limits import PAGE_KEYS_DEFAULT, PAGE_KEYS_MAX, KvLimits, exceeded
from strongroom_kvstore.scope import Scope, ScopeBy, owner_of, scope_of
from strongroom_kvstore.shelf import Known, Shelf

__all__ = ["KvStore"]

Stored = kvstore_stored_pb2.StoredEntry
A = TypeVar("A", bound=Message)
LOCKS: Final = 64  # workflows that share one wait for each other, and nothing worse
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
NUMBER_BYTES_MAX: Final = 20  # of the longest number of 64 bits with its sign


class KvStore:
    """The methods of the capability over the store of one plugin."""

    def __init__(self, store: Store, repeats: Repeats, limits: KvLimits, by: ScopeBy) -> None:
        self._shelf = Shelf(store, repeats)
        self._repeats = repeats
        self._limits = limits
        self._by: ScopeBy = by
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def methods(self) -> Mapping[str, Callable[[Call], Any]]:
        """Method name to function. Each returns its own message type."""
        return {
            "Get": self.get,
            "Put": self.put,
            "Increment": self.increment,
            "Delete": self.delete,
            "List": self.list,
            "Workflows": self.workflows,
            "Drop": self.drop,
        }

    def get(self, call: Call) -> kvstore_pb2.GetResponse:
        """The value of a key."""
        key = self._limits.check_key(call.unpack(kvstore_pb2.GetRequest).key)
        entry = self._shelf.read(scope_of(call, self._by), key)
        if entry is None or entry.deleted:
            return kvstore_pb2.GetResponse()
        return kvstore_pb2.GetResponse(found=True, value=entry.value, version=entry.version)

    def put(self, call: Call) -> kvstore_pb2.PutResponse:
        """Write a value, if it still has the version that the caller expects."""
        request = call.unpack(kvstore_pb2.PutRequest)
        key, value = self._limits.check_key(request.key), self._limits.check_value(request.value)
        expected = request.expected_version if request.HasField("expected_version") else None

        def change(before: Stored | None, version: int) -> tuple[Stored, kvstore_pb2.PutResponse]:
            _expect(before, expected)
            return Stored(version=version, value=value), kvstore_pb2.PutResponse(version=version)

        return self._change(call, key, kvstore_pb2.PutResponse, change)

    def increment(self, call: Call) -> kvstore_pb2.IncrementResponse:
        """Add to a number."""
        request = call.unpack(kvstore_pb2.IncrementRequest)

        def change(before: Stored | None, version: int) -> tuple[Stored, kvstore_pb2.IncrementResponse]:
            number = _number(before) + request.delta
            if not INT64_MIN <= number <= INT64_MAX:
                raise CapabilityError("Public", "User", "OutOfRange", "the sum does not fit 64 bits")
            entry = Stored(version=version, value=str(number).encode())
            return entry, kvstore_pb2.IncrementResponse(value=number, version=version)

        return self._change(call, self._limits.check_key(request.key), kvstore_pb2.IncrementResponse, change)

    def delete(self, call: Call) -> kvstore_pb2.DeleteResponse:
        """Remove a value, if it still has the version that the caller expects."""
        request = call.unpack(kvstore_pb2.DeleteRequest)
        expected = request.expected_version if request.HasField("expected_version") else None

        def change(before: Stored | None, version: int) -> tuple[Stored | None, kvstore_pb2.DeleteResponse]:
            _expect(before, expected)
            if before is None or before.deleted:
                return None, kvstore_pb2.DeleteResponse()
            return Stored(version=before.version, deleted=True), kvstore_pb2.DeleteResponse(found=True)

        return self._change(call, self._limits.check_key(request.key), kvstore_pb2.DeleteResponse, change)

    def list(self, call: Call) -> kvstore_pb2.ListResponse:
        """The keys, a page at a time. A key that comes or goes between two pages is on one of them or on none."""
        request = call.unpack(kvstore_pb2.ListRequest)
        size = request.page_size or PAGE_KEYS_DEFAULT
        if size > PAGE_KEYS_MAX:
            raise exceeded("page_size", f"{size} keys, the limit is {PAGE_KEYS_MAX}")
        for name, text in (("prefix", request.prefix), ("page_token", request.page_token)):
            if text:
                self._limits.check_key(text, name)
        scope = scope_of(call, self._by)
        with self._lock(scope):
            live = dict(self._shelf.known(scope).live)
        found = sorted(key for key in live if key.startswith(request.prefix) and key > request.page_token)
        answer = kvstore_pb2.ListResponse(next_page_token=found[size - 1] if len(found) > size else "")
        for key in found[:size]:
            value_bytes, version = live[key]
            answer.entries.add(key=key, version=version, value_bytes=value_bytes)
        return answer

    def workflows(self, call: Call) -> kvstore_pb2.WorkflowsResponse:
        """For operators: which workflows of an owner have values."""
        call.unpack(kvstore_pb2.WorkflowsRequest)
        owner = _managing_owner(call)
        answer = kvstore_pb2.WorkflowsResponse()
        for workflow in self._shelf.workflows(owner):
            scope = Scope(owner, workflow)
            with self._lock(scope):
                answer.workflows.add(workflow=workflow, entries=len(self._shelf.known(scope).live))
        return answer

    def drop(self, call: Call) -> kvstore_pb2.DropResponse:
        """For operators: remove what a workflow has, such as one that was deleted."""
        workflow = call.unpack(kvstore_pb2.DropRequest).workflow
        scope = Scope(_managing_owner(call), workflow)
        if scope.workflow not in self._shelf.workflows(scope.owner):
            return kvstore_pb2.DropResponse()
        with self._lock(scope):
            return kvstore_pb2.DropResponse(entries=self._shelf.drop(scope))

    def _change(
        self,
        call: Call,
        key: str,
        answer_type: type[A],
        change: Callable[[Stored | None, int], tuple[Stored | None, A]],
    ) -> A:
        """The answer to a call that changes ``key``: a remembered one, or that of ``change``, which is then on disk."""
        scope, repeat, digest = scope_of(call, self._by), repeat_key(call), request_digest(call)
        with self._lock(scope):
            before = self._shelf.read(scope, key)
            answered = self._answered(repeat, before)
            if answered is not None:
                if answered.request_digest != digest:
                    raise CapabilityError(
                        "Public", "User", "FailedPrecondition", "this step was sent before with another request"
                    )
                return answer_type.FromString(answered.answer)
            known = self._shelf.known(scope)
            entry, answer = change(before, (before.version if before is not None else known.floor) + 1)
            if entry is None:
                return answer
            if not entry.deleted:
                self._check_room(known, key, entry.value)
            if repeat:
                entry.repeat_key = repeat
                entry.answer.request_digest = digest
                entry.answer.answer = answer.SerializeToString()
            self._shelf.write(scope, key, entry, before)
            return answer

    def _answered(self, repeat: str, before: Stored | None) -> kvstore_stored_pb2.RememberedAnswer | None:
        if before is not None and repeat and before.repeat_key == repeat:
            return before.answer
        blob = self._repeats.find(repeat)
        return None if blob is None else kvstore_stored_pb2.RememberedAnswer.FromString(blob)

    def _check_room(self, known: Known, key: str, value: bytes) -> None:
        limits = self._limits
        count, key_bytes = len(known.live), len(key.encode())
        if key not in known.live and count >= limits.entries_max:
            raise exceeded("keys of this workflow", f"{count} are stored, the limit is {limits.entries_max}")
        old = key_bytes + known.live[key][0] if key in known.live else 0
        total = known.total_bytes - old + key_bytes + len(value)
        if total > limits.total_bytes_max:
            raise exceeded("keys and values of this workflow", f"{total} bytes, the limit is {limits.total_bytes_max}")

    def _lock(self, scope: Scope) -> threading.Lock:
        return self._locks[hash(scope) % LOCKS]


def _expect(before: Stored | None, expected: int | None) -> None:
    """Raises ``CapabilityError`` when the value has another version than the caller thinks."""
    current = 0 if before is None or before.deleted else before.version
    if expected is not None and expected != current:
        raise CapabilityError(
            "Public", "User", "Aborted", f"the value has version {current}, and version {expected} was expected"
        )


def _number(before: Stored | None) -> int:
    """The number in a record; 0 where there is none."""
    if before is None or before.deleted:
        return 0
    text = before.value[: NUMBER_BYTES_MAX + 1]
    if len(text) <= NUMBER_BYTES_MAX and text.removeprefix(b"-").isdigit():
        return int(text)
    raise CapabilityError("Public", "User", "FailedPrecondition", "the value is not a number in decimal text")


def _managing_owner(call: Call) -> str:
    """The owner whom an operator names. A running workflow may not."""
    if call.metadata.workflow_execution_id:
        text = f"{call.method} cannot be called by a running workflow"
        raise CapabilityError("Public", "User", "PermissionDenied", text)
    return owner_of(call)
