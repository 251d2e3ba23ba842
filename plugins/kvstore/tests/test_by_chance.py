"""Against a dictionary, with a disk that fails at any write: every step acts once, and is answered once for all."""

from hypothesis import given, settings
from hypothesis import strategies as some

from strongroom.plugin import CapabilityError, Repeats
from strongroom.plugin.messages import kvstore_pb2
from strongroom_kvstore.kvstore import KvStore
from strongroom_kvstore.limits import KvLimits
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.workflow_caller import step

KEYS = some.sampled_from(["a", "b", "c"])
PUTS = some.builds(
    lambda key, value, expected: ("Put", kvstore_pb2.PutRequest(key=key, value=value, expected_version=expected)),
    KEYS,
    some.sampled_from([b"", b"1", b"22"]),
    some.none() | some.integers(0, 4),
)
ADDS = some.builds(
    lambda key, delta: ("Increment", kvstore_pb2.IncrementRequest(key=key, delta=delta)), KEYS, some.integers(-3, 3)
)
DELETES = some.builds(
    lambda key, expected: ("Delete", kvstore_pb2.DeleteRequest(key=key, expected_version=expected)),
    KEYS,
    some.none() | some.integers(0, 4),
)
FAILURES = some.lists(some.sampled_from(["", "", "before", "after"]), max_size=40)
LIMITS = KvLimits(entries_max=2)


class Flaky(MemoryStore):
    """Fails at the writes that ``failures`` names, before or after they are done."""

    def __init__(self, values, failures):
        super().__init__()
        self.values, self.failures = values, failures

    def put(self, key, value, *, owner=""):
        self._write(lambda: MemoryStore.put(self, key, value, owner=owner))

    def delete(self, key, *, owner=""):
        self._write(lambda: MemoryStore.delete(self, key, owner=owner))

    def _write(self, write):
        failure = self.failures.pop(0) if self.failures else ""
        if failure != "before":
            write()
        if failure:
            raise OSError(failure)


class Model:
    """What a workflow would see if nothing ever failed."""

    def __init__(self):
        self.values, self.versions = {}, {}

    def call(self, method, message):
        key = message.key
        current = self.versions[key] if key in self.values else 0
        if method != "Increment" and message.HasField("expected_version") and message.expected_version != current:
            return "Aborted"
        if method == "Delete":
            return kvstore_pb2.DeleteResponse(found=self.values.pop(key, None) is not None)
        value = message.value if method == "Put" else b""
        if method == "Increment":
            before = self.values.get(key, b"0")
            if not before:
                return "FailedPrecondition"
            value = str(int(before) + message.delta).encode()
        if key not in self.values and len(self.values) >= LIMITS.entries_max:
            return "LimitExceeded"
        self.values[key] = value
        self.versions[key] = self.versions.get(key, 0) + 1
        if method == "Put":
            return kvstore_pb2.PutResponse(version=self.versions[key])
        return kvstore_pb2.IncrementResponse(value=int(value), version=self.versions[key])


@settings(max_examples=300, deadline=None)
@given(some.lists(PUTS | ADDS | DELETES, max_size=15), FAILURES, some.booleans())
def test_whatever_fails_every_step_acts_once(calls, failures, restarts):
    values, model, done = {}, Model(), []
    kvstore = life(values, failures)
    for number, (method, message) in enumerate(calls):
        while True:
            try:
                answer = ask(kvstore, number, method, message)
                break
            except OSError:
                kvstore = life(values, failures) if restarts else kvstore
        assert answer == model.call(method, message)
        done.append(answer)
        found = {key: kvstore.get(step(kvstore_pb2.GetRequest(key=key))) for key in "abc"}
        assert {key: one.value for key, one in found.items() if one.found} == model.values
    failures.clear()
    kvstore = life(values, failures)
    for number, (method, message) in enumerate(calls):
        changed = not isinstance(done[number], str) and done[number] != kvstore_pb2.DeleteResponse()
        if changed:  # what changed nothing is not remembered: sent again, it acts for the first time
            assert ask(kvstore, number, method, message) == done[number]
    listed = kvstore.list(step(kvstore_pb2.ListRequest())).entries
    assert {entry.key: entry.value_bytes for entry in listed} == {k: len(v) for k, v in model.values.items()}


def life(values, failures):
    store = Flaky(values, failures)
    return KvStore(store, Repeats(store), LIMITS, "workflow_id")


def ask(kvstore, number, method, message):
    """The answer, or the name of the error."""
    try:
        return kvstore.methods()[method](step(message, str(number), method=method))
    except CapabilityError as error:
        return error.name
