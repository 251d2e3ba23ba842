"""Which configuration of an enclave is good: somebody must say so, and whoever does is heeded."""

from dataclasses import replace

import pytest

from strongroom.attest import codes
from strongroom.attest.checks import NOT_CHECKED
from tests.fakes.policies import CONFIG, RELEASES, appraised, changed, claims, data, hexed, of, values


def configured(known, in_policy, found=CONFIG):
    rules = values()
    if in_policy is not None:
        rules = changed(rules, "accept/nitro/0/enclave_configs", [each.hex() for each in in_policy])
    bound = replace(data("nitro"), enclave_config_sha256=found)
    return appraised(claims("nitro"), rules, data=bound, enclave_configs=known)


OTHER = of("other config", 32)


@pytest.mark.parametrize(
    ("known", "in_policy", "is_good"),
    [
        ({CONFIG}, None, True),
        (None, {CONFIG}, True),
        ({CONFIG, OTHER}, {CONFIG}, True),
        (None, {OTHER, CONFIG}, True),
        (None, None, False),
        (set(), None, False),
        (None, (), False),
        ({OTHER}, None, False),
        (None, {OTHER}, False),
        ({CONFIG}, {OTHER}, False),
        ({OTHER}, {CONFIG}, False),
    ],
)
def test_somebody_must_say_which_configuration_is_good_and_whoever_does_is_heeded(known, in_policy, is_good):
    report = configured(frozenset(known) if known is not None else None, in_policy)
    assert report.code == (None if is_good else codes.CONFIG)
    assert report.vector["configuration"] == (2 if is_good else 96)


def two(path, value):
    """A policy with a second release that differs in one field."""
    first = {"name": "first", **RELEASES["nitro"]}
    second = changed({**first, "name": "second"}, path, value)
    return changed(values(), "accept/nitro", [first, second])


def test_a_release_that_names_configurations_does_not_speak_for_another():
    rules = two("pcr0", hexed("new"))
    rules = changed(rules, "accept/nitro/1/enclave_configs", [CONFIG.hex()])
    assert appraised(claims("nitro", pcr0=of("new")), rules, enclave_configs=None).status == "affirming"
    assert appraised(claims("nitro"), rules, enclave_configs=None).code == codes.CONFIG


def test_a_fact_cannot_stand_in_for_the_configuration_of_the_runtime_data():
    rules = changed(values(), "accept/nitro/0/enclave_configs", [OTHER.hex()])
    report = appraised(claims("nitro", enclave_config_sha256=OTHER), rules, enclave_configs=None)
    assert report.code == codes.CONFIG
    report = appraised(claims("nitro", enclave_config_sha256=CONFIG), data=None)
    assert [each.outcome for each in report.checks if each.id == "enclave configuration"] == [NOT_CHECKED]
