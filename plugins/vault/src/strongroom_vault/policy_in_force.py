"""The policy that this vault decides by: signed by the pinned key, never older than one before nor another of the
same epoch, and of one profile.

Rule 1: without a policy nothing is released. A file that is there and does not hold stops the start.
Rule 2: a simulation takes a test policy that names it and the flag of the process. A production vault that is started
with the flag does not start.
Rule 3: a store is for tests or for production from its first start on, and never changes.
Source: contracts/attestation.md 16.3, 17.3 and 17.4.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.codes import POLICY_INVALID
from strongroom.attest.enclave_config import ENCLAVE_CONFIG_BYTES_MAX, decode_enclave_config
from strongroom.attest.policy import POLICY_BYTES_MAX, TEST, Policy, check_epoch, open_policy
from strongroom.attest.vault_identity import PRODUCTION_STORE, TEST_STORE
from strongroom.attest.verification import InstalledVerifier
from strongroom.plugin import EvidenceRejected, Misconfigured
from strongroom_vault.development import VAULT_PUBLIC_NAME
from strongroom_vault.enclave_config_file import COMMAND
from strongroom_vault.flags import SIMULATION_FLAG
from strongroom_vault.floors import (
    POLICY_EPOCH_FLOOR,
    RUNNER_SVN_FLOOR,
    floor,
    last_policy,
    raise_floor,
    remember_policy,
)
from strongroom_vault.public_files import read_file, read_public_key
from strongroom_vault.settings import VaultSettings

__all__ = ["PolicyInForce", "check_store", "enclave_configs", "load_policy", "no_policy"]

SIGNATURE_BYTES: Final = 64
_STORE: Final = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce:
    """A policy with what belongs to it: the installed verifiers, the digests of the enclave configurations that name
    this vault (None where there are none, and the policy decides), and the flag for simulations."""

    policy: Policy
    verifiers: tuple[InstalledVerifier, ...]
    enclave_configs: frozenset[bytes] | None
    accepts_simulated: bool


def load_policy(settings: VaultSettings) -> Policy | None:
    """The signed policy, None where there is no file. Raises ``Misconfigured``."""
    path = settings.policy_file
    try:
        content = read_file(path, POLICY_BYTES_MAX, what="policy")
    except FileNotFoundError:
        return None
    public = read_public_key(str(settings.policy_public_key), what="policy_public_key")
    try:
        signature = read_file(path.with_name(path.name + ".sig"), SIGNATURE_BYTES, what="policy signature")
    except FileNotFoundError:
        signature = b""
    return open_policy(content, signature, public=public, file=path.name)


def check_store(
    database: sqlite3.Connection, policy: Policy | None, *, default: str, accepts_simulated: bool, path: Path
) -> str:
    """The kind of this store, ``test`` or ``production``, which it remembers; and the numbers of the policy, which only
    grow, with the digest of the one in force. Raises ``Misconfigured``."""
    row = database.execute("SELECT value FROM meta WHERE name = ?", (_STORE,)).fetchone()
    remembered = row[0].decode() if row is not None else None
    wanted = remembered or default
    if policy is not None:
        wanted = TEST_STORE if policy.profile == TEST else PRODUCTION_STORE
    if remembered is not None and remembered != wanted:
        raise Misconfigured(
            "SR-VAULT-010",
            f"{path} is a store for {_for(remembered)}, and the policy is one for {_for(wanted)}",
            why="what was made for one is never opened under the other",
            fix="give the vault of each kind a key_file and a state_file of its own",
            where=str(path),
        )
    if accepts_simulated and wanted == PRODUCTION_STORE:
        raise Misconfigured(
            "SR-VAULT-011",
            f"a production vault does not start with {SIMULATION_FLAG}",
            why="it would release secrets to simulations if its policy ever let it",
            fix="leave the flag away; a vault for tests has a test policy and a store of its own",
            where=SIMULATION_FLAG,
        )
    if policy is not None:
        epoch, svn = floor(database, POLICY_EPOCH_FLOOR), floor(database, RUNNER_SVN_FLOOR)
        known = last_policy(database)
        check_epoch(policy, stored_epoch=epoch, stored_runner_svn=svn, stored_sha256=known)
        raise_floor(database, POLICY_EPOCH_FLOOR, policy.epoch)
        raise_floor(database, RUNNER_SVN_FLOOR, policy.min_runner_svn)
        remember_policy(database, policy.sha256)
    database.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_STORE, wanted.encode()))
    return wanted


def enclave_configs(
    paths: Sequence[Path], vault_public: bytes, *, only_attested: bool = False
) -> frozenset[bytes] | None:
    """The digests of the configurations in these files, None where there is none of them. Raises ``Misconfigured`` for
    a file that is no configuration, or one of another vault's runners; and where the policy wants ``only_attested``
    capabilities, for one that lets guests call any: all of them are answered by the host so far."""
    digests = set()
    for path in paths:
        try:
            config = decode_enclave_config(read_file(path, ENCLAVE_CONFIG_BYTES_MAX, what="enclave configuration"))
        except FileNotFoundError:
            continue
        except EvidenceRejected as error:
            raise _config_refused(path, str(error), _make_again(path)) from None
        if config.vault_public_key != vault_public:
            why = f"it names the vault {config.vault_public_key.hex()}, and this one is {vault_public.hex()}"
            raise _config_refused(path, why, _make_again(path))
        if only_attested and config.capabilities:
            why = "it lets guests call capabilities, and [release] only_attested_capabilities lets them call none yet"
            raise _config_refused(path, why, _make_again(path, " --no-capabilities"))
        digests.add(config.sha256())
    if only_attested and not digests:
        # What a policy names by its digest alone cannot be looked into.
        raise _config_refused(
            next(iter(paths), Path()),
            "it is not there, and [release] only_attested_capabilities needs it",
            _make_again(next(iter(paths), Path()), " --no-capabilities"),
        )
    return frozenset(digests) or None


def no_policy(settings: VaultSettings) -> Misconfigured:
    """Why a vault without a policy releases nothing."""
    return Misconfigured(
        POLICY_INVALID,
        f"this vault has no policy, so it releases nothing: {settings.policy_file} does not exist",
        fix="python -m strongroom_vault init DIR makes one to edit, sign-policy signs it; then start the vault again",
        where=str(settings.policy_file),
    )


def _make_again(path: Path, options: str = "") -> str:
    command = f"{COMMAND} {path} --vault-key {path.with_name(VAULT_PUBLIC_NAME)}{options}"
    return f"move it away if it is there, and make it: {command}; then copy it to each host, as its enclave_config_file"


def _for(store: str) -> str:
    return "tests" if store == TEST_STORE else "production"


def _config_refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured(
        "SR-VAULT-012", f"enclave configuration {path} cannot be used", why=why, fix=fix, where=str(path)
    )
