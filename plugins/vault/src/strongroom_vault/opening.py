"""A vault from its files: policy, store, key, shelf, rooms, in the order in which each is needed by the next.

A vault that cannot open what is stored does not start: it would tell every workflow that its secrets are gone, and the
next ``secret set`` would bury the old ones.
"""

import logging
import shlex
import sys
from pathlib import Path
from typing import Final

from strongroom.attest.policy import Policy
from strongroom.attest.vault_identity import PRODUCTION_STORE, TEST_STORE, VaultIdentity, sign_identity
from strongroom.plugin import Misconfigured
from strongroom_vault.clock import Clock
from strongroom_vault.decision import Decider
from strongroom_vault.development import prepare
from strongroom_vault.key import VaultKey, load_key_file
from strongroom_vault.manifests import ManifestRoom
from strongroom_vault.owners import OwnerKeys
from strongroom_vault.policy_in_force import PolicyInForce, check_store, enclave_configs, load_policy, no_policy
from strongroom_vault.records import Records
from strongroom_vault.release_room import ReleaseRoom, ReleaseRules
from strongroom_vault.secret_methods import SecretMethods
from strongroom_vault.settings import VaultSettings
from strongroom_vault.shelf import Shelf
from strongroom_vault.state import State
from strongroom_vault.vault import Vault
from strongroom_vault.verifiers import installed_verifiers

__all__ = ["open_vault"]

CREDENTIALS: Final = Path("/run/credentials")
"""Where systemd puts what it hands over; nobody makes a file there."""


def open_vault(
    settings: VaultSettings,
    log: logging.Logger,
    *,
    mode: str,
    place: str,
    accepts_simulated: bool = False,
    clock: Clock | None = None,
) -> Vault:
    """The vault of these files. ``mode`` is ``dev`` or ``serve``; a development vault makes what is missing. ``place``
    is ``co-located`` or ``separate``. Raises ``Misconfigured`` and ``KeyMissing``."""
    clock = clock or Clock()
    state = State(settings.state_file)
    try:
        return _opened(settings, log, state, clock, mode=mode, place=place, accepts_simulated=accepts_simulated)
    except BaseException:
        state.close()
        raise


def _opened(
    settings: VaultSettings,
    log: logging.Logger,
    state: State,
    clock: Clock,
    *,
    mode: str,
    place: str,
    accepts_simulated: bool,
) -> Vault:
    records = Records(state)
    if mode == "dev":
        prepare(settings, state, log, now=clock.now())
    policy = load_policy(settings)
    with state.transaction() as database:
        store = check_store(
            database,
            policy,
            default=TEST_STORE if mode == "dev" else PRODUCTION_STORE,
            accepts_simulated=accepts_simulated,
            path=settings.state_file,
        )
    key = _load_key(settings.key_file, store, is_in_use=Shelf.in_use(records))
    shelf = Shelf(records, key)
    shelf.check_key()
    manifests = ManifestRoom(state, OwnerKeys.load(settings.owners, store=store, home=settings.home), clock, log)
    force = _in_force(settings, policy, key, accepts_simulated=accepts_simulated)
    decider = Decider(
        state=state,
        shelf=shelf,
        manifests=manifests,
        clock=clock,
        policy=force,
        no_policy=lambda: no_policy(settings),
    )
    rules = ReleaseRules(attempts_max=settings.attempts_max, place=place)
    identity = VaultIdentity(
        vault_public_key=key.signing.public,
        box_public_key=bytes.fromhex(key.box.public_hex),
        store=store,
        vault=place,
        policy_sha256=policy.sha256 if policy is not None else bytes(32),
        policy_epoch=policy.epoch if policy is not None else 0,
    )
    if policy is None:
        log.warning("%s", no_policy(settings))
    elif accepts_simulated:
        log.warning("INSECURE SIMULATION: this vault releases test secrets to simulated enclaves")
    log.info("vault opened with key %s, a store for %s", key.key_id, store)
    return Vault(
        state=state,
        shelf=shelf,
        secrets=SecretMethods(key, shelf, log, store=store, reads=settings.reads),
        manifests=manifests,
        releases=ReleaseRoom(key=key, state=state, decider=decider, clock=clock, log=log, rules=rules),
        identity=sign_identity(identity, key.signing),
        public_key=key.signing.public,
        store=store,
        policy=policy,
    )


def _in_force(
    settings: VaultSettings, policy: Policy | None, key: VaultKey, *, accepts_simulated: bool
) -> PolicyInForce | None:
    if policy is None:
        return None
    return PolicyInForce(
        policy=policy,
        verifiers=installed_verifiers(),
        enclave_configs=enclave_configs(
            settings.enclave_config_files,
            key.signing.public,
            only_attested=policy.release.only_attested_capabilities,
        ),
        accepts_simulated=accepts_simulated,
    )


def _load_key(path: Path, store: str, *, is_in_use: bool) -> VaultKey:
    try:
        return load_key_file(path, store=store)
    except FileNotFoundError:
        raise Misconfigured(
            "SR-VAULT-004",
            f"vault key file {path} does not exist",
            why="secrets are stored under it, and a new key could not open them"
            if is_in_use
            else "only a development host makes one by itself",
            fix="restore it from a backup" if is_in_use else f"for this empty vault: {_command_that_makes(path)}",
            where=str(path),
        ) from None


def _command_that_makes(path: Path) -> str:
    """A line of shell that makes the key file with the Python that serves this vault, where somebody can write to."""
    if path.is_relative_to(CREDENTIALS):
        return f"hand it over as the credential {path.name}: docs/operations.md, A vault"
    python, directory, file = (shlex.quote(str(word)) for word in (sys.executable, path.parent, path))
    return f"mkdir -p -m 700 {directory} && {python} -m strongroom_vault init-key {file}"
