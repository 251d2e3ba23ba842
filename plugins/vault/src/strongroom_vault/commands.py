"""What an operator does with a vault from a command line, while it does not run: make a home, sign a policy, check the
audit records.

Rule 1: nothing is ever overwritten: where one of the files is there, none is made. A key that is there is used.
Rule 2: whoever signs a policy reads first whether it is one, and whether the key is the one that the vault pins.
"""

from datetime import UTC, datetime
from pathlib import Path

from strongroom.attest.enclave_config import EnclaveConfig
from strongroom.attest.policy import OTHER_CONTENT_SIGNED, POLICY_BYTES_MAX, parse_policy, sign_policy
from strongroom.audit.chain import ChainBreak
from strongroom.crypto.signing import SIGNATURE_BYTES, SigningKey
from strongroom.plugin import Misconfigured
from strongroom_vault.audit_log import verify_audit
from strongroom_vault.development import (
    POLICY_KEY_NAME,
    VAULT_PUBLIC_NAME,
    make_test_home,
    new_signing_key,
    write_public,
)
from strongroom_vault.key import create_key_file, load_key_file
from strongroom_vault.policy_text import production_template
from strongroom_vault.public_files import read_file, read_public_key
from strongroom_vault.settings import VaultSettings
from strongroom_vault.verifiers import installed_pin

__all__ = ["init_home", "init_key", "sign_policy_file", "verify_audit_file"]

KEY_NAME = "vault.key"


def init_key(path: Path) -> str:
    """Make a key file; what to tell people. Raises ``Misconfigured``."""
    create_key_file(path)
    return f"wrote {path}, key {load_key_file(path).key_id}; back it up: without it no stored secret can be read"


def init_home(directory: Path, *, is_test: bool) -> str:
    """Make what is missing in the home of a vault for production, or for tests; what to tell people.

    Raises ``Misconfigured``.
    """
    home = directory.absolute()
    settings = VaultSettings.from_config(key_file=str(home / KEY_NAME))
    _check_empty(home, settings)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(home, error.strerror or "it cannot be made", "choose a directory of your own") from error
    if settings.key_file.exists():
        load_key_file(settings.key_file)
    else:
        create_key_file(settings.key_file)
    if is_test:
        make_test_home(settings, now=datetime.now(UTC))
        return _told(settings, "a vault for tests, whose policy accepts simulations and is signed")
    key = load_key_file(settings.key_file)
    write_public(home / VAULT_PUBLIC_NAME, f"{key.signing.public.hex()}\n".encode())
    signer = new_signing_key(home / POLICY_KEY_NAME)
    write_public(settings.policy_public_key, f"{signer.public.hex()}\n".encode())
    write_public(settings.policy_file, production_template(installed_pin()).encode())
    config = EnclaveConfig(vault_public_key=key.signing.public, policy_epoch=1)
    write_public(settings.enclave_config_files[0], config.encode())
    told = _told(settings, "a vault for production, whose policy accepts nothing yet")
    command = f"python -m strongroom_vault sign-policy {settings.policy_file} --key {home / POLICY_KEY_NAME}"
    return f"{told}\nedit {settings.policy_file}, then: {command}\nthen keep {POLICY_KEY_NAME} on another machine"


def sign_policy_file(path: Path, key_path: Path) -> str:
    """Sign a policy into ``FILE.sig``; what to tell people. Raises ``Misconfigured``, also for another key than the one
    whose public half lies beside the policy: the vault that pins that would start no more."""
    try:
        content = read_file(path, POLICY_BYTES_MAX, what="policy")
        key = SigningKey.load(key_path)
    except FileNotFoundError as error:
        raise _refused(Path(str(error.filename)), "there is no such file", "correct the path") from error
    policy = parse_policy(content, file=path.name)
    _check_signer(path.with_suffix(".pub"), key)
    signature, signed = path.with_name(path.name + ".sig"), sign_policy(content, key)
    is_other = signature.exists() and read_file(signature, SIGNATURE_BYTES, what="policy signature") != signed
    write_public(signature, signed)
    told = f"wrote {signature}: {policy.profile}, epoch {policy.epoch}, signed by {key.public.hex()}"
    return f"{told}\n{OTHER_CONTENT_SIGNED.format(epoch=policy.epoch)}" if is_other else told


def _check_signer(pinned: Path, key: SigningKey) -> None:
    if not pinned.exists():
        return
    public = read_public_key(str(pinned), what="policy_public_key")
    if public != key.public:
        raise _refused(
            pinned,
            f"it is the key {public.hex()}, and the policy would be signed by {key.public.hex()}",
            "sign with its private half; to change the signer, replace this file first",
        )


def verify_audit_file(path: Path) -> tuple[str, bool]:
    """What to tell people of the audit records in a state file, and whether they hold. Raises ``Misconfigured``."""
    try:
        end = verify_audit(path)
    except ChainBreak as found:
        return f"the chain is broken at {found}", False
    return f"{end.count} audit records hold; record {end.number} has the digest {end.digest.hex()}", True


def _check_empty(home: Path, settings: VaultSettings) -> None:
    made = [settings.policy_file, settings.policy_public_key, *settings.enclave_config_files]
    for path in [home / VAULT_PUBLIC_NAME, home / POLICY_KEY_NAME, *made]:
        if path.exists():
            raise _refused(path, "it exists", "choose another directory: nothing of a vault is ever overwritten")


def _told(settings: VaultSettings, what: str) -> str:
    files = ", ".join(sorted(each.name for each in settings.home.iterdir()))
    return f"made {what}, in {settings.home}: {files}\nback up {KEY_NAME}: without it no stored secret can be read"


def _refused(path: Path, why: str, fix: str) -> Misconfigured:
    return Misconfigured("SR-VAULT-014", f"{path} cannot be used", why=why, fix=fix, where=str(path))
