"""The main program of ``vault serve``: read the file, open the vault, listen, and end when a signal asks for it.

Rule 1: signals are waited for and not handled, so that none comes between two steps that hold a lock.
Rule 2: what it says to people goes to stderr; with ``--json`` stdout holds one document once it is ready.
Rule 3: a vault that accepts simulations says so, first and last.
"""

import argparse
import json
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from strongroom.attest.receipt import SEPARATE
from strongroom.crypto.signing import key_id
from strongroom.plugin import Misconfigured, StrongroomError
from strongroom.plugin.serve.hardening import hide
from strongroom_vault.flags import SIMULATION_FLAG
from strongroom_vault.opening import open_vault
from strongroom_vault.service.config import ServiceConfig, read_config
from strongroom_vault.service.files import load_credentials
from strongroom_vault.service.server import VaultServer
from strongroom_vault.settings import VaultSettings
from strongroom_vault.vault import Vault

__all__ = ["main"]

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
CONFIGURATION: Final = 78
"""Of ``sysexits.h``, as the command line has it."""
INSECURE: Final = "INSECURE SIMULATION: what is released to simulations has no protection from the host operator"


def main(arguments: list[str]) -> int:
    """The exit code."""
    given = _parsed(arguments)
    hide()
    # Before there is a second thread, since each has its own mask and takes that of the one that made it.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    form = "%(asctime)s %(levelname)s %(message)s"
    level = logging.WARNING if given.quiet else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format=form, datefmt="%Y-%m-%dT%H:%M:%S%z")
    try:
        _serve(read_config(given.config), accepts_simulated=given.accepts_simulated, as_json=given.json)
    except StrongroomError as error:
        return _failed(error, as_json=given.json)
    return 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="strongroom vault serve", allow_abbrev=False)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML, see docs/vault.md")
    parser.add_argument(SIMULATION_FLAG, action="store_true", dest="accepts_simulated")
    parser.add_argument("--json", action="store_true", help="print one document when ready")
    parser.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    return parser.parse_args(arguments)


def _serve(config: ServiceConfig, *, accepts_simulated: bool, as_json: bool) -> None:
    tls = config.tls
    credentials = load_credentials(tls.certificate_file, tls.key_file, tls.client_ca_file, now=datetime.now(UTC))
    log = logging.getLogger("vault")
    vault = open_vault(_settings(config), log, mode="serve", place=SEPARATE, accepts_simulated=accepts_simulated)
    try:
        server = VaultServer(vault.methods(), credentials, tls.hosts)
        port = server.start(config.listen)
        _ready(config, vault, port, accepts_simulated=accepts_simulated, as_json=as_json)
        _wait()
        server.stop()
    finally:
        vault.close()
    if accepts_simulated:
        _say(f"{INSECURE} ({vault.insecure_releases} since the start)")


def _settings(config: ServiceConfig) -> VaultSettings:
    try:
        return VaultSettings.from_config(**config.vault)
    except ValueError as error:
        raise Misconfigured(
            "SR-VAULT-049",
            f"{config.path} has a wrong value for the vault",
            why=str(error),
            fix="correct it there; docs/vault.md has a whole file",
            where=str(config.path),
        ) from error


def _wait() -> None:
    """Until SIGTERM or SIGINT. A second one ends the process at once, whatever still goes on."""
    signal.sigwait(SIGNALS)
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _say("stopping: calls that were accepted may end")


def _ready(config: ServiceConfig, vault: Vault, port: int, *, accepts_simulated: bool, as_json: bool) -> None:
    address = f"{config.listen.rpartition(':')[0]}:{port}"
    fingerprint = key_id(vault.public_key).hex()
    listed = config.tls.hosts
    policy = "none: it releases nothing to enclaves"
    if vault.policy is not None:
        policy = f"{vault.policy.profile}, epoch {vault.policy.epoch}, SHA-256 {vault.policy.sha256.hex()}"
    if accepts_simulated:
        _say(INSECURE)
    _say(f"strongroom vault listens at {address}, a {vault.store} store")
    _say(f"  key:    {vault.public_key.hex()}, fingerprint SHA-256 {fingerprint}")
    _say(f"  policy: {policy}")
    _say(f"  hosts:  {'all of the CA' if listed is None else f'{len(listed)} by fingerprint'}")
    if as_json:
        document = {
            "schema": "strongroom.vault-ready/v1",
            "address": address,
            "pid": os.getpid(),
            "store": vault.store,
            "vault_public_key": vault.public_key.hex(),
            "fingerprint": fingerprint,
            "policy_sha256": vault.policy.sha256.hex() if vault.policy is not None else "",
            "policy_epoch": vault.policy.epoch if vault.policy is not None else 0,
            "insecure": accepts_simulated,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        sys.stdout.flush()


def _failed(error: StrongroomError, *, as_json: bool) -> int:
    if as_json:
        shown = {"code": error.code, "what": error.what, "why": error.why, "fix": error.fix, "exit_code": CONFIGURATION}
        _say(json.dumps({"schema": "strongroom.error/v1", "error": shown}, indent=2))
        return CONFIGURATION
    _say(f"error: {error.what} ({error.code})")
    for name, text in (("why", error.why), ("do", error.fix)):
        if text:
            _say(f"  {name + ':':<5}{text}")
    return CONFIGURATION


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
