"""Counters have few labels, whatever a plugin says."""

from strongroom.telemetry.tally import CODES_MAX, OTHER, Tally


def test_refusals_count_by_their_public_code():
    tally = Tally()
    for code in ("SR-ATTEST-021", "SR-ATTEST-021", "SR-ATTEST-026"):
        tally.count_refusal(code)
    tally.count_insecure_release()
    assert tally.refusals == {"SR-ATTEST-021": 2, "SR-ATTEST-026": 1}
    assert tally.insecure_releases == 1


def test_what_is_no_public_code_and_more_codes_than_there_are_share_one_label():
    tally = Tally()
    for number in range(CODES_MAX + 10):
        tally.count_refusal(f"SR-ATTEST-{number:03d}")
    tally.count_refusal("anything\n else")
    assert tally.refusals[OTHER] == 11
    assert len(tally.refusals) == CODES_MAX + 1
