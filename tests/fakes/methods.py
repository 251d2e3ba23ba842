"""Every method of every service of ours, as the compiled messages have them, and a request for each."""

import importlib
import pkgutil

from google.protobuf import message_factory

import strongroom.pb.strongroom.v1 as package

DESCRIPTORS = {
    f"/{service.full_name}/{method.name}": method
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    if info.name.endswith("_pb2")
    for service in importlib.import_module(info.name).DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
METHODS = sorted(DESCRIPTORS)


def request_for(method, **fields):
    """An empty request of ``method``, with those of ``fields`` that its message has."""
    kind = DESCRIPTORS[method].input_type
    known = {name: value for name, value in fields.items() if name in kind.fields_by_name}
    return message_factory.GetMessageClass(kind)(**known)


def has_field(method, name):
    """Whether its request has a field of that name."""
    return name in DESCRIPTORS[method].input_type.fields_by_name
