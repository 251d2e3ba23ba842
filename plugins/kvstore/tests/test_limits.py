"""Each limit holds at its border, and its refusal names the size and the limit."""

import threading

import pytest

from strongroom.plugin import CapabilityError, Repeats
from strongroom.plugin.messages import kvstore_pb2
from strongroom_kvstore.kvstore import KvStore
from strongroom_kvstore.limits import KvLimits
from strongroom_kvstore.plugin import KvStorePlugin
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.workflow_caller import step


class Outside:
    """Calls outside a run, so that nothing is remembered."""

    def __init__(self, **limits):
        self.store = MemoryStore()
        self.methods = KvStore(self.store, Repeats(self.store), KvLimits(**limits), "workflow_id").methods()

    def call(self, method, message):
        return self.methods[method](step(message, ""))

    def put(self, key, value=b""):
        return self.call("Put", kvstore_pb2.PutRequest(key=key, value=value))

    def refusal(self, method, message):
        with pytest.raises(CapabilityError) as caught:
            self.call(method, message)
        assert (caught.value.visibility, caught.value.origin) == ("Public", "User")
        return f"{caught.value.name} {caught.value.message}"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "InvalidArgument key is missing"),
        ("k" * 65, "LimitExceeded key: 65 bytes, the limit is 64"),
        ("ä" * 33, "LimitExceeded key: 66 bytes, the limit is 64"),
        ("a\n", "InvalidArgument key holds control characters"),
        ("a\0", "InvalidArgument key holds control characters"),
    ],
    ids=["empty", "long", "long in bytes", "newline", "nul"],
)
def test_a_key_is_refused_with_its_reason(key, reason):
    outside = Outside()
    for method, message in (
        ("Get", kvstore_pb2.GetRequest(key=key)),
        ("Put", kvstore_pb2.PutRequest(key=key)),
        ("Increment", kvstore_pb2.IncrementRequest(key=key)),
        ("Delete", kvstore_pb2.DeleteRequest(key=key)),
    ):
        assert outside.refusal(method, message) == reason
    assert outside.store.values == {}


def test_the_longest_key_and_the_biggest_value_fit():
    outside = Outside()
    outside.put("k" * 64, bytes(2_000))
    too_big = kvstore_pb2.PutRequest(key="k", value=bytes(2_001))
    assert outside.refusal("Put", too_big) == "LimitExceeded value: 2001 bytes, the limit is 2000"


def test_a_workflow_has_so_many_keys_and_no_more():
    outside = Outside(entries_max=3)
    for key in "abc":
        outside.put(key)
    one_more = kvstore_pb2.PutRequest(key="d")
    assert outside.refusal("Put", one_more) == "LimitExceeded keys of this workflow: 3 are stored, the limit is 3"
    assert outside.refusal("Increment", kvstore_pb2.IncrementRequest(key="d")).startswith("LimitExceeded keys")
    outside.put("a", b"again")
    outside.call("Delete", kvstore_pb2.DeleteRequest(key="b"))
    outside.put("d")


def test_all_values_together_have_a_limit():
    outside = Outside(total_bytes_max=10)
    outside.put("a", b"1234")
    outside.put("b", b"1234")
    refused = "LimitExceeded keys and values of this workflow: 11 bytes, the limit is 10"
    assert outside.refusal("Put", kvstore_pb2.PutRequest(key="b", value=b"12345")) == refused
    outside.put("a", b"1")
    outside.put("b", b"12345")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (kvstore_pb2.ListRequest(page_size=1_001), "LimitExceeded page_size: 1001 keys, the limit is 1000"),
        (kvstore_pb2.ListRequest(prefix="p" * 65), "LimitExceeded prefix: 65 bytes, the limit is 64"),
        (kvstore_pb2.ListRequest(page_token="p" * 65), "LimitExceeded page_token: 65 bytes, the limit is 64"),
        (kvstore_pb2.ListRequest(page_token="\0"), "InvalidArgument page_token holds control characters"),
    ],
    ids=["page", "prefix", "token", "token of no key"],
)
def test_a_page_is_refused_with_its_reason(message, reason):
    assert Outside().refusal("List", message) == reason


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"key_bytes_max": 0}, "key_bytes_max must be in 1..256"),
        ({"value_bytes_max": 1_000_001}, "value_bytes_max must be in 1..1000000"),
        ({"entries_max": 10_001}, "entries_max must be in"),
        ({"total_bytes_max": -1}, "total_bytes_max must be in"),
        ({"scope": "owner"}, "scope must be workflow_id or workflow_name"),
        ({"remember_hours": 0}, "remember_hours must be in"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_config_that_cannot_be_meant_is_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        KvStorePlugin(**config)


def test_many_threads_count_to_the_right_number():
    outside = Outside()

    def count():
        for _ in range(50):
            outside.call("Increment", kvstore_pb2.IncrementRequest(key="n", delta=1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outside.call("Get", kvstore_pb2.GetRequest(key="n")).value == b"400"


def test_an_error_shows_neither_key_nor_value():
    outside = Outside(value_bytes_max=6)
    outside.put("canary-key", b"canary")
    for method, message in (
        ("Put", kvstore_pb2.PutRequest(key="canary-key", value=b"canary2")),
        ("Put", kvstore_pb2.PutRequest(key="canary-key", expected_version=9)),
        ("Increment", kvstore_pb2.IncrementRequest(key="canary-key")),
        ("Get", kvstore_pb2.GetRequest(key="canary\n")),
    ):
        assert "canary" not in outside.refusal(method, message)
