"""Generate ``strongroom.pb`` from ``proto/``: messages, services and their type stubs.

The protocol compiler writes imports relative to the proto root; they are moved under ``strongroom.pb`` so that the
package adds no top-level names such as ``plugin`` or ``values``. Descriptor names stay as they are on the wire.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TOP = sorted(p.name for p in PROTO.iterdir() if p.is_dir())
FROM = re.compile(rf"^(\s*)from ({'|'.join(TOP)})(\.[\w.]+)? import (\w+)", re.MULTILINE)
PLAIN = re.compile(rf"^(\s*)import ({'|'.join(TOP)})(\.[\w.]+) as", re.MULTILINE)
DOTTED = re.compile(rf"^import ({'|'.join(TOP)})\.([\w.]+)$", re.MULTILINE)


def move_imports(text: str) -> str:
    """``text`` with every import of generated code moved under ``strongroom.pb``."""
    text = FROM.sub(r"\1from strongroom.pb.\2\3 import \4", text)
    text = PLAIN.sub(r"\1import strongroom.pb.\2\3 as", text)
    for match in DOTTED.finditer(text):
        name = f"{match[1]}.{match[2]}"
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", f"strongroom.pb.{name}", text)
    return text


def generate(target: Path) -> None:
    """Write the generated package into ``target``, replacing what is there."""
    with tempfile.TemporaryDirectory() as tmp:
        include = Path(protoc.__file__).parent / "_proto"
        files = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
        plugins = Path(sys.executable).parent
        code = protoc.main(
            [
                "protoc",
                f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
                f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
                f"-I{PROTO}",
                f"-I{include}",
                f"--python_out={tmp}",
                f"--grpc_python_out={tmp}",
                f"--mypy_out=quiet:{tmp}",
                f"--mypy_grpc_out=quiet:{tmp}",
                *files,
            ]
        )
        if code != 0:
            raise SystemExit("protoc failed; its message is above")
        for path in sorted(Path(tmp).rglob("*.py*")):
            out = target / path.relative_to(tmp)
            if path.name.endswith("_grpc.py") and "add_" not in path.read_text():
                continue
            if (
                path.name.endswith("_grpc.pyi")
                and "_Servicer" not in path.read_text()
                and "Servicer" not in path.read_text()
            ):
                continue
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(move_imports(path.read_text()))
    for directory in sorted({p.parent for p in target.rglob("*_pb2.py")}):
        while directory != target.parent:
            init = directory / "__init__.py"
            if not init.exists():
                init.write_text('"""Generated from proto/; `make proto` writes it anew."""\n')
            directory = directory.parent


def main() -> None:
    """Generate into the package."""
    target = ROOT / "daemon" / "strongroom" / "pb"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    generate(target)


if __name__ == "__main__":
    main()
