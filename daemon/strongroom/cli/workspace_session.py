"""``strongroom workspace session``, ``sign-in`` and ``sign-out``: whose keys the workspaces have."""

import json
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller, facts
from strongroom.cli.channel import connect
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import Yes, verb
from strongroom.cli.workspace_calls import workspace_stub
from strongroom.pb.strongroom.v1 import workspace_pb2

__all__ = ["add_to"]

GRANT_BYTES_MAX: Final = 65_536
"""Tokens are a few kilobytes at most."""

_Grant = Annotated[
    str, typer.Option("--grant", help="The grant as JSON: @file, or - for stdin.", metavar="@FILE", show_default=True)
]


def session(caller: Caller) -> None:
    """Show who is signed in, and where the keys of workspaces come from."""
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).GetSession, workspace_pb2.WorkspaceServiceGetSessionRequest())
    document = {
        "state": answer.state,
        "owner_id": answer.owner_id,
        "source": answer.source,
        "confirmed": answer.confirmed,
        "key_versions": list(answer.key_versions),
    }
    shown = facts(
        [
            ("state", answer.state),
            ("owner", answer.owner_id),
            ("keys from", answer.source),
            ("confirmed", "yes" if answer.confirmed else "not since this host started"),
            ("key versions", ", ".join(f"v{version}" for version in answer.key_versions)),
        ]
    )
    caller.emit("workspace-session", document, shown)


def sign_in(caller: Caller, grant: _Grant = "-") -> None:
    """Sign in to the session's server with a grant, and open the mounts that are remembered.

    The grant is `{"accessToken": "…", "refreshToken": "…", "accessTokenExpiresAt": MILLISECONDS}`, of which only the
    access token is needed. It is never taken from the command line itself, which others on the machine can read.
    """
    if grant != "-" and not grant.startswith("@"):
        raise bad_data(
            "SR-CLI-164", "the grant is not taken from the command line", fix="give --grant @FILE, or - for stdin"
        )
    raw = caller.read("--grant", grant, bytes_max=GRANT_BYTES_MAX)
    with connect(caller) as host:
        answer = host.call(workspace_stub(host).SignIn, _request(raw))
    caller.emit("workspace-signed-in", {"owner_id": answer.owner_id}, "")
    caller.note(f"signed in as {answer.owner_id}")


def sign_out(caller: Caller, yes: Yes = False) -> None:
    """Close every workspace and drop its keys. Data stays in the projects."""
    caller.confirm("Close every workspace and drop its keys?", yes=yes)
    with connect(caller) as host:
        host.call(workspace_stub(host).SignOut, workspace_pb2.WorkspaceServiceSignOutRequest())
    caller.emit("workspace-signed-out", {}, "")
    caller.note("signed out; data stays in the projects")


def _request(raw: bytes) -> workspace_pb2.WorkspaceServiceSignInRequest:
    """The request, or a failure that shows nothing of the grant."""
    try:
        grant = json.loads(raw)
        access, refresh = grant["accessToken"], grant.get("refreshToken") or ""
        expires = grant.get("accessTokenExpiresAt") or 0
        if not (isinstance(access, str) and access and isinstance(refresh, str) and type(expires) in {int, float}):
            raise ValueError("types")
        return workspace_pb2.WorkspaceServiceSignInRequest(
            access_token=access, refresh_token=refresh, access_token_expires_at_ms=int(expires)
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise bad_data(
            "SR-CLI-165",
            "this is no grant",
            why='a JSON object with the text "accessToken" is needed',
            fix="give the answer of your sign-in server",
        ) from None


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    verb(app, "session", example="strongroom workspace session")(session)
    verb(app, "sign-in", example="strongroom workspace sign-in --grant @grant.json")(sign_in)
    verb(app, "sign-out", example="strongroom workspace sign-out --yes")(sign_out)
