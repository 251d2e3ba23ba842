"""``strongroom secret``: values go in sealed to the vault's own key and never come out here.

A value is read from stdin or from a hidden prompt, since arguments and environments are shown to other processes. It is
sealed in this process, to a vault that proved who it is; the host passes on bytes that it cannot open.
"""

import getpass
import sys
from typing import Annotated, Any, Final

import typer
from ulid import ULID

from strongroom.cli.caller import Caller, limited
from strongroom.cli.channel import Host, connect
from strongroom.cli.exits import Exit
from strongroom.cli.failure import Failure, bad_data
from strongroom.cli.secret_seal import VALUE_BYTES_MAX, Assurance, Terms, sealed, sealed_plain, terms_in
from strongroom.cli.secret_state import secret_states
from strongroom.cli.vault_calls import call_vault, full_owner
from strongroom.cli.vault_trust import VaultKey, trusted_vault
from strongroom.cli.verbs import DryRun, Yes, group, verb
from strongroom.cli.workflow import Owner
from strongroom.pb.vault import vault_pb2

__all__ = ["app"]

DEFAULT_NAMESPACE: Final = "main"

_Key = Annotated[str, typer.Argument(help="Name of the secret.", metavar="KEY")]
_Namespace = Annotated[str, typer.Option("--namespace", help="Namespace of the secret.")]

app = group("Give secrets to the vault, list their names, delete them.")


@verb(app, "set", example='printf %s "$VALUE" | strongroom secret set API_KEY', more_words=True)
def set_secret(
    caller: Caller,
    context: typer.Context,
    key: _Key,
    namespace: _Namespace = DEFAULT_NAMESPACE,
    owner: Owner = "",
    min_assurance: Annotated[
        Assurance | None,
        typer.Option("--min-assurance", help="Least class of a run that may read it; hardware, in a test vault local."),
    ] = None,
    test_only: Annotated[
        bool, typer.Option("--test-only", help="For tests; a test vault stores nothing else.")
    ] = False,
    vault_key: VaultKey = "",
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Seal to whatever vault the host names; a host that lies gets the value."),
    ] = False,
) -> None:
    """Store a secret, or replace it. The value comes from stdin, or from a hidden prompt on a terminal.

    It is text of at most 1952 bytes, which is what the vault takes. The vault must be the one that is meant: its key is
    the one of --vault-key, of the setting vault_public_key_file, or one that you agreed to before. Any other is refused
    unless you agree at a terminal, or say --unverified.
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
        vault = trusted_vault(caller, host, owner, vault_key, unverified=unverified)
        terms: Terms | None = None
        if vault is None:
            value = _for_another_vault(host, owner, plain, min_assurance, test_only=test_only)
        else:
            terms = terms_in(vault.identity, min_assurance, test_only=test_only)
            value = sealed(plain, vault.identity, terms, owner=full_owner(host, owner), namespace=namespace, key=key)
        entry = vault_pb2.EncryptedSecret(id=_identifier(key, namespace, owner), encrypted_value=value)
        there = key in _names(host, namespace, owner)
        answer: Any  # Any: create and update answer alike, in messages of different types
        if there:
            update = vault_pb2.UpdateSecretsRequest(request_id=_request_id(), encrypted_secrets=[entry])
            answer = call_vault(host, owner, "vault.secrets.update", update, vault_pb2.UpdateSecretsResponse)
        else:
            create = vault_pb2.CreateSecretsRequest(request_id=_request_id(), encrypted_secrets=[entry])
            answer = call_vault(host, owner, "vault.secrets.create", create, vault_pb2.CreateSecretsResponse)
    _check(answer, key)
    document = {
        "key": key,
        "namespace": namespace,
        "created": not there,
        "min_assurance": terms.min_assurance if terms else "",
        "test_only": terms.is_test_only if terms else False,
        "store": vault.identity.store if vault else "",
        "verified_by": vault.verified_by if vault else "",
    }
    caller.emit("secret", document, f"{namespace}/{key}")
    caller.note(f"{'replaced' if there else 'stored'}{_in_words(terms)}")


@verb(app, "list", example="strongroom secret list")
def list_secrets(
    caller: Caller,
    namespace: Annotated[str, typer.Option("--namespace", help="Only secrets of this namespace.")] = "",
    owner: Owner = "",
) -> None:
    """List the names of secrets, and how strong a run must be to read each. Values are never shown."""
    with connect(caller) as host:
        found = _identifiers(host, namespace, owner)
        states = secret_states(host, owner, found)
    documents = [
        {"key": item.key, "namespace": item.namespace, "owner": item.owner, **state.document()}
        for item, state in zip(found, states, strict=True)
    ]
    rows = [[item.namespace, item.key, item.owner, *state.cells()] for item, state in zip(found, states, strict=True)]
    nothing = f"no secrets in namespace {namespace}" if namespace else "no secrets"
    headings = ["NAMESPACE", "KEY", "OWNER", "VERSION", "ASSURANCE", "FOR"]
    caller.emit_table("secrets", {"secrets": documents}, headings, rows, nothing=nothing)


@verb(app, "check", example="strongroom secret check API_KEY")
def check(
    caller: Caller,
    keys: Annotated[list[str], typer.Argument(help="Names of secrets.", metavar="KEY...")],
    namespace: _Namespace = DEFAULT_NAMESPACE,
    owner: Owner = "",
) -> int | None:
    """Say whether secrets are there, in which version, and how strong a run must be to read each.

    The exit code is 1 when one is missing. No value is shown, and none leaves the vault.
    """
    namespace = namespace or DEFAULT_NAMESPACE
    with connect(caller) as host:
        states = secret_states(host, owner, [_identifier(key, namespace, owner) for key in keys])
    documents = [
        {"key": key, "namespace": namespace, "present": state.is_present, **state.document()}
        for key, state in zip(keys, states, strict=True)
    ]
    is_complete = all(state.is_present for state in states)
    document: dict[str, Any] = {"namespace": namespace, "present": is_complete, "secrets": documents}  # Any: JSON
    if len(keys) == 1:
        document["key"] = keys[0]
        shown = states[0].in_words()
    else:
        shown = "\n".join(f"{key}: {state.in_words()}" for key, state in zip(keys, states, strict=True))
    caller.emit("secret-check", document, shown)
    return None if is_complete else Exit.RUN_FAILED


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
            _check(call_vault(host, owner, "vault.secrets.delete", request, vault_pb2.DeleteSecretsResponse), key)
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
    answer = call_vault(host, owner, "vault.secrets.list", request, vault_pb2.ListSecretIdentifiersResponse)
    if not answer.success:
        raise bad_data(
            "SR-CLI-034",
            "the vault does not list these secrets",
            why=answer.error,
            fix="correct --owner or --namespace; without them it lists all of the host's own owner",
        )
    return list(answer.identifiers)


def _for_another_vault(host: Host, owner: str, plain: bytes, asked: Assurance | None, *, test_only: bool) -> str:
    public = call_vault(
        host, owner, "vault.publicKey.get", vault_pb2.GetPublicKeyRequest(), vault_pb2.GetPublicKeyResponse
    )
    return sealed_plain(plain, public.public_key, asked, test_only=test_only)


def _in_words(terms: Terms | None) -> str:
    if terms is None:
        return ""
    readers = (
        "runs of any kind" if terms.min_assurance == Assurance.LOCAL.value else f"runs of class {terms.min_assurance}"
    )
    return f" for {readers}{'; test vault: stored with --test-only' if terms.is_test_only else ''}"


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
