"""Requirement matching, a test for each row of the contract's table: confidential.md section 6."""

import pytest

from strongroom.modules.requirements import are_satisfied, asks_for_a_tee
from strongroom.pb.sdk.v1alpha import sdk_pb2

NITRO = sdk_pb2.TEE_TYPE_AWS_NITRO
OTHER = 7
"""A type that this build has no name for; an enclave and a workflow may."""


def provider(*regions, kind=NITRO):
    return sdk_pb2.TeeTypeAndRegions(type=kind, regions=regions)


def any_regions(*regions):
    return sdk_pb2.Requirements(tee=sdk_pb2.Tee(any_regions=sdk_pb2.Regions(regions=regions)))


def types(*entries):
    wanted = sdk_pb2.TeeTypesAndRegions(tee_type_and_regions=entries)
    return sdk_pb2.Requirements(tee=sdk_pb2.Tee(tee_types_and_regions=wanted))


def unknown(message):
    """``message`` with a field that this reader does not know."""
    return type(message).FromString(message.SerializeToString() + b"\xfa\x01\x01x")


@pytest.mark.parametrize("tees", [None, (), (provider("us-west-2"),)])
def test_no_requirements_are_satisfied_everywhere(tees):
    assert are_satisfied(None, tees)
    assert are_satisfied(sdk_pb2.Requirements(), tees)


@pytest.mark.parametrize("tees", [None, (), (provider("us-west-2"),)])
def test_unknown_fields_are_satisfied_nowhere(tees):
    assert not are_satisfied(unknown(sdk_pb2.Requirements()), tees)
    assert not are_satisfied(unknown(any_regions()), tees)


def test_unknown_fields_further_down_are_satisfied_nowhere():
    deep = any_regions("us-west-2")
    deep.tee.any_regions.CopyFrom(unknown(deep.tee.any_regions))
    assert not are_satisfied(deep, (provider("us-west-2"),))


def test_a_module_without_a_handler_does_not_satisfy_the_field():
    assert not are_satisfied(any_regions(), None)


def test_a_tee_whose_item_is_unset_or_unknown_is_not_satisfied():
    assert not are_satisfied(sdk_pb2.Requirements(tee=sdk_pb2.Tee()), (provider("us-west-2"),))
    assert not are_satisfied(sdk_pb2.Requirements(tee=unknown(sdk_pb2.Tee())), (provider("us-west-2"),))


@pytest.mark.parametrize(
    ("wanted", "provided", "satisfied"),
    [
        (any_regions(), [provider("us-west-2")], True),
        (any_regions(), [provider()], True),
        (any_regions("us-west-2"), [provider("us-west-2")], True),
        (any_regions("eu-central-1"), [provider("us-west-2")], False),
        (any_regions("eu-central-1", "us-west-2"), [provider("us-west-2", "us-east-1")], True),
        (any_regions("us-west-2"), [provider()], False),
        (types(), [provider("us-west-2")], False),
        (types(provider(kind=OTHER)), [provider("us-west-2")], False),
        (types(provider("us-west-2", kind=OTHER)), [provider("us-west-2")], False),
        (types(provider()), [provider("us-west-2")], True),
        (types(provider("us-west-2")), [provider("us-west-2")], True),
        (types(provider("eu-central-1")), [provider("us-west-2")], False),
        (types(provider("us-east-1", "us-west-2")), [provider("eu-central-1", "us-west-2")], True),
        (types(provider("eu-central-1"), provider("us-west-2")), [provider("us-west-2")], False),
        (types(provider("us-west-2"), provider("eu-central-1")), [provider("us-west-2")], True),
        (types(provider(kind=OTHER), provider()), [provider("us-west-2")], True),
    ],
    ids=[
        "any region and the list is empty",
        "any region of a provider without regions",
        "any_regions that intersect",
        "any_regions that do not intersect",
        "one of several requested regions",
        "a region of a provider without regions",
        "types: none requested",
        "types: no entry of the type",
        "types: a mismatch of the type ignores the region",
        "types: empty regions are every region",
        "types: the region matches",
        "types: the region does not match",
        "types: one region in common",
        "types: only the first entry of a type decides, and it says no",
        "types: only the first entry of a type decides, and it says yes",
        "types: entries of other types are passed over",
    ],
)
def test_one_provider(wanted, provided, satisfied):
    assert are_satisfied(wanted, provided) is satisfied


@pytest.mark.parametrize(
    ("wanted", "provided", "satisfied"),
    [
        (types(provider("b")), [provider("a"), provider("b")], True),
        (any_regions("b"), [provider("a"), provider("b", kind=OTHER)], True),
        (any_regions("c"), [provider("a"), provider("b", kind=OTHER)], False),
        (types(provider("c"), provider("b", kind=OTHER)), [provider("a"), provider("b", kind=OTHER)], True),
        (types(provider("c"), provider("d", kind=OTHER)), [provider("a"), provider("b", kind=OTHER)], False),
        (types(provider("a", kind=9)), [provider("a"), provider("a", kind=OTHER)], False),
    ],
    ids=[
        "regions of equal types are merged",
        "any_regions: any provider",
        "any_regions: no provider",
        "types: the second matches",
        "types: none matches",
        "types: a type that nobody provides",
    ],
)
def test_several_providers(wanted, provided, satisfied):
    assert are_satisfied(wanted, provided) is satisfied


@pytest.mark.parametrize("wanted", [any_regions(), any_regions("a"), types(provider())])
def test_an_empty_list_of_providers_satisfies_no_tee(wanted):
    assert not are_satisfied(wanted, ())


@pytest.mark.parametrize("wanted", [any_regions(), types(provider(kind=sdk_pb2.TEE_TYPE_UNSPECIFIED))])
def test_a_provider_that_does_not_say_its_type_satisfies_nothing(wanted):
    assert not are_satisfied(wanted, [provider("a", kind=sdk_pb2.TEE_TYPE_UNSPECIFIED)])


def test_the_enclave_is_asked_only_where_its_answer_could_matter():
    assert asks_for_a_tee(any_regions())
    assert not asks_for_a_tee(None)
    assert not asks_for_a_tee(sdk_pb2.Requirements())
    assert not asks_for_a_tee(unknown(any_regions()))
