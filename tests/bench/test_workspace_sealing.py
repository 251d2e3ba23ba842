"""What the benchmark of workspace values compares is the same on all sides, and its verdicts follow its figures."""

import pytest

from bench.figures import Samples
from bench.worker import Worker
from bench.workspace_sealing import BOUND, NOBLE, OURS, SODIUM, _bulk, _peers, _rows
from bench.workspace_sealing_worker import AAD, KEY, act
from strongroom.crypto.workspace_blob import open_value


def seconds(value):
    return Samples([value], 0)


def test_our_side_seals_with_the_key_and_the_associated_data_of_the_others():
    assert open_value(KEY, bytes.fromhex(act("seal 5")), AAD) == b"aaaaa"
    assert (KEY._raw, AAD) == (b"\x11" * 32, b"tab-1")
    for line in ("time 64 3", "bound 64 3"):
        assert act(line) > 0
    assert min(act("workspace 10")) > 0


def test_every_other_side_that_is_here_opens_what_we_seal(tmp_path):
    peers = _peers(tmp_path)
    if not peers:
        pytest.skip("neither @noble/ciphers (make bench-peers) nor libsodium is here")
    for _name, command in peers:
        peer = Worker(command=command)
        assert [peer.ask(f"open {act(f'seal {size}')}") for size in (0, 64, 5_000)] == [0, 64, 5_000]
        assert peer.ask("time 64 3") > 0
        peer.close()


def test_a_verdict_is_the_ratio_of_the_medians_and_small_values_have_none_beside_c():
    called = {NOBLE: "noble", SODIUM: "sodium"}
    taken = {OURS: seconds(1.0), BOUND: seconds(2.0), NOBLE: seconds(4.9), SODIUM: seconds(0.39)}
    assert [row.verdict for row in _rows("64 B", 64, taken, called)] == ["", "missed", "", ""]
    assert [row.verdict for row in _rows("10 KB", 10_240, taken, called)] == ["", "missed", "missed", ""]
    taken |= {NOBLE: seconds(5.0), SODIUM: seconds(0.4)}
    assert [row.verdict for row in _rows("10 KB", 10_240, taken, called)] == ["", "met", "met", ""]


def test_a_side_that_is_not_here_says_so():
    rows = _rows("64 B", 64, {OURS: seconds(1.0), BOUND: seconds(2.0)}, {})
    assert [row.measured for row in rows[1:3]] == [
        "not here: make bench-peers brings it",
        "not here: there is no libsodium or no compiler",
    ]


def test_the_first_of_many_rows_are_warm_up():
    rows = _bulk([(9.0, 9.0)] * 5 + [(0.01, 0.06)] * 3)
    assert [(row.measured, row.verdict) for row in rows] == [("10 ms", "met"), ("60 ms", "missed")]
