"""``strongroom workflow``: what is sent, what is shown, what is refused."""

import hashlib

import pytest

from strongroom.cli import views
from strongroom.pb.strongroom.v1 import workflow_pb2
from tests.fakes.terminal import strongroom


def test_registering_prints_what_scripts_need(host, wasm):
    attributes = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}]}'
    ended = strongroom("workflow", "register", str(wasm), "--name", "hello", "--attributes", attributes, "--json")
    assert ended.code == 0
    document = ended.document
    assert document["schema"] == "strongroom.workflow/v1"
    assert document["module"] == "confidential"
    assert document["binary_sha256"] == hashlib.sha256(wasm.read_bytes()).hexdigest()
    assert document["config_sha256"] == hashlib.sha256(b"").hexdigest()
    assert document["encoding"] == "raw"
    assert document["created"] is True
    assert document["subscriptions"][0]["capability_id"] == "http-trigger@1.0.0-alpha"
    assert document["warnings"] == ["secret main/API_KEY is missing"]
    assert host.asked[0].attributes.decode() == attributes
    assert len(document["workflow_id"]) == 64


def test_warnings_go_to_stderr_and_can_be_silenced(host, wasm):
    loud = strongroom("workflow", "register", str(wasm), "--json")
    quiet = strongroom("workflow", "register", str(wasm), "--json", "--quiet")
    assert "warning: secret main/API_KEY is missing" in loud.err
    assert quiet.err == ""


def test_a_workflow_without_a_name_is_called_after_its_file(host, wasm):
    assert strongroom("workflow", "register", str(wasm)).code == 0
    assert host.asked[0].name == "hello"


def test_malformed_attributes_reach_the_host_as_they_are_and_its_refusal_ends_with_65(host, wasm):
    ended = strongroom("workflow", "register", str(wasm), "--attributes", '{"confidential": tru', "--json")
    assert ended.code == 65
    assert ended.out == ""
    assert ended.error["code"] == "SR-ATTR-001"
    assert ended.error["details"] == {"field": "attributes"}
    assert ended.error["fix"] == "close the document"
    assert host.asked[0].attributes == b'{"confidential": tru'
    assert not host.workflows


def test_the_same_refusal_for_people_says_what_why_and_what_to_do(host, wasm):
    ended = strongroom("workflow", "register", str(wasm), "--attributes", '{"confidential": tru')
    assert ended.err.splitlines() == [
        "error: attributes are not JSON (SR-ATTR-001)",
        "  why: line 1 column 21 ends too early",
        "  do:  close the document",
    ]


def test_validation_stores_nothing(host, wasm):
    ended = strongroom("workflow", "validate", str(wasm), "--json")
    assert ended.code == 0
    assert ended.document["created"] is False
    assert host.asked[0].validate_only
    assert not host.workflows


@pytest.mark.parametrize("given", ["inline", "file", "stdin"])
def test_config_comes_inline_from_a_file_or_from_stdin(host, wasm, tmp_path, given):
    (tmp_path / "config").write_bytes(b"a: 1\n")
    option = {"inline": "a: 1\n", "file": f"@{tmp_path / 'config'}", "stdin": "-"}[given]
    assert strongroom("workflow", "register", str(wasm), "--config", option, stdin=b"a: 1\n").code == 0
    assert host.asked[0].config == b"a: 1\n"


def test_stdin_is_read_once(host, wasm):
    ended = strongroom("workflow", "register", str(wasm), "--config", "-", "--attributes", "-", stdin=b"{}")
    assert ended.code == 2
    assert "SR-CLI-004" in ended.err


@pytest.mark.parametrize("name", ["missing.wasm", "."], ids=["missing", "a-directory"])
def test_a_binary_that_cannot_be_read_is_bad_data(host, name):
    ended = strongroom("workflow", "register", name)
    assert (ended.code, ended.out) == (65, "")
    assert "SR-CLI-007" in ended.err
    assert not host.asked


def test_every_page_of_a_list_is_fetched_up_to_the_limit(host, wasm):
    for number in range(3):
        strongroom("workflow", "register", str(wasm), "--name", f"w{number}")
    everything = strongroom("workflow", "list", "--json")
    two = strongroom("workflow", "list", "--json", "--limit", "2")
    assert [w["name"] for w in everything.document["workflows"]] == ["w0", "w1", "w2"]
    assert everything.document["more"] is False
    assert len(two.document["workflows"]) == 2
    assert two.document["more"] is True


def test_pause_and_activate_change_the_status(host, wasm):
    strongroom("workflow", "register", str(wasm))
    assert strongroom("workflow", "pause", "hello", "--json").document["status"] == "paused"
    assert strongroom("workflow", "activate", "hello", "--json").document["status"] == "active"


def test_deleting_needs_agreement_and_can_be_rehearsed(host, wasm):
    strongroom("workflow", "register", str(wasm))
    refused = strongroom("workflow", "delete", "hello")
    rehearsed = strongroom("workflow", "delete", "hello", "--dry-run", "--json")
    assert refused.code == 2
    assert "SR-CLI-002" in refused.err
    assert rehearsed.document["dry_run"] is True
    assert host.workflows
    assert strongroom("workflow", "delete", "hello", "--yes").code == 0
    assert not host.workflows


@pytest.mark.parametrize(
    ("answer", "gone"), [(b"y\n", True), (b"\n", False), (b"", False)], ids=["yes", "enter", "end"]
)
def test_a_terminal_is_asked(host, wasm, answer, gone):
    strongroom("workflow", "register", str(wasm))
    ended = strongroom("workflow", "delete", "hello", stdin=answer, terminal=True)
    assert (ended.code == 0) == gone
    assert (not host.workflows) == gone


def test_a_terminal_is_not_asked_when_input_is_forbidden(host, wasm):
    strongroom("workflow", "register", str(wasm))
    assert strongroom("workflow", "delete", "hello", "--no-input", stdin=b"y\n", terminal=True).code == 2
    assert strongroom("workflow", "delete", "hello", "--non-interactive", stdin=b"y\n", terminal=True).code == 2
    assert host.workflows


def test_the_host_is_given_longer_than_it_may_drain_and_is_told_how_long_that_is(host, wasm):
    strongroom("workflow", "register", str(wasm))
    assert strongroom("workflow", "delete", "hello", "--drain", "--yes", "--timeout", "4").code == 0
    assert host.asked[-1].drain_ms == 4_000
    assert host.deadlines_s[-1] > 4


def test_a_drain_that_is_cut_says_that_the_workflow_may_be_paused(host, wasm):
    strongroom("workflow", "register", str(wasm))
    host.cuts = [0]
    ended = strongroom("workflow", "delete", "hello", "--drain", "--yes")
    assert ended.code == 69
    assert "may be paused now: strongroom workflow activate hello" in ended.err


def test_a_drain_that_is_interrupted_says_that_the_workflow_may_be_paused(host, wasm, monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("strongroom.cli.channel.Host.call", interrupted)
    ended = strongroom("workflow", "delete", "hello", "--drain", "--yes")
    assert ended.code == 130
    assert "may be paused now: strongroom workflow activate hello" in ended.err


def test_the_rehearsal_of_a_drain_says_how_many_runs_it_would_wait_for(host, wasm):
    strongroom("workflow", "register", str(wasm))
    ended = strongroom("workflow", "delete", "hello", "--drain", "--dry-run", "--json")
    assert (ended.code, ended.document["runs_unfinished"]) == (0, 2)
    assert "2 unfinished runs would be waited for" in ended.err
    assert host.workflows


@pytest.mark.parametrize("verb", ["register", "validate", "hash"])
def test_an_empty_name_is_not_no_name(host, wasm, verb):
    ended = strongroom("workflow", verb, str(wasm), "--name", "")
    assert ended.code == 2
    assert "SR-CLI-018" in ended.err
    assert not host.asked


def test_an_unknown_workflow_is_bad_data(host):
    ended = strongroom("workflow", "get", "nobody", "--json")
    assert ended.code == 65
    assert ended.error["code"] == "SR-WF-001"


def test_a_name_cannot_command_the_terminal(host, wasm):
    strongroom("workflow", "register", str(wasm), "--name", "a\x1b[31m\nb")
    shown = strongroom("workflow", "list").out
    assert "\x1b" not in shown
    assert "a\\x1b[31m\\nb" in shown
    assert len(shown.splitlines()) == 2


def test_the_id_is_computed_without_a_host(tmp_path):
    binary = b"\0asm\1\0\0\0"
    (tmp_path / "w.wasm").write_bytes(binary)
    arguments = ["--name", "my-wf", "--owner", "11" * 20, "--config", '{"a":1}', "--json"]
    ended = strongroom("workflow", "hash", "w.wasm", *arguments)
    digest = hashlib.sha256(bytes.fromhex("11" * 20) + b"my-wf" + binary + b'{"a":1}').hexdigest()
    assert ended.code == 0
    assert ended.document["workflow_id"] == "00" + digest[2:]
    assert ended.document["binary_sha256"] == hashlib.sha256(binary).hexdigest()


def test_the_id_of_something_that_is_not_a_module_is_refused(tmp_path):
    (tmp_path / "w.wasm").write_bytes(b"not wasm")
    assert strongroom("workflow", "hash", "w.wasm").code == 65


def test_the_owner_of_an_id_is_checked(wasm):
    assert strongroom("workflow", "hash", str(wasm), "--owner", "12").code == 65


def test_events_of_a_trigger_are_counted_since_the_host_started_and_it_says_so():
    counted = workflow_pb2.Subscription(
        capability_id="cron-trigger@1.0.0", state="registered", events_accepted=12, events_refused=1
    )
    shown = views.workflow_facts(workflow_pb2.Workflow(subscriptions=[counted]))
    assert "registered · 12 events, 1 REFUSED since the host started" in shown
    silent = workflow_pb2.Subscription(capability_id="cron-trigger@1.0.0", state="registered")
    assert "since the host" not in views.workflow_facts(workflow_pb2.Workflow(subscriptions=[silent]))
