"""Workflows from registries and into them: what is asked, what is checked, what a lying registry achieves."""

import json
import socket
import subprocess
import sys

import pytest

from tests.fakes.oci_registry import LAYER, MANIFEST, OciRegistry, digest_of, pull_from, refusal_of, says
from tests.fakes.terminal import strongroom

WASM = b"\0asm\1\0\0\0"


@pytest.fixture
def registry():
    with OciRegistry() as served:
        yield served


def test_what_was_pushed_is_pulled_byte_for_byte_and_the_digest_is_the_same_every_time(registry, wasm, tmp_path):
    pushed = strongroom("workflow", "push", str(wasm), registry.place(), "--json")
    assert pushed.code == 0, pushed.err
    digest = pushed.document["digest"]
    assert digest == digest_of(registry.manifests["1.0"])
    assert pushed.document["source"] == registry.place(f"@{digest}")
    pulled = pull_from(registry)
    assert (pulled.code, (tmp_path / "got.wasm").read_bytes()) == (0, WASM)
    assert pulled.document["source"] == registry.place(f"@{digest}")
    assert strongroom("workflow", "push", str(wasm), registry.place("2.0"), "--json").document["digest"] == digest


def test_what_is_pushed_has_the_media_types_that_others_expect(registry, wasm):
    strongroom("workflow", "push", str(wasm), registry.place())
    manifest = json.loads(registry.manifests["1.0"])
    assert (manifest["mediaType"], manifest["schemaVersion"]) == (MANIFEST, 2)
    assert manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    assert manifest["layers"] == [{"mediaType": "application/wasm", "digest": digest_of(WASM), "size": 8}]
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert config == {"architecture": "wasm", "os": "wasip1", "layerDigests": [digest_of(WASM)]}
    assert [seen.path for seen in registry.seen if seen.method == "PUT"][-1] == "/v2/team/hello/manifests/1.0"


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_workflow_is_registered_from_a_registry_and_the_answer_names_the_digest(host, registry, by):
    digest = registry.put(WASM)
    place = registry.place() if by == "tag" else registry.place(f"@{digest}")
    ended = strongroom("workflow", "register", place, "--json")
    assert ended.code == 0, ended.err
    assert ended.document["source"] == registry.place(f"@{digest}")
    assert (host.asked[0].binary, host.asked[0].name) == (WASM, "hello")
    assert ("today" in ended.err) == (by == "tag")


def test_people_see_the_digest_too_and_validate_takes_it_as_well(host, registry):
    digest = registry.put(WASM)
    for word in ("register", "validate"):
        assert f"source: {registry.place('@' + digest)}" in strongroom("workflow", word, registry.place()).out


def test_artifacts_of_older_tools_are_taken(registry, tmp_path):
    registry.put(WASM, layer="application/vnd.wasm.content.layer.v1+wasm", config="application/vnd.wasm.config.v1+json")
    assert (pull_from(registry).code, (tmp_path / "got.wasm").read_bytes()) == (0, WASM)


BLOB = {"mediaType": LAYER, "digest": digest_of(WASM), "size": 8}


@pytest.mark.parametrize(
    ("changes", "code", "why"),
    [
        ({"layer": "application/vnd.oci.image.layer.v1.tar+gzip"}, "SR-OCI-005", "layer.v1.tar+gzip"),
        ({"config": "application/vnd.oci.image.config.v1+json"}, "SR-OCI-005", "image.config.v1+json"),
        ({"config": "application/vnd.wasm.config.v1+json"}, "SR-OCI-005", "wasm.config.v1+json"),
        ({"mediaType": "application/vnd.oci.image.index.v1+json"}, "SR-OCI-005", "image.index.v1+json"),
        ({"schemaVersion": 1}, "SR-OCI-005", MANIFEST),
        ({"layers": [BLOB, BLOB]}, "SR-OCI-007", "it has 2 layers"),
        ({"layers": []}, "SR-OCI-007", "it has 0 layers"),
        ({"layers": {}}, "SR-OCI-007", "it has no layers"),
        ({"layers": [7]}, "SR-OCI-006", "no descriptor"),
        ({"layers": [{**BLOB, "size": -1}]}, "SR-OCI-006", "no size"),
        ({"layers": [{**BLOB, "size": True}]}, "SR-OCI-006", "no size"),
        ({"layers": [{**BLOB, "digest": "md5:00"}]}, "SR-OCI-006", "no digest of the kind sha256"),
        ({"layers": [{**BLOB, "digest": "sha256:../../x"}]}, "SR-OCI-006", "no digest of the kind sha256"),
        ({"layers": [{**BLOB, "size": 100_000_001}]}, "SR-OCI-008", "the limit is 100000000 (limits.binary_bytes_max)"),
        ({"config_document": {"architecture": "amd64"}}, "SR-OCI-006", "not wasm"),
        ({"config_document": {"architecture": "wasm", "layerDigests": ["x"]}}, "SR-OCI-006", "another layer"),
        ({"config_document": []}, "SR-OCI-006", "no JSON object"),
    ],
)
def test_what_is_no_workflow_is_refused_by_name(registry, tmp_path, changes, code, why):
    registry.put(WASM, **changes)
    found, said = refusal_of(pull_from(registry), tmp_path)
    assert (found, why in said) == (code, True), said
    assert not [seen for seen in registry.seen if seen.path.endswith(digest_of(WASM))], "it was not downloaded"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_none_is_refused(registry, tmp_path, data):
    registry.put_manifest(data)
    assert refusal_of(pull_from(registry), tmp_path)[0] == "SR-OCI-006"


@pytest.mark.parametrize("what", ["manifest by digest", "manifest by tag", "layer", "config"])
def test_bytes_that_are_not_what_their_digest_says_are_refused(registry, tmp_path, what):
    digest = registry.put(WASM)
    place = registry.place()
    if what == "manifest by digest":
        registry.manifests[digest] += b" "
        place = registry.place(f"@{digest}")
    elif what == "manifest by tag":
        lie = says(200, b"{}", f"Content-Type: {MANIFEST}", f"Docker-Content-Digest: {digest}")
        registry.answers["GET", "/manifests/1.0"] = lie
    else:
        manifest = json.loads(registry.manifests["1.0"])
        named = (manifest["layers"][0] if what == "layer" else manifest["config"])["digest"]
        registry.blobs[named] = registry.blobs[named][:-1] + b"\2"
    code, why = refusal_of(pull_from(registry, place), tmp_path)
    assert (code, "expected sha256:" in why, "found sha256:" in why) == ("SR-OCI-015", True, True)


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("/uploads/", 405, "SR-OCI-014"),
        ("/uploads/", 202, "SR-OCI-014"),
        ("/uploads/1", 415, "SR-OCI-014"),
        ("/manifests/1.0", 400, "SR-OCI-014"),
        ("/manifests/1.0", 403, "SR-OCI-004"),
        ("/manifests/1.0", 500, "SR-OCI-014"),
    ],
)
def test_a_registry_that_does_not_take_it_is_believed_the_first_time(registry, wasm, end, status, code):
    registry.answers["POST" if end == "/uploads/" else "PUT", end] = says(status)
    ended = strongroom("workflow", "push", str(wasm), registry.place(), "--json")
    assert ended.error["code"] == code
    assert len(registry.seen) < 12


def test_a_registry_that_is_not_there_and_an_artifact_that_is_not_there(registry, tmp_path):
    assert (pull_from(registry).code, refusal_of(pull_from(registry), tmp_path)[0]) == (65, "SR-OCI-004")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    ended = pull_from(None, f"oci://127.0.0.1:{port}/hello")
    assert (ended.code, refusal_of(ended, tmp_path)[0]) == (69, "SR-OCI-003")


@pytest.mark.parametrize(
    "place",
    [
        "oci://",
        "oci://hello",
        "oci://registry/hello",
        "oci://registry.example",
        "oci://registry.example/",
        "oci://registry.example/Hello",
        "oci://registry.example/a//b",
        "oci://registry.example/../a",
        "oci://ada:secret@registry.example/a",
        "oci://registry.example/a:",
        "oci://registry.example/a:b:c",
        "oci://registry.example/a@sha256:00",
        f"oci://registry.example/a:b@sha256:{'0' * 64}",
        "oci://registry.example/a b",
        "oci://registry.example:999999/a",
        f"oci://registry.example/{'a' * 500}",
        "https://registry.example/a",
    ],
)
def test_what_names_no_artifact_is_refused_before_anybody_is_asked(place, tmp_path):
    ended = pull_from(None, place)
    assert (ended.code, refusal_of(ended, tmp_path)[0]) == (2, "SR-OCI-002")


def test_a_digest_cannot_be_pushed_to_and_a_file_needs_no_login(host, registry, wasm):
    ended = strongroom("workflow", "push", str(wasm), registry.place(f"@sha256:{'0' * 64}"), "--json")
    assert ended.error["code"] == "SR-OCI-018"
    assert strongroom("workflow", "register", str(wasm), "--login-stdin", "--json").error["code"] == "SR-OCI-016"


def test_a_file_that_is_there_is_not_written_over_and_what_is_no_module_is_not_pushed(registry, tmp_path):
    registry.put(WASM)
    (tmp_path / "got.wasm").write_text("mine")
    assert pull_from(registry).error["code"] == "SR-CLI-014"
    assert (tmp_path / "got.wasm").read_text() == "mine"
    ended = strongroom("workflow", "push", str(tmp_path / "got.wasm"), registry.place(), "--json")
    assert ended.error["code"].startswith("SR-BIN-")
    assert registry.blobs.keys() & {digest_of(b"mine")} == set()


def test_without_the_extra_the_message_names_it(tmp_path):
    program = (
        "import sys; sys.modules['oras'] = None\n"
        "from strongroom.cli.main import run\n"
        "sys.exit(run(['workflow', 'pull', 'oci://registry.example/a', 'x', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, error["code"]) == (78, "SR-OCI-001")
    assert "strongroom[oci]" in error["fix"]
