"""The request of a capability call that somebody wrote by hand as JSON.

Methods of the capabilities that come along have their message here. For every other one the JSON names its message
itself, as ``google.protobuf.Any`` writes it:
``{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "x"}``.
The type must be compiled in: those of ``strongroom.plugin.messages`` and the well-known ones of protobuf.
"""

import json
from collections.abc import Collection
from typing import Any, Final, TypeVar

from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message import Message

from strongroom.errors import InvalidInput
from strongroom.plugin import messages
from strongroom.plugin.messages import (
    action_and_trigger_pb2,
    basic_action_pb2,
    http_pb2,
    kvstore_pb2,
    node_action_pb2,
    sdk_pb2,
    vault_pb2,
    workspace_pb2,
)
from strongroom.registry.ids import parse_id

__all__ = ["request_of"]

M = TypeVar("M", bound=Message)

REQUESTS: Final[dict[tuple[str, str], type[Message]]] = {
    ("basic-test-action", "PerformAction"): basic_action_pb2.Inputs,
    ("basic-test-node-action", "PerformAction"): node_action_pb2.NodeInputs,
    ("basic-test-action-trigger", "Action"): action_and_trigger_pb2.Input,
    ("consensus", "Simple"): sdk_pb2.SimpleConsensusInputs,
    ("consensus", "Report"): sdk_pb2.ReportRequest,
    ("consensus", "Signers"): empty_pb2.Empty,
    ("http-actions", "SendRequest"): http_pb2.Request,
    ("kvstore", "Get"): kvstore_pb2.GetRequest,
    ("kvstore", "Put"): kvstore_pb2.PutRequest,
    ("kvstore", "Increment"): kvstore_pb2.IncrementRequest,
    ("kvstore", "Delete"): kvstore_pb2.DeleteRequest,
    ("kvstore", "List"): kvstore_pb2.ListRequest,
    ("kvstore", "Workflows"): kvstore_pb2.WorkflowsRequest,
    ("kvstore", "Drop"): kvstore_pb2.DropRequest,
    ("vault", "vault.secrets.create"): vault_pb2.CreateSecretsRequest,
    ("vault", "vault.secrets.update"): vault_pb2.UpdateSecretsRequest,
    ("vault", "vault.secrets.delete"): vault_pb2.DeleteSecretsRequest,
    ("vault", "vault.secrets.list"): vault_pb2.ListSecretIdentifiersRequest,
    ("vault", "vault.publicKey.get"): vault_pb2.GetPublicKeyRequest,
    ("workspace", "Get"): workspace_pb2.GetRequest,
    ("workspace", "Set"): workspace_pb2.SetRequest,
    ("workspace", "Delete"): workspace_pb2.DeleteRequest,
    ("workspace", "List"): workspace_pb2.ListRequest,
}
"""The request message of each method that may be called by hand, by name of the capability and method."""
WELL_KNOWN: Final = (
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
NAMED: Final = frozenset(
    module.DESCRIPTOR.package for module in (*WELL_KNOWN, *(getattr(messages, name) for name in messages.__all__))
)
"""Packages whose messages may be named. Importing them is what compiles them in."""
TYPE: Final = "@type"
EXAMPLE: Final = '{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "x"}'
URL_PREFIX: Final = "type.googleapis.com/"


def request_of(capability_id: str, method: str, untrusted_json: bytes) -> any_pb2.Any:
    """The packed request. Raises ``InvalidInput``."""
    try:
        document = json.loads(untrusted_json or b"{}")
    except (ValueError, RecursionError) as error:
        raise _misfit("JSON", str(error)) from None
    if isinstance(document, dict) and TYPE in document:
        return _named(document)
    name = parse_id(capability_id).name
    kind = REQUESTS.get((name, method))
    if kind is None:
        raise _unknown(capability_id, method, [known for owner, known in REQUESTS if owner == name])
    packed = any_pb2.Any()
    packed.Pack(_parsed(document, kind()))
    return packed


def _named(document: dict[str, Any]) -> any_pb2.Any:  # Any: JSON
    url = document[TYPE]
    full_name = url.rpartition("/")[2] if isinstance(url, str) else ""
    try:
        known = descriptor_pool.Default().FindMessageTypeByName(full_name).file.package in NAMED
    except KeyError:
        known = False
    if not known:
        raise InvalidInput(
            "SR-CAP-005",
            f"this host does not know a message {str(url)[:200]!r}",
            why="a host knows the messages of strongroom.plugin.messages and the well-known ones of protobuf",
            fix=f"write its full name, such as {EXAMPLE}",
            field="json",
        )
    packed = any_pb2.Any()
    return _parsed({**document, TYPE: URL_PREFIX + full_name}, packed)


def _parsed(document: Any, empty: M) -> M:  # Any: JSON
    try:
        return json_format.ParseDict(document, empty)
    except (json_format.ParseError, LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise _misfit(empty.DESCRIPTOR.full_name, str(error)) from None


def _misfit(what: str, why: str) -> InvalidInput:
    fix = "give the fields of that message as a JSON object"
    return InvalidInput("SR-CAP-004", f"the payload does not fit {what}", why=why, fix=fix, field="json")


def _unknown(capability_id: str, method: str, known: Collection[str]) -> InvalidInput:
    if known:
        return InvalidInput(
            "SR-CAP-006",
            f"{capability_id} has no method {method[:100]!r} that is called by hand",
            why=f"its methods are {', '.join(sorted(known))}",
            fix='choose one of them; or name the message of the request with "@type" in the payload',
            field="method",
        )
    return InvalidInput(
        "SR-CAP-003",
        f"this host does not know which message {capability_id} {method[:100]} takes",
        why="it knows that of the capabilities that come along",
        fix=f"name it in the payload, such as {EXAMPLE}",
        field="json",
    )
