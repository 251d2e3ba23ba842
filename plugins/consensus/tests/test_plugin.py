"""The plugin as a host calls it: one observation decides, sizes are bounded, keys come from store or file."""

import logging

import pytest
from google.protobuf import empty_pb2

from strongroom.plugin import CapabilityError, Misconfigured
from strongroom.plugin.messages import sdk_pb2, values_pb2
from strongroom_consensus.limits import DEPTH_MAX, OBSERVATION_BYTES_MAX
from strongroom_consensus.plugin import ConsensusPlugin
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.workflow_caller import step

Inputs = sdk_pb2.SimpleConsensusInputs
IDENTICAL = sdk_pb2.ConsensusDescriptor(aggregation=sdk_pb2.AGGREGATION_TYPE_IDENTICAL)


def started(store=None, **config):
    plugin = ConsensusPlugin(**config)
    plugin.start(memory_host(store=store if store is not None else MemoryStore(), name="consensus"))
    return plugin


@pytest.fixture
def methods():
    return started().capabilities()[0].methods


def refusal(work):
    with pytest.raises(CapabilityError) as caught:
        work()
    return caught.value.name, caught.value.message


def signers(plugin):
    return plugin.capabilities()[0].methods["Signers"](step(empty_pb2.Empty())).map_value.fields


def test_it_answers_under_both_ids():
    plugin = started()
    assert [c.id for c in plugin.capabilities()] == ["consensus@1.0.0-alpha", "consensus@1.0.0"]
    plugin.stop()
    assert plugin.capabilities() == []


def test_one_observation_decides(methods):
    value = values_pb2.Value(int64_value=555)
    median = sdk_pb2.ConsensusDescriptor(aggregation=sdk_pb2.AGGREGATION_TYPE_MEDIAN)
    assert methods["Simple"](step(Inputs(value=value, descriptors=median))) == value
    assert methods["Simple"](step(Inputs(error="no route", default=value))) == value
    assert refusal(lambda: methods["Simple"](step(Inputs(error="no route")))) == ("ConsensusFailed", "no route")


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (Inputs(), "the request holds no observation"),
        (Inputs(value=values_pb2.Value(bool_value=True)), "unsupported aggregation type 0"),
    ],
    ids=["nothing", "no descriptor"],
)
def test_a_request_that_says_nothing_is_refused(methods, inputs, reason):
    assert refusal(lambda: methods["Simple"](step(inputs))) == ("InvalidArgument", reason)


def nested(depth):
    value = values_pb2.Value(int64_value=1)
    for _ in range(depth - 1):
        outer = values_pb2.Value()
        outer.list_value.fields.add().CopyFrom(value)
        value = outer
    return value


def test_sizes_and_depths_are_bounded(methods):
    room = (
        OBSERVATION_BYTES_MAX
        - Inputs(value=values_pb2.Value(bytes_value=bytes(90_000)), descriptors=IDENTICAL).ByteSize()
    )
    largest = Inputs(value=values_pb2.Value(bytes_value=bytes(90_000 + room)), descriptors=IDENTICAL)
    assert methods["Simple"](step(largest)) == largest.value
    too_big = Inputs(value=values_pb2.Value(bytes_value=bytes(90_001 + room)), descriptors=IDENTICAL)
    assert refusal(lambda: methods["Simple"](step(too_big))) == (
        "LimitExceeded",
        f"observation: {OBSERVATION_BYTES_MAX + 1} bytes, the limit is {OBSERVATION_BYTES_MAX}",
    )
    assert methods["Simple"](step(Inputs(value=nested(DEPTH_MAX), descriptors=IDENTICAL)))
    for inputs, what in (
        (Inputs(value=nested(DEPTH_MAX + 1), descriptors=IDENTICAL), "depth of the observation"),
        (Inputs(error="x", default=nested(DEPTH_MAX + 1)), "depth of the default"),
    ):
        assert refusal(lambda i=inputs: methods["Simple"](step(i))) == ("LimitExceeded", f"{what}: more than 32 levels")


def test_descriptors_are_bounded(methods):
    value = values_pb2.Value()
    value.map_value.SetInParent()
    wide = sdk_pb2.ConsensusDescriptor()
    for number in range(1_000):
        wide.fields_map.fields[str(number)].CopyFrom(IDENTICAL)
    deep = IDENTICAL
    for _ in range(30):
        outer = sdk_pb2.ConsensusDescriptor()
        outer.fields_map.fields["a"].CopyFrom(deep)
        deep = outer
    assert refusal(lambda: methods["Simple"](step(Inputs(value=value, descriptors=wide)))) == (
        "LimitExceeded",
        "descriptors: more than 1000 fields",
    )
    assert refusal(lambda: methods["Simple"](step(Inputs(value=value, descriptors=deep))))[0] == (
        "InsufficientObservations"
    )


def test_keys_are_made_once_and_stay(caplog):
    caplog.set_level(logging.INFO)
    store = MemoryStore()
    first, second = signers(started(store)), signers(started(store))
    assert first == second
    assert signers(started(MemoryStore())) != first
    assert first["ecdsa_address"].string_value in caplog.text
    secret = store.values["", "signing-secret"]
    assert secret.hex() not in caplog.text + repr(started(store)) + str(first)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "consensus.key"
    path.write_text("# keep it\nstrongroom-consensus-1:" + "ab" * 32 + "\n")
    path.chmod(0o600)
    return path


def test_a_key_file_decides_and_the_store_holds_no_key(key_file):
    store = MemoryStore()
    assert signers(started(store, key_file=str(key_file))) == signers(started(key_file=str(key_file)))
    assert store.values == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.chmod(0o640), "others can read it"),
        (lambda path: path.write_text("strongroom-consensus-1:abcd\n"), "does not hold one line"),
        (lambda path: path.write_text("x" * 2_000), "does not hold one line"),
        (lambda path: path.write_bytes(b"\xff\x00"), "does not hold one line"),
        (lambda path: path.rename(path.with_name("real")) and path.symlink_to("real"), "cannot be used"),
        (lambda path: path.unlink() or path.mkdir(mode=0o700), "not a regular file"),
    ],
    ids=["missing", "readable", "short", "long", "binary", "link", "directory"],
)
def test_a_key_file_that_must_not_be_used_stops_the_plugin(key_file, change, reason):
    change(key_file)
    with pytest.raises(Misconfigured, match=reason) as caught:
        started(key_file=str(key_file))
    assert "ab" * 16 not in str(caught.value) + caught.value.fix


@pytest.mark.parametrize(
    ("config", "reason"),
    [({"key_file": "here"}, "absolute"), ({"remember_hours": 0}, "remember_hours must be in")],
    ids=["relative", "hours"],
)
def test_a_config_that_cannot_be_meant_is_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        ConsensusPlugin(**config)
