"""The reference of the API, from the comments of its protos: services with their calls, messages with their fields."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

__all__ = ["api_reference"]

ROOT: Final = Path(__file__).resolve().parent.parent
PROTO: Final = ROOT / "proto"
FOLDERS: Final = ("v1", "world")
"""What clients speak. The others are between a host and its runners and plugins."""
SERVICE, MESSAGE, ENUM = 6, 4, 5
"""Numbers of the fields of ``FileDescriptorProto`` that paths of comments begin with."""
METHOD, FIELD, VALUE = 2, 2, 2
NESTED, NESTED_ENUM = 3, 4


def api_reference() -> Iterator[str]:
    """The lines of the page."""
    for file in _files():
        comments = {tuple(each.path): _text(each.leading_comments) for each in file.source_code_info.location}
        for number, service in enumerate(file.service):
            yield from (f"## {service.name}", "", comments.get((SERVICE, number), ""), "")
            yield from ("| call | takes, returns | what |", "| --- | --- | --- |")
            for index, method in enumerate(service.method):
                what = comments.get((SERVICE, number, METHOD, index), "")
                takes = _stream(method.input_type, streams=method.client_streaming)
                returns = _stream(method.output_type, streams=method.server_streaming)
                yield f"| `{method.name}` | {takes} → {returns} | {what} |"
            yield ""
        for number, message in enumerate(file.message_type):
            yield from _message(message, (MESSAGE, number), comments, "")
        for number, enum in enumerate(file.enum_type):
            yield from _enum(enum, (ENUM, number), comments)


def _files() -> list[descriptor_pb2.FileDescriptorProto]:
    ours = [path for folder in FOLDERS for path in sorted((PROTO / "strongroom" / folder).rglob("*.proto"))]
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "all"
        include = Path(protoc.__file__).parent / "_proto"
        names = [str(path.relative_to(PROTO)) for path in ours]
        code = protoc.main(
            ["protoc", f"-I{PROTO}", f"-I{include}", "--include_source_info", f"--descriptor_set_out={target}", *names]
        )
        if code != 0:
            raise SystemExit("protoc failed; its message is above")
        return list(descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file)


def _message(
    message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str], within: str
) -> Iterator[str]:
    name = f"{within}{message.name}"
    yield from (f"### {name}", "", comments.get(path, ""), "")
    if message.field:
        yield from ("| field | kind | what |", "| --- | --- | --- |")
    entries = {each.name: each for each in message.nested_type if each.options.map_entry}
    for index, field in enumerate(message.field):
        entry = entries.get(field.type_name.rpartition(".")[2])
        kind = f"map of {_kind(entry.field[0])} to {_kind(entry.field[1])}" if entry is not None else _kind(field)
        many = field.label == field.LABEL_REPEATED and entry is None
        what = comments.get((*path, FIELD, index), "")
        yield f"| `{field.name}` = {field.number} | {'list of ' * many}{kind} | {what} |"
    yield ""
    for index, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _message(nested, (*path, NESTED, index), comments, f"{name}.")
    for index, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*path, NESTED_ENUM, index), comments, f"{name}.")


def _enum(
    enum: descriptor_pb2.EnumDescriptorProto,
    path: tuple[int, ...],
    comments: dict[tuple[int, ...], str],
    within: str = "",
) -> Iterator[str]:
    yield from (f"### {within}{enum.name}", "", comments.get(path, ""), "", "| value | what |", "| --- | --- |")
    for index, value in enumerate(enum.value):
        yield f"| `{value.name}` = {value.number} | {comments.get((*path, VALUE, index), '')} |"
    yield ""


def _kind(field: descriptor_pb2.FieldDescriptorProto) -> str:
    if field.type_name:
        return _name(field.type_name)
    return f"`{descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"


def _stream(name: str, *, streams: bool) -> str:
    return f"stream of {_name(name)}" if streams else _name(name)


def _name(full: str) -> str:
    return f"`{full.rpartition('.')[2]}`"


def _text(comment: str) -> str:
    """A comment as one line of Markdown in a table."""
    return " ".join(comment.split()).replace("|", "\\|").replace("<", "&lt;")
