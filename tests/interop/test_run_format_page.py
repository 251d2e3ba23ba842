"""The page on the format of run data says what the code does: its example runs, its bytes are right."""

import re
from pathlib import Path

from strongroom.crypto import srn1_parts
from strongroom.crypto.encp import BOX_BYTES_MIN
from strongroom.crypto.encr import BODY_BYTES_MIN
from strongroom.crypto.payload_format import PAYLOAD_BYTES_MAX, Format
from strongroom.crypto.srn1_parts import PART_BYTES_MAX, PART_ENVELOPE_BYTES_MAX
from strongroom.interop import capabilities, encryptor, event_ids, key_lookup, payloads, stream_frames

PAGE = (Path(__file__).parents[2] / "docs" / "run-format.md").read_text()


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[number]


def test_the_example_runs(monkeypatch):
    monkeypatch.setenv("VERCEL_DEPLOYMENT_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    monkeypatch.setenv("VERCEL_PROJECT_ID", "prj_test123")
    exec(block("python"), {})  # noqa: S102 - what readers of the page do


def test_the_bytes_that_a_part_adds_are_these():
    (shown,) = [text for text in re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "70617274" in text]
    added = srn1_parts._associated(b"", 1, False, bytes(range(16)))
    assert bytes.fromhex(shown.replace("\n", " ")) == added


def test_sizes_and_versions_are_those_of_the_code():
    assert f"at most {PART_BYTES_MAX:,} bytes of plaintext".replace(",", " ") in PAGE
    assert f"every part but the last has {PART_ENVELOPE_BYTES_MAX:,} bytes".replace(",", " ") in PAGE
    assert f"An `encr` payload has at least {BODY_BYTES_MIN + 4} bytes" in PAGE
    assert f"payload at least {BOX_BYTES_MIN + 4}." in PAGE
    assert f"No payload is larger than {PAYLOAD_BYTES_MAX:,} bytes".replace(",", " ") in PAGE
    rows = dict(re.findall(r"^\| (`[a-z`, ]+`) \| .+ \| ([\w.-]+) \|$", PAGE, re.MULTILINE))
    first = capabilities.FIRST_VERSIONS
    for names, version in rows.items():
        for name in re.findall(r"[a-z]{4}", names):
            assert first.get(capabilities.Ability(Format(name)), "always") == version
    assert len(rows) == 4


def test_every_name_that_is_listed_is_there():
    every = (capabilities, encryptor, event_ids, key_lookup, payloads, stream_frames)
    modules = {module.__name__.rsplit(".", 1)[1]: module for module in every}
    listed = re.findall(r"^\| (`\w+\.\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    for cell in listed:
        module, _, first = re.findall(r"`([\w.]+)`", cell)[0].partition(".")
        for name in (first, *re.findall(r"`(\w+)`", cell)):
            assert name in modules[module].__all__, name
    assert len(listed) == 8
