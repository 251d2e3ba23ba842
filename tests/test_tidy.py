"""The house rules that a machine can check: tiers, doors, sizes, names."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "daemon" / "strongroom"
PLUGINS = ROOT / "plugins"
MODULE_LINES_MAX = 300

TIERS = {
    "errors": 0,
    "pb": 0,
    "private_files": 0,
    "settings": 1,
    "crypto": 1,
    "storage": 1,
    "telemetry": 1,
    "keyring": 2,
    "interop": 2,
    "plugin": 2,
    "attest": 2,
    "audit": 2,
    "backup": 3,
    "modules": 3,
    "workspace": 3,
    "registry": 3,
    "tpm": 3,
    "guest": 3,
    "engine": 4,
    "services": 5,
    "console": 5,
    "testing": 5,
    "app": 6,
    "cli": 7,
}

# Library -> the places (path prefixes below the package) that may import it.
DOORS = {
    "typer": ("cli/",),
    "rich": ("cli/",),
    "click": ("cli/",),
    "grpc_health": ("services/", "plugin/serve", "registry/"),
    "grpc_reflection": ("services/",),
    "grpc_status": ("services/", "cli/"),
    "pluggy": ("registry/", "plugin/"),
    "wasmtime": ("guest/runner/",),
    "pycrdt": ("workspace/",),
    "cbor2": ("attest/",),
    "dcap_qvl": ("attest/dcap_library",),
    "pydantic_settings": ("settings/",),
    "pydantic": ("settings/", "workspace/"),
    "yaml": ("settings/",),
    "nacl": ("crypto/",),
    "cryptography": ("crypto/",),
    "sqlalchemy": ("storage/", "migrations/"),
    "alembic": ("storage/", "migrations/"),
    "prometheus_client": ("telemetry/",),
    "opentelemetry": ("telemetry/",),
    "grpc": ("services/", "cli/", "plugin/serve", "registry/"),
    "brotli": ("guest/",),
    "ulid": ("engine/", "cli/"),
    "oras": ("cli/oci_session",),
    "psycopg": (),
    "pyrage": ("crypto/",),
    "zstandard": ("crypto/compression",),
    "requests": ("cli/oci_session", "cli/oci_deadline"),
    "urllib3": ("workspace/session/", "cli/oci_session", "cli/oci_deadline"),
    "websockets": ("workspace/sync/",),
}

FIRST_PARTY_EXTRA = {
    "confidential-workflows": {"guest", "crypto", "attest", "modules", "tpm"},
    "vault": {"crypto", "attest", "audit"},
}


def sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.py")):
        if "pb" not in path.relative_to(root).parts[:1] and "migrations" not in path.parts:
            yield path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            yield module
            if module == "strongroom":
                yield from (f"strongroom.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "strongroom" and len(parts) > 1 else None


@pytest.mark.parametrize("path", list(sources(PACKAGE)), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_downwards_and_through_the_right_doors(path):
    here = path.relative_to(PACKAGE)
    package = here.parts[0].removesuffix(".py")
    for name in imports(path):
        library = name.split(".")[0]
        if library in DOORS:
            allowed = any(str(here).startswith(door) for door in DOORS[library])
            assert allowed, f"{here} imports {library}, whose door is {DOORS[library]}"
        target = own(name)
        if target is None or package in {"__init__", "__main__"}:
            continue
        assert target in TIERS, f"{here} imports strongroom.{target}, which is in no tier"
        if target != package:
            assert TIERS[target] < TIERS[package], (
                f"{here} (tier {TIERS[package]}) imports {target} (tier {TIERS[target]})"
            )


def test_raw_key_bytes_leave_a_key_only_inside_crypto_and_in_key_material_for_one_run():
    """``Key._raw`` is read in crypto alone; ``key_material``, which gives it out, is called where it is promised."""
    givers = {"crypto/encr.py", "crypto/key_material.py", "keyring/run_keys.py"}
    for path in sources(PACKAGE):
        here = path.relative_to(PACKAGE)
        tree = ast.parse(path.read_text())
        if here.parts[0] != "crypto":
            assert not [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "_raw"], here
        names = {alias.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names}
        assert "key_material" not in names or str(here) in givers, f"{here} gives out a key"


def test_the_command_line_reaches_the_application_only_where_it_starts_one():
    for path in sources(PACKAGE / "cli"):
        if any(own(name) == "app" for name in imports(path)):
            assert path.stem in {"dev", "demo", "serve"}, f"{path} imports strongroom.app"


def test_every_package_is_in_a_tier():
    packages = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert packages <= TIERS.keys()


@pytest.mark.parametrize("plugin", sorted(p.name for p in PLUGINS.iterdir() if p.is_dir()))
def test_a_plugin_imports_the_authors_door_only(plugin):
    for path in sources(PLUGINS / plugin / "src"):
        for name in imports(path):
            target = own(name)
            if target is not None:
                assert target in {"plugin"} | FIRST_PARTY_EXTRA.get(plugin, set()), (
                    f"{path} imports strongroom.{target}"
                )


# A plugin talks through the authors' door. The vault alone also speaks gRPC itself: it is a service, or calls one.
GRPC_IN_PLUGINS = {"vault": ("strongroom_vault/service/", "strongroom_vault/remote.py")}


@pytest.mark.parametrize("plugin", sorted(p.name for p in PLUGINS.iterdir() if p.is_dir()))
def test_a_plugin_leaves_grpc_to_the_authors_door(plugin):
    source = PLUGINS / plugin / "src"
    for path in sources(source):
        here = str(path.relative_to(source))
        if not here.startswith(GRPC_IN_PLUGINS.get(plugin, ("nowhere",))):
            assert not [name for name in imports(path) if name.split(".")[0] == "grpc"], f"{path} imports grpc"


def test_no_module_is_longer_than_a_sitting():
    roots = [PACKAGE, PLUGINS, ROOT / "tests", ROOT / "bench", ROOT / "tools"]
    long = [
        f"{path.relative_to(ROOT)}: {count}"
        for root in roots
        for path in sources(root)
        if (count := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    ]
    assert not long, long


def test_an_init_file_is_a_docstring():
    exceptions = {"plugin", "testing"}
    for path in PACKAGE.rglob("__init__.py"):
        here = path.relative_to(PACKAGE)
        if here.parts[0] in exceptions | {"pb"}:
            continue
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, f"{here} holds more than a docstring"
        assert isinstance(body[0], ast.Expr), here


def test_no_module_is_named_after_nothing():
    closets = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
    assert not [str(p) for p in sources(PACKAGE) if p.stem in closets]


def test_every_module_starts_with_a_docstring():
    roots = [PACKAGE, *(p / "src" for p in PLUGINS.iterdir() if p.is_dir()), ROOT / "tests", ROOT / "bench"]
    bare = [str(p) for root in roots for p in sources(root) if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not bare, bare


def test_tracked_files_name_no_registry_and_no_path_of_a_machine():
    # Spelled in pieces so that this file does not match itself.
    words = [
        "py" + "pi.org",
        "python" + "hosted.org",
        "registry.npm" + "js.org",
        "deb." + "debian.org",
        "/wo" + "rk/main",
    ]
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")  # noqa: S607 - git is on the path of every developer
    for name in filter(None, files):
        path = ROOT / name.decode()
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            assert not [w for w in words if w.encode() in text], path


def test_tests_mirror_the_package():
    packages = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()} - {"pb"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and p.name != "__pycache__"}
    others = {"scenarios", "fakes", "vectors", "node", "guests", "faults", "packaging", "bench", "service"}
    assert folders - others <= packages
