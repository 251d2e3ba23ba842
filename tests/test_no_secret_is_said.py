"""Secrets are in nothing that a host says of itself: not where a value is shown, nor where an error is made or logged.

The first half looks at every call site and every value of the program; the second sends a secret through every way
out.
"""

import ast
import base64
import dataclasses
import importlib
import io
import json
import logging
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

import strongroom
from strongroom import errors
from strongroom.services.errors import status_of
from strongroom.services.http_request import Request
from strongroom.services.probes import Check, Probes, Verdict
from strongroom.telemetry import logs
from strongroom.telemetry.metrics import Metrics, Sample
from strongroom.telemetry.redaction import Redaction, is_sensitive

ROOT = Path(__file__).resolve().parent.parent
SECRET = "sesame-c0ffee-sesame"
SAYS = {"debug", "info", "warning", "error", "exception", "log", "critical"}
MEASURED = {"len", "type", "bool", "sorted", "shown_format"}
BARE = {"seed", "plaintext", "raw_key", "passphrase", "private_key"}
PAYLOAD = {"body", "config", "content", "data", "request", "response", "payload", "values", "result"}
BYTES_OR_JSON = re.compile(r"\b(str|bytes|Any|dict|Mapping)\b|EventData|any_pb2")
SITES_MIN = 200

# Names that only sound as if they held a secret, with what they hold; by the end of the path of their module.
HARMLESS_NAMES = {
    ("modules/attributes.py", "SECRET_KEYS"): "names of the fields of an attribute",
    ("engine/execution.py", "secrets_error"): "the vault's refusal, which is an error of ours",
    ("engine/execution.py", "set_secret"): "a hint, with the name of the secret",
    ("engine/replay_helper.py", "secrets_error"): "as in the run that is replayed",
    ("engine/subscribe.py", "result"): "which kind of result it is",
    ("dialect/relay.py", "SECRETS_GET"): "the name of a method",
}
# Fields of values that are shown, though their names sound like payload or secrets, with what they hold.
HARMLESS_FIELDS = {
    "attest": "evidence, receipts and grants are public: hashes, names, signatures and sealed values",
    "cli": "what the command line shows to whoever asked for it, and never logs",
    "strongroom_vault.reads": "names of secrets",
    "services.deeds": "a function",
    "services.http_request": "a page that is public to whoever may ask for it",
    "strongroom_basic_test": "an echo, for tests",
    "storage.hooks": "a keyed digest",
    "testing": "what a simulation used: names of secrets, and configurations of tests",
    "strongroom_confidential_workflows.providers": "registers of a TPM, which are public",
}


def sources():
    for path in [*ROOT.glob("daemon/strongroom/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        if "pb" not in path.parts:
            yield path


def shown_names(node):
    """Names whose values get into a text, those left out that are only measured."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MEASURED:
        return
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
        return
    for child in ast.iter_child_nodes(node):
        yield from shown_names(child)


def sayings(tree):
    """Every place where an error is made or a line is logged."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first = node.args[0] if node.args else None
        is_error = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.startswith("SR-")
        is_line = isinstance(node.func, ast.Attribute) and node.func.attr in SAYS
        if is_error or is_line:
            yield node


@cache
def values():
    """Every dataclass of the program."""
    found = []
    packages = [strongroom, *(importlib.import_module(name) for name in plugin_packages())]
    for package in packages:
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.startswith("strongroom.pb") or info.name.endswith("__main__") or "migrations" in info.name:
                continue
            module = importlib.import_module(info.name)
            own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == info.name]
            found += [each for each in own if dataclasses.is_dataclass(each)]
    return found


def plugin_packages():
    return sorted(path.name for path in ROOT.glob("plugins/*/src/strongroom_*") if path.is_dir())


def test_no_error_and_no_line_is_made_of_a_value_whose_name_says_that_it_is_secret():
    count, found = 0, set()
    for path in sources():
        for call in sayings(ast.parse(path.read_text())):
            count += 1
            parts = [*call.args, *(each.value for each in call.keywords)]
            for name in {name for part in parts for name in shown_names(part)}:
                if is_sensitive(name) or name.strip("_") in BARE:
                    found.add((str(path), name))
    assert count > SITES_MIN
    unknown = [
        (path, name) for path, name in found if not any(path.endswith(end) and name == n for end, n in HARMLESS_NAMES)
    ]
    assert unknown == []
    unused = [key for key in HARMLESS_NAMES if not any(p.endswith(key[0]) and n == key[1] for p, n in found)]
    assert unused == [], "these are not said any more"


def test_no_value_shows_payload_or_secrets_where_it_is_written_down():
    assert len(values()) > SITES_MIN
    found, used = [], set()
    for kind in values():
        for each in dataclasses.fields(kind):
            holds = is_sensitive(each.name) or each.name in PAYLOAD
            if not (each.repr and holds and BYTES_OR_JSON.search(str(each.type))) or repr_of_its_own(kind):
                continue
            module = kind.__module__.removeprefix("strongroom.")
            known = next((key for key in HARMLESS_FIELDS if module == key or module.startswith(f"{key}.")), None)
            used.add(known)
            if known is None:
                found.append(f"{kind.__module__}.{kind.__qualname__}.{each.name}")
    assert found == [], "field(repr=False), or say above what it holds"
    assert set(HARMLESS_FIELDS) - used == set(), "these show nothing any more"


def repr_of_its_own(kind):
    """Whether somebody wrote down how it is shown."""
    return not hasattr(kind.__repr__, "__wrapped__")


def failures():
    """Every error of ours, with the secret in each of its parts."""
    for kind in [each for each in vars(errors).values() if isinstance(each, type)]:
        if not issubclass(kind, errors.StrongroomError):
            continue
        if issubclass(kind, errors.PluginAway):
            yield kind(SECRET, "failed", f"it said {SECRET}")
        elif issubclass(kind, errors.CapabilityError):
            yield kind("Public", "User", "NotFound", f"no {SECRET}")
        elif kind is errors.Tampered:
            yield kind(f"row {SECRET}", detail=SECRET)
        elif kind is errors.EvidenceRejected:
            yield kind("SR-TEST-001", SECRET, got=SECRET, wanted=SECRET, fix=SECRET)
        elif kind is errors.RuntimeDecryptionError:
            yield kind("SR-TEST-001", SECRET, why=SECRET, fix=SECRET, byte_length=1, format_prefix=SECRET)
        else:
            facts = {"field": SECRET, "limit": SECRET, "setting": SECRET}
            yield kind("SR-TEST-001", f"what {SECRET}", why=f"why {SECRET}", fix=f"fix {SECRET}", **facts)


@pytest.fixture
def redaction():
    made = Redaction()
    made.register(SECRET)
    return made


SPELLINGS = [SECRET, SECRET.upper(), SECRET.encode().hex(), base64.b64encode(SECRET.encode()).decode().rstrip("=")]


def clean(text):
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return not any(spelling in text for spelling in SPELLINGS)


def test_no_status_of_the_api_has_a_registered_secret_in_any_of_its_details(redaction):
    made = list(failures())
    assert len(made) > 20
    for error in made:
        assert not clean(str(error)) or isinstance(error, errors.PluginAway), "control: it is there to be found"
        status = status_of(error, redaction.hidden)
        assert clean(status.details), type(error)
        for _key, value in status.trailing_metadata:
            assert clean(value), type(error)


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_no_line_of_the_log_has_one_in_message_arguments_fields_or_traceback(fmt):
    stream, root = io.StringIO(), logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    try:
        logs.configure("info", fmt, stream=stream).register(SECRET)
        log = logs.get("test")
        for error in failures():
            try:
                raise error
            except errors.StrongroomError as raised:
                log.exception("failed with %s and %r", raised, raised, extra={"why": str(raised), SECRET: "x"})
                log.error(f"nested {raised}", extra={"list": [str(raised), {"inner": SECRET}], "error": raised})
        for spelling in SPELLINGS:
            log.warning("%s", spelling)
        logging.getLogger("library").warning("of a library: %s", SECRET)
    finally:
        root.handlers[:], logging.raiseExceptions = saved[0], saved[2]
        root.setLevel(saved[1])
    assert len(stream.getvalue().splitlines()) > 50
    assert clean(stream.getvalue())


def test_no_metric_no_probe_and_no_other_text_has_one(redaction):
    metrics = Metrics(redaction.text)
    metrics.add("part", lambda: [Sample("plugin_up", 1, (spelling,)) for spelling in SPELLINGS])
    assert clean(metrics.text())

    class Host:
        def is_alive(self):
            return True

        def verdict(self):
            return Verdict("degraded", [Check(SECRET, False, spelling) for spelling in SPELLINGS])

    answer = Probes(Host(), metrics.text, redaction.text).answer(Request("GET", "/readyz", "verbose"))
    assert len(json.loads(answer.body)["checks"]) == len(SPELLINGS)
    assert clean(answer.body)
    assert clean(repr(redaction) + str(redaction))
