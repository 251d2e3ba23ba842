"""kvstore and consensus over the sealed store of a daemon, on each database: durable, sealed, and each step once."""

import pytest

from strongroom.app.stores import SealedStore
from strongroom.keyring.records import RecordKeys
from strongroom.keyring.root import parse_secrets
from strongroom.plugin.messages import kvstore_pb2, sdk_pb2
from strongroom.storage.schema import PLUGIN_VALUES
from strongroom_consensus.plugin import ConsensusPlugin
from strongroom_kvstore.plugin import KvStorePlugin
from tests.fakes.plugin_host import memory_host
from tests.fakes.workflow_caller import step

CANARY = b"canary of a workflow"


@pytest.fixture
def store(database):
    return SealedStore("under-test", database, RecordKeys(parse_secrets("1:" + "s" * 43)))


def life(plugin, store):
    """The methods of a plugin that was started anew over ``store``."""
    plugin.start(memory_host(store=store))
    methods = plugin.capabilities()[0].methods
    return lambda method, message, reference="": methods[method](step(message, reference, method=method))


def test_values_are_found_by_the_next_life_and_a_repeated_step_acts_once(store):
    call = life(KvStorePlugin(), store)
    keys = ["a", "a/b", "b", "ä", "z" * 64]
    for key in keys:
        call("Put", kvstore_pb2.PutRequest(key=key, value=CANARY), f"put {key}")
    add = kvstore_pb2.IncrementRequest(key="n", delta=5)
    assert call("Increment", add, "7").value == 5
    assert call("Increment", add, "8").value == 10
    call = life(KvStorePlugin(), store)
    assert call("Increment", add, "7").value == 5
    assert call("Get", kvstore_pb2.GetRequest(key="n")).value == b"10"
    listed = [entry.key for entry in call("List", kvstore_pb2.ListRequest()).entries]
    assert listed == sorted([*keys, "n"], key=str.encode)
    assert call("Delete", kvstore_pb2.DeleteRequest(key="a"), "9").found
    assert not call("Get", kvstore_pb2.GetRequest(key="a")).found


def test_reports_are_numbered_on_by_the_next_life_with_the_same_keys(store):
    wish = sdk_pb2.ReportRequest(
        encoded_payload=CANARY, encoder_name="evm", signing_algo="ecdsa", hashing_algo="keccak256"
    )
    first = life(ConsensusPlugin(), store)("Report", wish, "1")
    call = life(ConsensusPlugin(), store)
    assert call("Report", wish, "1") == first
    second = call("Report", wish, "2")
    assert (second.seq_nr, second.config_digest) == (2, first.config_digest)


def test_nothing_of_it_is_readable_on_the_disk(store, database):
    call = life(KvStorePlugin(), store)
    call("Put", kvstore_pb2.PutRequest(key="k", value=CANARY), "1")
    call("Put", kvstore_pb2.PutRequest(key="k", value=CANARY), "2")
    life(ConsensusPlugin(), store)
    rows = database.read(lambda connection: connection.execute(PLUGIN_VALUES.select()).all())
    assert len(rows) == 3, "the value, the answer to the first step, and the secret of the keys"
    assert not [row for row in rows if CANARY in bytes(row.value)]
