"""``strongroom receipt verify``: what shows, in a receipt alone, what a confidential run executed; no host is asked.

Rule 1: everything is checked, and every check that fails is said: that one fails does not hide the next.
Rule 2: without a policy this says what ran and what protected it, and never that it is good enough.
Rule 3: a simulation is of assurance ``none``, whatever it or its receipt says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.cli.at_time import At, time_of
from strongroom.cli.attest_options import Authority, EnclaveConfigs, PolicyFile, PolicyKey
from strongroom.cli.caller import Caller, read_file
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import a_path, verb

__all__ = ["add_to"]

RESULT_BYTES_MAX: int = 16_000_000
_Receipt = Annotated[Path, typer.Argument(help="The receipt.", metavar="FILE", parser=a_path)]
_VaultKey = Annotated[
    str, typer.Option("--vault-key", help="Public key that the vault must have: a file, or 64 hex digits.")
]
_Result = Annotated[
    Path | None,
    typer.Option(
        "--result",
        help="The result, to compare: what receipt export --result-file wrote.",
        metavar="FILE",
        parser=a_path,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a person wants a receipt to be compared with."""

    policy: Path | None
    policy_key: str
    vault_key: str
    development_ca: Path | None
    enclave_configs: Sequence[Path]
    result: Path | None
    at: datetime | None


def verify(
    caller: Caller,
    file: _Receipt,
    policy: PolicyFile = None,
    policy_key: PolicyKey = "",
    vault_key: _VaultKey = "",
    development_ca: Authority = None,
    enclave_configs: EnclaveConfigs = None,
    result: _Result = None,
    at: At = "",
) -> int | None:
    """Check a receipt offline: every digest and signature, and the evidence at the time of the attestation result.

    The exit code is 0 when all of it holds, and with --policy only when the evidence is affirming under it and its
    section [release] refuses neither the class nor a call. Otherwise it is 1, and every check that failed is printed.
    Without --at the time is that of the attestation result (iat).
    """
    asked = _Asked(
        policy=policy,
        policy_key=policy_key,
        vault_key=vault_key,
        development_ca=development_ca,
        enclave_configs=enclave_configs or (),
        result=result,
        at=time_of(at) if at else None,
    )
    return _verified(caller, file, asked)


def _verified(caller: Caller, file: Path, asked: _Asked) -> int | None:
    # Here and not above: the noun is read for `receipt export` too, which needs none of it.
    from strongroom.cli import receipt_view
    from strongroom.cli.attest_run import chosen_policy, policy_document
    from strongroom.cli.attest_verdict import development_anchor, enclave_digests
    from strongroom.cli.policy_files import public_key
    from strongroom.cli.receipt_findings import judged_receipt

    rules = chosen_policy(asked.policy, asked.policy_key)
    found = judged_receipt(
        _read(file),
        policy=rules.policy if rules is not None else None,
        development_ca=development_anchor(asked.development_ca),
        enclave_configs=enclave_digests(asked.enclave_configs),
        vault_key=public_key("--vault-key", asked.vault_key) if asked.vault_key else b"",
        result=read_file("--result", asked.result, bytes_max=RESULT_BYTES_MAX) if asked.result is not None else None,
        at=asked.at,
    )
    document: dict[str, Any] = {  # Any: JSON values
        "file": str(file),
        **receipt_view.document(found),
        "policy": policy_document(rules),
    }
    caller.emit("receipt-verification", document, "\n".join(receipt_view.lines(str(file), found)))
    if rules is not None:
        rules.note(caller)
    for note in receipt_view.notes(found):
        caller.note(note)
    return None if found.is_good else Exit.RUN_FAILED


def _read(file: Path) -> bytes:
    from strongroom.cli.evidence_kinds import recognise
    from strongroom.cli.evidence_neighbours import EVIDENCE_BYTES_MAX

    raw = read_file("FILE", file, bytes_max=EVIDENCE_BYTES_MAX)
    found = recognise(raw)
    if found is None or "receipt" not in found.pieces:
        raise bad_data(
            "SR-CLI-105",
            f"{file} is no receipt",
            why=f"it is {found.what}" if found is not None else f"nothing in its {len(raw)} bytes says that it is one",
            fix="give the file that `strongroom receipt export` wrote",
        )
    return raw


def add_to(app: typer.Typer) -> None:
    """Add the command to its noun."""
    verb(app, "verify", example="strongroom receipt verify run.receipt --policy policy.toml", online=False)(verify)
