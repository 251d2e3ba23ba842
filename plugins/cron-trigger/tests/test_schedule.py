"""What a schedule means: fields, zones, hours that the clock skips or repeats, and what is refused in which words."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from strongroom.plugin import CapabilityError
from strongroom_cron_trigger.schedule import parse_schedule


def at(text):
    return int(datetime.fromisoformat(text).timestamp())


def times(text, start, count):
    schedule = parse_schedule(text, UTC)
    found = islice(schedule.after(at(start)), count)
    return [datetime.fromtimestamp(second, schedule.zone).isoformat() for second in found]


def test_five_fields_are_minutes_and_six_have_seconds_first():
    assert times("*/20 * * * *", "2026-01-01T00:00:00Z", 2) == [
        "2026-01-01T00:20:00+00:00",
        "2026-01-01T00:40:00+00:00",
    ]
    assert times("*/20 * * * * *", "2026-01-01T00:00:00Z", 1) == ["2026-01-01T00:00:20+00:00"]
    assert times("0 9 ? * MON", "2026-01-01T00:00:00Z", 1) == ["2026-01-05T09:00:00+00:00"]


@pytest.mark.parametrize("word", ["CRON_TZ", "TZ"])
def test_a_schedule_names_its_zone(word):
    found = times(f"{word}=America/New_York 0 9 * * *", "2026-07-01T00:00:00Z", 1)
    assert found == ["2026-07-01T09:00:00-04:00"]


SPRING, AUTUMN = "2026-03-28T23:00:00+01:00", "2026-10-24T23:00:00+02:00"
CHANGES = {
    "a fixed time in the skipped hour is due when it is over": (
        "30 2 * * *",
        SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    ),
    "the same with seconds": ("15 30 2 * * *", SPRING, ["2026-03-29T03:00:15+02:00", "2026-03-30T02:30:15+02:00"]),
    "two times that fall together are one": (
        "0,30 2,3 * * *",
        SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"],
    ),
    "every hour is every hour that there is": (
        "0 * * * *",
        "2026-03-29T01:00:00+01:00",
        ["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"],
    ),
    "a fixed time in the repeated hour is due once": (
        "30 2 * * *",
        AUTUMN,
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    ),
    "the same with seconds in autumn": (
        "15 30 2 * * *",
        AUTUMN,
        ["2026-10-25T02:30:15+02:00", "2026-10-26T02:30:15+01:00"],
    ),
    "once means once from within the second pass too": (
        "50 2 * * *",
        "2026-10-25T02:40:00+01:00",
        ["2026-10-26T02:50:00+01:00"],
    ),
    "every hour is each of both": (
        "0 * * * *",
        "2026-10-25T01:00:00+02:00",
        ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"],
    ),
}


@pytest.mark.parametrize(("fields", "start", "expected"), CHANGES.values(), ids=CHANGES)
def test_when_the_clock_of_a_zone_changes(fields, start, expected):
    assert times(f"CRON_TZ=Europe/Berlin {fields}", start, len(expected)) == expected


@pytest.mark.parametrize("fields", ["30 2 * * *", "0 * * * *", "0,30 2,3 * * *", "*/7 */5 * * *", "0 15 1-3 * * *"])
def test_the_times_do_not_depend_on_where_one_begins_to_look(fields):
    schedule = parse_schedule(f"CRON_TZ=Europe/Berlin {fields}", UTC)
    for change in ("2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00"):
        start, end = at(change), at(change) + 6 * 3600
        whole = [s for s in islice(schedule.after(start), 500) if s <= end]
        for begin in range(start, end, 600):
            assert next(schedule.after(begin)) == next((s for s in whole if s > begin), next(schedule.after(end)))


REFUSED = {
    "empty": ("", "cron schedule must specify"),
    "four fields": ("* * * *", "it has 4 fields, it must have 5, or 6"),
    "seven fields": ("* * * * * * *", "it has 7 fields"),
    "no number": ("a * * * *", "minute 'a': 'A' is not one of 0 to 59"),
    "too big a number": ("61 * * * *", "minute '61': '61' is not one of 0 to 59"),
    "too big in a list of six fields": ("0 0 0,24 * * *", "hour '0,24': '24' is not one of 0 to 23"),
    "no such month": ("0 0 1 JANUARY *", "month 'JANUARY': 'JANUARY' is not one of 1 to 12 or JAN to DEC"),
    "thirtieth of February": ("0 0 30 2 *", "day of month '30': month '2' has no such day"),
    "range backwards": ("0 0 * * FRI-MON", "day of week 'FRI-MON': .* goes backwards; write FRI-SAT,SUN-MON"),
    "hours backwards": ("0 22-2 * * *", "hour '22-2': the range 22-2 goes backwards; write 22-23,0-2"),
    "range without an end": ("0 1- * * *", "hour '1-': '' is not one of 0 to 23"),
    "step that skips everything": ("*/90 * * * *", "minute '.*/90': the step '90' is not one of 1 to 60"),
    "step of nothing": ("*/0 * * * *", "the step '0' is not one of 1 to 60"),
    "step that is none": ("*/x * * * *", "the step 'X' is not one of 1 to 60"),
    "empty part": ("1,,2 * * * *", "minute '1,,2': a part of it is empty"),
    "sixth Friday": ("0 0 * * 5#6", "'6' after # is not one of 1 to 5"),
    "last of no day": ("0 0 * * 9L", "the last of a day is written 0L to 7L"),
    "huge number": ("9" * 200 + " * * * *", "is not one of 0 to 59"),
    "name that is not here": ("@daily", "it has 1 fields"),
    "no zone": ("TZ=Nope/Where 0 0 * * *", "there is no time zone 'Nope/Where'"),
    "path as zone": ("TZ=../../etc/passwd 0 0 * * *", "there is no time zone"),
    "directory as zone": ("TZ=Europe 0 0 * * *", "there is no time zone 'Europe'"),
    "empty zone": ("TZ= 0 0 * * *", "there is no time zone ''"),
    "zone twice": ("TZ=UTC CATCH_UP=all CATCH_UP=none 0 0 * * *", "each once"),
    "unknown word": ("SHELL=/bin/sh 0 0 * * *", "'SHELL' before the fields is not one of"),
    "long": ("0 " * 200, "it is longer than 256 characters"),
    "digits of another script": ("٣ * * * *", "ASCII"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_schedule_is_refused_in_the_words_that_hosts_look_for(text, reason):
    with pytest.raises(CapabilityError, match=reason) as refused:
        parse_schedule(text, UTC)
    assert (refused.value.visibility, refused.value.origin, refused.value.name) == ("Public", "User", "InvalidArgument")
    assert str(refused.value).startswith("invalid cron schedule: ")


SHAPES = (
    *("*", "*/20", "*/60", "5/10", "1-5/2", "0,30", "0-59/60", "MON-FRI,SUN", "JAN-mar", "7", "?", "99", "-1"),
    *("L", "LW", "L/2", "5L", "5L,1", "MONL", "5#2", "FRI#2", "#2", "1--2", "1-2-3", "5/", "/", "5/5/5"),
)


def refusal(fields):
    try:
        parse_schedule(" ".join(fields), UTC)
    except CapabilityError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("shape", SHAPES)
def test_no_field_is_refused_in_the_words_of_the_library(shape):
    for position in range(6):
        fields = [*"000***"[:position], shape, *"000***"[position + 1 :]]
        said = refusal(fields)
        assert "Bad" not in said
        assert not said or repr(shape) in said


@pytest.mark.parametrize(
    ("text", "fastest_s", "shown"),
    [("*/29 * * * * *", 30, "30s"), ("* * * * *", 90, "1m30s"), ("0,59 * * * *", 3600, "1h0m0s")],
)
def test_a_schedule_that_is_too_fast_is_refused(text, fastest_s, shown):
    with pytest.raises(CapabilityError, match=f"^maximum fastest cron schedule is {shown}$") as refused:
        parse_schedule(text, UTC).check_fastest(fastest_s)
    assert (refused.value.visibility, refused.value.origin, refused.value.name) == ("Public", "User", "LimitExceeded")


def test_thirty_seconds_are_not_too_fast():
    parse_schedule("*/30 * * * * *", UTC).check_fastest(30)
    parse_schedule("0 0 29 2 *", UTC).check_fastest(30)
