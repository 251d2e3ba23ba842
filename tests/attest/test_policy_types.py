"""Every value of a policy in every wrong type: refused by its place, and never by an exception of Python."""

import pytest

from strongroom.attest import codes
from strongroom.attest.policy import parse_policy
from strongroom.attest.policy_diff import newly_accepted
from strongroom.errors import Misconfigured
from tests.fakes.policies import FILE, HARDWARE_KINDS, SIMULATED_KINDS, changed, toml, values

ALL = changed(values((*HARDWARE_KINDS, *SIMULATED_KINDS)), "insecure/anchors", ["ab" * 32])
WRONG = (True, False, -1, 2**64, 1.5, float("nan"), "", "x", "é\u202e", [[]], [1], [""], {"x": 1}, [], {})
EMPTY = ([], {})


def paths(found, path=()):
    """Every place in a policy, tables and lists as well."""
    if path:
        yield path
    inside = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, each in inside:
        yield from paths(each, (*path, str(key)))


TEXTS = {"reject_advisories", "csp_ids"}
FLAGS = {"allow_dynamic_platform", "allow_cached_keys", "allow_smt", "only_attested_capabilities"}


def is_right(path, value):
    """Whether ``value`` may stand there: a name, a flag, or one text of a list of texts."""
    *_, table, key = ("", *path)
    if isinstance(value, bool):
        return key in FLAGS
    return (key, value) == ("vmpl", [1]) or (value == "x" and (key == "name" or table in TEXTS))


@pytest.mark.parametrize("path", ["/".join(each) for each in paths(ALL)])
def test_a_value_of_another_type_is_refused_by_its_place(path):
    for value in WRONG:
        if value in EMPTY or is_right(path.split("/"), value):
            continue
        with pytest.raises(Misconfigured) as caught:
            parse_policy(toml(changed(ALL, path, value)), file=FILE)
        assert caught.value.code == codes.POLICY_INVALID
        assert caught.value.details["where"].startswith(f"{FILE}:{path.partition('/')[0]}"), (path, value)


@pytest.mark.parametrize("path", ["/".join(each) for each in paths(ALL)])
def test_an_empty_list_or_table_is_refused_or_accepts_nothing_more(path):
    whole = parse_policy(toml(ALL), file=FILE)
    for value in EMPTY:
        try:
            found = parse_policy(toml(changed(ALL, path, value)), file=FILE)
        except Misconfigured:
            continue
        more = [each.where for each in newly_accepted(whole, found)]
        # What is refused by name is no longer refused when no name is left.
        assert more in ([], [f"{FILE}:tdx.reject_advisories"], [f"{FILE}:sgx.reject_advisories"]), value
