"""``strongroom callers``: tokens for those who come not by a socket alone, and what the callers' file says."""

import hashlib
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import a_path, group, verb
from strongroom.settings.callers import NAME, RESERVED, CallerEntry, load_callers
from strongroom.settings.roles import EVERY_OWNER, Grant, Role

__all__ = ["app"]

TOKEN_BYTES: Final = 32
_Name = Annotated[str, typer.Argument(help="Name of the caller; it stands in the audit log.", metavar="NAME")]
_Roles = Annotated[list[Role] | None, typer.Option("--role", help="A role of it; may be given several times.")]
_Owners = Annotated[
    list[str] | None,
    typer.Option("--for-owner", help="An owner for whom; several times, or not at all for every one.", metavar="OWNER"),
]
_File = Annotated[
    Path, typer.Option("--callers-file", help="File of the setting callers_file.", metavar="FILE", parser=a_path)
]

app = group("Make tokens for callers, and check who may call.")


@verb(app, "token", example="strongroom callers token ci --role read --role run > ci.token", online=False)
def token(caller: Caller, name: _Name, roles: _Roles = None, owners: _Owners = None) -> None:
    """Make a token and print it once; stderr shows the entry for the callers' file, which holds its digest alone.

    The file of the setting callers_file begins with "callers:" and has mode 0600. A host reads it when it starts.
    """
    if not NAME.fullmatch(name) or name in RESERVED:
        raise bad_data(
            "SR-CLI-182",
            f"{name[:80]!r} is no name for a caller",
            why=f"names have letters, digits and . _ -, at most 64, and {' and '.join(RESERVED)} are taken",
            fix="choose another",
            exit_code=Exit.USAGE,
        )
    made = secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(made.encode()).hexdigest()
    # JSON is YAML, and quotes what YAML would take for something else than text.
    named = list(owners or [EVERY_OWNER])
    whom = json.dumps(EVERY_OWNER if named == [EVERY_OWNER] else named)
    entry = "\n".join(
        [
            f"  - name: {json.dumps(name)}",
            f'    token_sha256: "{digest}"',
            "    grants:",
            f"      - roles: [{', '.join(roles or [Role.READ])}]",
            f"        owners: {whom}",
        ]
    )
    caller.emit("caller-token", {"token": made, "token_sha256": digest, "entry": entry}, made)
    if not caller.json:
        for line in entry.splitlines():
            caller.warn(line)
    caller.note("the token is not shown again; add the lines above below `callers:` and start the host again")


@verb(app, "check", example="strongroom callers check --callers-file /etc/strongroom/callers.yaml", online=False)
def check(caller: Caller, callers_file: _File) -> None:
    """Read a callers' file exactly as the host would, and show who may do what."""
    entries = load_callers(callers_file)
    document = {"callers_file": str(callers_file), "callers": [_document(entry) for entry in entries]}
    rows = [
        [entry.name, "token" if entry.token_sha256 else entry.certificate, _until(entry) or "", _words(grant)]
        for entry in entries
        for grant in entry.grants or (Grant(frozenset()),)
    ]
    caller.emit_table(
        "callers", document, ["name", "by", "until", "may"], rows, nothing="nobody but who may open a socket"
    )


def _document(entry: CallerEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "by": "token" if entry.token_sha256 else "certificate",
        "certificate": entry.certificate,
        "until": _until(entry),
        "grants": [
            {"roles": [role for role in Role if role in grant.roles], "owners": _owners(grant)}
            for grant in entry.grants
        ],
    }


def _owners(grant: Grant) -> list[str]:
    return [EVERY_OWNER] if grant.owners is None else sorted(grant.owners)


def _words(grant: Grant) -> str:
    roles = ", ".join(role for role in Role if role in grant.roles) or "nothing"
    whom = "every owner" if grant.owners is None else ", ".join(_owners(grant)) or "nobody"
    return f"{roles} for {whom}"


def _until(entry: CallerEntry) -> str | None:
    return datetime.fromtimestamp(entry.ends_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if entry.ends_at else None
