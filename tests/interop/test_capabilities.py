"""What a target can read follows from the version that its run has recorded, and from nothing else."""

import pytest

from strongroom.crypto.compression import Codec
from strongroom.interop.capabilities import EVERY_ABILITY, FIRST_VERSIONS, Ability, abilities_of, codec_for

NEWEST = "5.0.0-beta.44"
PLAIN = frozenset({Ability.DEVL})
STABLE = PLAIN | {Ability.ENCR}
UNKNOWN = [
    *(
        None,
        7,
        4.2,
        b"5.0.0",
        ["5.0.0"],
        {},
        "",
        " ",
        "5",
        "5.0",
        "5.0.0.0",
        "latest",
        "vv5.0.0",
        "v",
        "5.0.0-",
        "5.0.0+",
    ),
    *(
        " 5.0.0",
        "5.0.0 ",
        "5.0.0\n",
        "05.0.0",
        "5.0.0-beta.01",
        "5.0.0-beta..1",
        "5.0.0-béta",
        "٥.0.0",
        "-5.0.0",
        "V5.0.0",
    ),
    *("5.0.0-" + "a" * 300, "9" * 5000 + ".0.0", "5.0.0/../6.0.0", "^5.0.0", ">=5.0.0", "5.x", "unknown"),
]


@pytest.mark.parametrize("version", UNKNOWN, ids=lambda version: repr(version)[:30])
def test_an_unknown_or_malformed_version_reads_devl_alone(version):
    assert abilities_of(version) == PLAIN


@pytest.mark.parametrize("ability", list(FIRST_VERSIONS), ids=str)
def test_an_ability_begins_at_its_version(ability):
    first = FIRST_VERSIONS[ability]
    front, number = first.rsplit(".", 1)
    core = first.split("-")[0]
    for version in (first, f"v{first}", f"{front}.{int(number) + 1}", f"{front}.{int(number)}.0", core, f"{core}-rc.1"):
        assert ability in abilities_of(version), version
    for version in (f"{front}.{int(number) - 1}", f"{front}", f"{core}-alpha.99", f"{core}-0"):
        assert ability not in abilities_of(version), version


@pytest.mark.parametrize(
    ("version", "abilities"),
    [
        ("4.1.9", PLAIN),
        ("4.2.0-beta.63", PLAIN),
        ("4.2.0-beta.64", STABLE),
        ("4.2.0", STABLE),
        ("4.8.9", STABLE),
        ("v4.8.9+build.7", STABLE),
        ("5.0.0-beta.9", STABLE),
        ("5.0.0-beta.17", STABLE | {Ability.FRAMED_BYTES}),
        ("5.0.0-beta.18", EVERY_ABILITY - {Ability.ENCP}),
        ("5.0.0-beta.36", EVERY_ABILITY - {Ability.ENCP}),
        (NEWEST, EVERY_ABILITY),
        ("5.0.0", EVERY_ABILITY),
        ("10.0.0", EVERY_ABILITY),
    ],
)
def test_each_version_has_what_came_before_it(version, abilities):
    assert abilities_of(version) == abilities


@pytest.mark.parametrize(
    ("spec_version", "core_version", "environ", "codec"),
    [
        (5, NEWEST, {}, Codec.ZSTD),
        (7, NEWEST, {"WORKFLOW_COMPRESSION_CODEC": "zstd"}, Codec.ZSTD),
        (7, NEWEST, {"WORKFLOW_COMPRESSION_CODEC": "gzip"}, Codec.GZIP),
        (7, NEWEST, {"WORKFLOW_COMPRESSION_CODEC": "lzma"}, Codec.ZSTD),
        (7, NEWEST, {"WORKFLOW_DISABLE_COMPRESSION": "1"}, None),
        (7, NEWEST, {"WORKFLOW_DISABLE_COMPRESSION": "0"}, Codec.ZSTD),
        (4, NEWEST, {}, None),
        (7, "4.8.9", {}, None),
        (7, None, {"WORKFLOW_COMPRESSION_CODEC": "gzip"}, None),
    ],
)
def test_a_codec_is_chosen_where_run_target_and_operator_allow_it(spec_version, core_version, environ, codec):
    abilities = abilities_of(core_version)
    assert codec_for(spec_version=spec_version, abilities=abilities, environ=environ) is codec
