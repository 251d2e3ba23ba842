"""The grammar of capability ids, and which version answers."""

import pytest

from strongroom.errors import InvalidInput
from strongroom.registry.ids import chain_selector, choose, make_id, parse_id, validate_id


@pytest.mark.parametrize(
    ("text", "name", "labels", "version"),
    [
        ("foo", "foo", (), ""),
        ("foo@1.0.0", "foo", (), "1.0.0"),
        ("foo:k_v@1.0.0", "foo", (("k", "v"),), "1.0.0"),
        ("foo:k_v:k2_v2:k3@1.0.0", "foo", (("k", "v"), ("k2", "v2"), ("k3", "")), "1.0.0"),
        ("foo:k_v_w@1.0.0", "foo", (("k", "v_w"),), "1.0.0"),
        ("a@b@1.0.0", "a@b", (), "1.0.0"),
        ("", "", (), ""),
    ],
)
def test_an_id_falls_into_its_parts(text, name, labels, version):
    found = parse_id(text)
    assert (found.name, found.labels, found.version) == (name, labels, version)


@pytest.mark.parametrize("text", ["a@1.0.0", "A_b-c:d_e@10.20.30", "a@1.0.0-alpha", "a@1.0.0-alpha.1+b.2", "a@1.0.0+x"])
def test_a_valid_id_is_itself(text):
    assert validate_id(text) == text


def test_an_id_may_have_128_characters_and_no_more():
    assert validate_id("a" * 122 + "@1.0.0")
    with pytest.raises(InvalidInput, match="exceeds max length 128"):
        validate_id("a" * 123 + "@1.0.0")


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "@1.0.0",
        "a@1",
        "a@1.0",
        "a@01.0.0",
        "a@1.0.0@1.0.0",
        "a b@1.0.0",
        "a@1.0.0-",
        "a@1.0.0\n",
        "ä@1.0.0",
        "a@١.0.0",
    ],
    ids=[
        "no version",
        "no name",
        "one number",
        "two numbers",
        "leading zero",
        "two versions",
        "space",
        "empty prerelease",
        "newline",
        "letter",
        "digit of another script",
    ],
)
def test_a_malformed_id_is_refused(text):
    with pytest.raises(InvalidInput, match=r"(?s)invalid id: .*Allowed: \^"):
        validate_id(text)


@pytest.mark.parametrize(
    "text", ["evm:ChainSelector_16015286601757825753@1.0.0", "evm:ChainSelector:16015286601757825753@1.0.0"]
)
def test_a_chain_selector_has_two_spellings(text):
    assert chain_selector(parse_id(text)) == 16015286601757825753


@pytest.mark.parametrize("label", ["ChainSelector_x", "ChainSelector", "ChainSelector:x", "ChainSelector_-1"])
def test_a_chain_selector_that_is_no_number_is_refused(label):
    with pytest.raises(InvalidInput, match="invalid chain selector"):
        chain_selector(parse_id(f"evm:{label}@1.0.0"))


def test_no_chain_selector_is_none():
    assert chain_selector(parse_id("evm:x_1@1.0.0")) is None


def test_made_labels_are_sorted():
    assert make_id("evm", {"b": "2", "a": "1", "c": ""}, "1.0.0") == "evm:a_1:b_2:c@1.0.0"


OFFERED = [
    "a@1.0.0",
    "a@1.2.0",
    "a@1.10.0",
    "a@2.0.0",
    "a@3.0.0-alpha",
    "a@3.0.0-beta.2",
    "a@3.0.0-beta.11",
    "a:l@1.5.0",
]


@pytest.mark.parametrize(
    ("requested", "answers"),
    [
        ("a@1.0.0", "a@1.0.0"),
        ("a@1.0.1", "a@1.2.0"),
        ("a@1.3.0", "a@1.10.0"),
        ("a@3.0.0-beta", "a@3.0.0-beta.2"),
        ("a@3.0.0-beta.3", "a@3.0.0-beta.11"),
        ("a@2.0.0-rc", "a@2.0.0"),
        ("a:l@1.0.0", "a:l@1.5.0"),
    ],
    ids=[
        "exact",
        "smallest later",
        "by number",
        "prerelease",
        "numeric part",
        "release for prerelease",
        "labels count",
    ],
)
def test_the_smallest_compatible_version_answers(requested, answers):
    assert choose(requested, OFFERED) == answers


@pytest.mark.parametrize(
    "requested",
    ["a@1.11.0", "a@3.0.0", "a@4.0.0", "b@1.0.0", "a:other@1.0.0", "a@2.0.1"],
    ids=["too late", "only prereleases", "other major", "other name", "other label", "no later"],
)
def test_no_compatible_version_is_none(requested):
    with pytest.raises(LookupError, match=f"no compatible capability found for id {requested}"):
        choose(requested, OFFERED)


@pytest.mark.parametrize("requested", ["a", "a@1.0.0@2", ""])
def test_a_request_without_exactly_one_version_is_malformed(requested):
    with pytest.raises(InvalidInput, match="invalid capability id format") as caught:
        choose(requested, OFFERED)
    assert "name@1.2.3" in caught.value.fix
    # Guests compare the text, so what to do is not in it.
    assert str(caught.value) == f"invalid capability id format: {requested}"


def test_a_request_with_a_bad_version_is_malformed():
    with pytest.raises(InvalidInput, match='invalid version in capability id "a@one"'):
        choose("a@one", OFFERED)
