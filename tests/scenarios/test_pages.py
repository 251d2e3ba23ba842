"""Every command of the documentation is run as a reader runs it, page by page, against a host for development."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from tests.fakes.forked_commands import commands
from tests.fakes.live_daemon import LiveDaemon
from tests.fakes.page_commands import REASONS, ROOT, blocks_of, script_of
from tests.scenarios.conftest import short_directory

TIMEOUT_S = 100
REFERENCE = "docs/cli.md"  # its examples are run noun by noun, in tests/cli
FIND = """import json, sys; print(json.load(sys.stdin)["runs"][0]["run_id"])"""
CONFIDENTIAL = f"""
printf s3cret | strongroom secret set API_KEY
strongroom workflow register examples/hello/hello.wasm --name sealed \\
    --attributes '{{"confidential": true, "vault_don_secrets": [{{"key": "API_KEY"}}]}}' >/dev/null
strongroom run execute sealed --payload '{{"who": "x"}}' >/dev/null
RUN=$(strongroom run list --json | python3 -c '{FIND}')
"""
WAITS = """
approval() {
    command strongroom hook dispose order-4711 >/dev/null 2>&1 || true
    strongroom workflow register examples/approval/approval.wasm --name approval >/dev/null
    RUN=$(command strongroom run start approval --payload '{"order": "4711"}')
}
strongroom() {
    # Whoever types is slower than a run is at its hook.
    if [ "$1" = hook ]; then for _ in $(seq 50); do
        command strongroom hook get order-4711 >/dev/null 2>&1 && break; sleep 0.1
    done; fi
    command strongroom "$@"
}
"""
KEYGEN = "import pyrage; k = pyrage.x25519.Identity.generate(); print(k, k.to_public(), sep='\\n# ')"
AGE = f"""
age-keygen() {{
    python3 -c "{KEYGEN}" > "$2"
    chmod 600 "$2"
    sed -n 's/^# //p' "$2" > people.txt
}}
"""
TYPED = """
strongroom() {
    case "$*" in
    *change-password*) printf 'correct horse\\nbattery staple\\n' | command strongroom "$@" ;;
    *--password* | *unlock*) printf 'correct horse\\n' | command strongroom "$@" ;;
    *) command strongroom "$@" ;;
    esac
}
"""
STREAM = "strongroom run stream-write $RUN out 'some text' >/dev/null"
BEFORE = {
    "docs/attestation.md": {
        0: CONFIDENTIAL + 'cp "$STRONGROOM_STATE_DIR/keys/vault.pub" vault.pub',
        2: "for name in policy next; do cp examples/policies/production.toml $name.toml; done",
        3: "mkdir samples; cp run.receipt samples",
    },
    "docs/backup.md": {0: "mkdir -p backups"},
    "docs/guides/operator.md": {0: 'cp plugins.yaml "$HOME/etc/strongroom/plugins.yaml"'},
    "docs/guides/security-reviewer.md": {0: CONFIDENTIAL},
    "docs/hooks.md": {0: WAITS, 1: "approval"},
    "docs/keys.md": {1: AGE},
    "docs/run-data.md": {0: f"{WAITS}approval\n{STREAM}", 1: "strongroom hook dispose order-4711"},
    "docs/streams.md": {
        0: f"{WAITS}approval\n{STREAM}",
        1: "echo '<p>' > page.html",
    },
    "docs/vault.md": {
        2: 'cp "$STRONGROOM_STATE_DIR/keys/vault.pub" vault.pub; VALUE=s3cret',
    },
    "docs/workspaces.md": {
        1: "strongroom hook dispose order-4711 >/dev/null 2>&1 || true",
        4: f"mkdir project; {TYPED}",
        7: "strongroom workspace unmount diary",
        5: "umask 77; head -c 32 /dev/urandom | base64 > deployment.secret; echo x > password",
    },
}
"""What a reader of a page has done before a block, by its number among those that are run."""
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob("docs/**/*.md")
    if str(path.relative_to(ROOT)) != REFERENCE and any(block.is_run for block in blocks_of(path))
)


@pytest.fixture(scope="module")
def reader():
    """A fresh clone as far as pages see one, an empty home, and a host that was just started."""
    # Not below pytest's own folder: the path of a Unix socket must be short.
    home = short_directory()
    clone = home / "clone"
    (clone / "tests" / "guests").mkdir(parents=True)
    (clone / ".venv").symlink_to(sys.prefix)
    for name in ("examples", "plugins", "plugins.yaml"):
        (clone / name).symlink_to(ROOT / name)
    (clone / "tests" / "guests" / "c").symlink_to(ROOT / "tests" / "guests" / "c")
    (home / "etc" / "strongroom").mkdir(parents=True)
    state = home / "state"
    state.mkdir(mode=0o700)
    # A port that was free a moment ago: whoever takes it in between fails this, and it is tried again.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        observe = f"127.0.0.1:{taken.getsockname()[1]}"
    daemon = LiveDaemon(state, ("--set", f"observe.listen={observe}")).start()
    cache = str(ROOT / ".cache" / "zig")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRONGROOM_", "XDG_"))}
    own = {
        "HOME": str(home),
        "OBSERVE": observe,
        "STRONGROOM_STATE_DIR": str(state),
        "ZIG_GLOBAL_CACHE_DIR": cache,
        "ZIG_LOCAL_CACHE_DIR": cache,
    }
    with commands(home) as folder:
        own["PATH"] = f"{folder}:{clone / '.venv' / 'bin'}:{os.environ['PATH']}"
        yield clone, {**kept, **own}
    daemon.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(reader, page):
    clone, environment = reader
    blocks = [block for block in blocks_of(ROOT / page) if block.is_run]
    done = subprocess.run(
        ["bash", "-c", script_of(blocks, BEFORE.get(page, {}))],  # noqa: S607 - the shell that a reader has
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_what_is_not_run_has_a_reason_that_no_test_can_help():
    for path in ROOT.glob("docs/**/*.md"):
        for block in blocks_of(path):
            if block.mark.startswith("not run"):
                reason = block.mark.removeprefix("not run: ")
                assert reason in REASONS, f"{path.relative_to(ROOT)}, line {block.line}: {reason}"
