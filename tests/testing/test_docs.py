"""The page on testing tells the truth: its tests pass, its tables are those of the code, its answers are read."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.testing import GuestOutcome, Limits
from strongroom.testing.mocks import Mocks, MocksOfOneRun

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "testing.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tests_of_the_page_pass(monkeypatch):
    monkeypatch.chdir(ROOT)
    module = {}
    exec("\n\n".join(blocks("python")), module)  # noqa: S102 - the page is ours
    tests = [function for name, function in module.items() if name.startswith("test_")]
    assert len(tests) >= 4
    for test in tests:
        test()


def test_the_table_of_limits_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| .+ \|$", PAGE, re.MULTILINE)
    assert rows == [(field.name, str(getattr(Limits(), field.name))) for field in fields(Limits)]


def test_the_table_of_the_outcome_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE.split("### What comes back")[1].split("###")[0], re.MULTILINE)
    assert rows == [field.name for field in fields(GuestOutcome)]


def test_the_file_of_answers_is_read_as_the_page_says(tmp_path):
    [text] = blocks("yaml")
    path = tmp_path / "mocks.yaml"
    path.write_text(text)
    mocks = MocksOfOneRun(Mocks.of_file(path), call_timeout_ms=1_000)
    calls = [
        sdk_pb2.CapabilityRequest(id="http-actions@1.0.0-alpha", method="SendRequest", callback_id=n) for n in (1, 2)
    ]
    calls.append(sdk_pb2.CapabilityRequest(id="consensus@1.0.0-alpha", method="Simple", callback_id=-1))
    for call in calls:
        mocks.begin(call)
    first, second, third = map(mocks.answer, calls)
    assert b'{"price": "3120.50"}' in first.payload.value
    assert second.error == "Public:System:Unavailable:down"
    assert third.payload.type_url.endswith("values.v1.Value")


@pytest.mark.parametrize("name", ["run_guest", "Limits", "GuestOutcome", "InvalidModule", "CapabilityError"])
def test_the_page_names_what_is_public(name):
    assert f"`{name}`" in PAGE
