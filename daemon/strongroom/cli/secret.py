"""``strongroom secret``: values go in sealed to the vault's own key and never come out here.

A value is read from stdin or from a hidden prompt, since arguments and environments are shown to other processes. It is
sealed in this process; the host passes on bytes that it cannot open.
"""

import getpass
import sys
from typing import Annotated, Any, Final, TypeVar

import typer
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from ulid import ULID

from strongroom.cli.caller import Caller, limited
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data, unavailable
from strongroom.cli.verbs import DryRun, Yes, group, verb
from strongroom.cli.workflow import Owner
from strongroom.crypto.box import seal_to
from strongroom.pb.strongroom.v1 import capability_pb2
from strongroom.pb.strongroom.v1.capability_pb2_grpc import CapabilityServiceStub
from strongroom.pb.vault import vault_pb2

__all__ = ["app"]

VAULT: Final = "vault@1.0.0"
NO_CAPABILITY: Final = "SR-CAP-007"
DEFAULT_NAMESPACE: Final = "main"
# The vault takes 2000 sealed bytes, and sealing adds 48.
VALUE_BYTES_MAX: Final = 1_952
Response = TypeVar("Response", bound=Message)

_Key = Annotated[str, typer.Argument(help="Name of the secret.", metavar="KEY")]
_Namespace = Annotated[str, typer.Option("--namespace", help="Namespace of the secret.")]

app = group("Give secrets to the vault, list their names, delete them.")


@verb(app, "set", example='printf %s "$VALUE" | strongroom secret set API_KEY', more_words=True)
def set_secret(
    caller: Caller, context: typer.Context, key: _Key, namespace: _Namespace = DEFAULT_NAMESPACE, owner: Owner = ""
) -> None:
    """Store a secret, or replace it. The value comes from stdin, or from a hidden prompt on a terminal.

    It is text of at most 1952 bytes, which is what the vault takes.
    """
    if context.args:
        # What was typed is not repeated: it is most likely the secret.
        raise bad_data(
            "SR-CLI-037",
            "a value is never an argument",
            why="arguments are shown to other processes and kept by shells",
            fix='pipe it in: printf %s "$VALUE" | strongroom secret set KEY; and change the one that was shown',
            exit_code=Exit.USAGE,
        )
    plain = _read_value(caller)
    namespace = namespace or DEFAULT_NAMESPACE
    with connect(caller) as host:
        public = _call(
            host, owner, "vault.publicKey.get", vault_pb2.GetPublicKeyRequest(), vault_pb2.GetPublicKeyResponse
        )
        sealed = seal_to(public.public_key, plain).hex()
        entry = vault_pb2.EncryptedSecret(id=_identifier(key, namespace, owner), encrypted_value=sealed)
        there = key in _names(host, namespace, owner)
        answer: Any  # Any: create and update answer alike, in messages of different types
        if there:
            update = vault_pb2.UpdateSecretsRequest(request_id=_request_id(), encrypted_secrets=[entry])
            answer = _call(host, owner, "vault.secrets.update", update, vault_pb2.UpdateSecretsResponse)
        else:
            create = vault_pb2.CreateSecretsRequest(request_id=_request_id(), encrypted_secrets=[entry])
            answer = _call(host, owner, "vault.secrets.create", create, vault_pb2.CreateSecretsResponse)
    _check(answer, key)
    document = {"key": key, "namespace": namespace, "created": not there}
    caller.emit("secret", document, f"{namespace}/{key}")
    caller.note("replaced" if there else "stored")


@verb(app, "list", example="strongroom secret list")
def list_secrets(
    caller: Caller,
    namespace: Annotated[str, typer.Option("--namespace", help="Only secrets of this namespace.")] = "",
    owner: Owner = "",
) -> None:
    """List the names of secrets. Values are never shown."""
    with connect(caller) as host:
        found = _identifiers(host, namespace, owner)
    documents = [{"key": item.key, "namespace": item.namespace, "owner": item.owner} for item in found]
    rows = [[d["namespace"], d["key"], d["owner"]] for d in documents]
    nothing = f"no secrets in namespace {namespace}" if namespace else "no secrets"
    caller.emit_table("secrets", {"secrets": documents}, ["NAMESPACE", "KEY", "OWNER"], rows, nothing=nothing)


@verb(app, "check", example="strongroom secret check API_KEY")
def check(caller: Caller, key: _Key, namespace: _Namespace = DEFAULT_NAMESPACE, owner: Owner = "") -> int | None:
    """Say whether a secret is there. The exit code is 1 when it is missing."""
    namespace = namespace or DEFAULT_NAMESPACE
    with connect(caller) as host:
        present = key in _names(host, namespace, owner)
    document = {"key": key, "namespace": namespace, "present": present}
    caller.emit("secret-check", document, "present" if present else "missing")
    return None if present else Exit.RUN_FAILED


@verb(app, "delete", example="strongroom secret delete API_KEY --yes")
def delete(
    caller: Caller,
    key: _Key,
    namespace: _Namespace = DEFAULT_NAMESPACE,
    owner: Owner = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Delete a secret. Workflows that name it fail from then on."""
    namespace = namespace or DEFAULT_NAMESPACE
    if not dry_run:
        caller.confirm(f"Delete secret {namespace}/{key}?", yes=yes)
    with connect(caller) as host:
        if key not in _names(host, namespace, owner):
            raise bad_data(
                "SR-CLI-030", f"there is no secret {namespace}/{key}", fix="`strongroom secret list` shows all"
            )
        if not dry_run:
            request = vault_pb2.DeleteSecretsRequest(request_id=_request_id(), ids=[_identifier(key, namespace, owner)])
            _check(_call(host, owner, "vault.secrets.delete", request, vault_pb2.DeleteSecretsResponse), key)
    caller.emit("secret-deleted", {"key": key, "namespace": namespace, "dry_run": dry_run}, f"{namespace}/{key}")
    caller.note("it could be deleted; nothing was changed" if dry_run else "deleted")


def _read_value(caller: Caller) -> bytes:
    if sys.stdin.isatty():
        if caller.no_input:
            raise bad_data("SR-CLI-031", "the value comes from stdin", fix="pipe it in", exit_code=Exit.USAGE)
        typed = getpass.getpass("Value (not shown): ", stream=sys.stderr).encode("utf-8", "surrogateescape")
        value = limited("the value", typed, VALUE_BYTES_MAX)
    else:
        value = caller.read_stdin("the value", bytes_max=VALUE_BYTES_MAX)
        if value.endswith(b"\n"):
            caller.note("the value ends with a line end, which is kept; `printf %s` writes none")
    if not value:
        raise bad_data(
            "SR-CLI-032", "the value is empty", fix='pipe it in: printf %s "$VALUE" | strongroom secret set KEY'
        )
    try:
        value.decode()
    except UnicodeDecodeError:
        raise bad_data(
            "SR-CLI-033",
            "the value is not text",
            why="workflows receive secrets as UTF-8",
            fix="encode it, in base64 say",
        ) from None
    return value


def _identifier(key: str, namespace: str, owner: str) -> vault_pb2.SecretIdentifier:
    return vault_pb2.SecretIdentifier(key=key, namespace=namespace, owner=owner)


def _request_id() -> str:
    return str(ULID())


def _names(host: Host, namespace: str, owner: str) -> set[str]:
    return {item.key for item in _identifiers(host, namespace, owner)}


def _identifiers(host: Host, namespace: str, owner: str) -> list[vault_pb2.SecretIdentifier]:
    request = vault_pb2.ListSecretIdentifiersRequest(request_id=_request_id(), owner=owner, namespace=namespace)
    answer = _call(host, owner, "vault.secrets.list", request, vault_pb2.ListSecretIdentifiersResponse)
    if not answer.success:
        raise bad_data(
            "SR-CLI-034",
            "the vault does not list these secrets",
            why=answer.error,
            fix="correct --owner or --namespace; without them it lists all of the host's own owner",
        )
    return list(answer.identifiers)


def _call(host: Host, owner: str, method: str, message: Message, kind: type[Response]) -> Response:
    packed = AnyMessage()
    packed.Pack(message)
    request = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id=VAULT, method=method, message=packed, owner=owner
    )
    try:
        answer = host.call(host.stub(CapabilityServiceStub).Execute, request)
    except Failure as failure:
        if failure.error.code != NO_CAPABILITY:
            raise
        raise unavailable(
            "SR-CLI-039",
            "this host has no vault",
            why=f"no plugin of it offers {VAULT}",
            fix="enable the plugin vault in its manifest (strongroom plugin enable vault --file FILE) and restart it",
        ) from None
    response = kind()
    try:
        fits = answer.message.Unpack(response)
    except DecodeError:
        fits = False
    if not fits:
        raise unavailable(
            "SR-CLI-035",
            f"{VAULT} gave an answer that is not one",
            why=answer.message.type_url,
            fix="the plugin that offers it is no vault: `strongroom capability list` names it",
        )
    return response


def _check(answer: Any, key: str) -> None:  # Any: three kinds of answers with the same fields
    problems = [item.error or "no reason was given" for item in answer.responses if not item.success]
    if problems or len(answer.responses) != 1:
        why = problems[0] if problems else "its answer is about another secret"
        error: Failure = bad_data(
            "SR-CLI-036",
            f"the vault refused {key}",
            why=why,
            fix="correct what it names; `strongroom secret list` shows what it holds",
        )
        raise error
