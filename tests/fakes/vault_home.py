"""The home of a vault, and policies in it that a person wrote: signed by the home's own key."""

import re
from pathlib import Path

from strongroom.attest.policy import sign_policy
from strongroom.crypto.signing import SigningKey
from strongroom_vault.commands import init_home
from tests.fakes.vault_owner import Owner


def production_home(directory: Path, policy: str = "") -> Path:
    """The key file of a production vault, whose policy has ``policy`` at its end and is signed."""
    init_home(directory, is_test=False)
    rewrite_policy(directory / "vault.key", lambda text: text + policy)
    return directory / "vault.key"


def test_home(directory: Path) -> Path:
    """The key file of a vault for tests."""
    Owner(directory / "vault.key").close()
    return directory / "vault.key"


test_home.__test__ = False


def rewrite_policy(key_file: Path, change) -> None:
    """Change the text of the policy as a person would, and sign it again."""
    path = key_file.with_name("vault-policy.toml")
    lines = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("# Made by")]
    text = change("".join(lines))
    path.write_text(text)
    key = SigningKey.load(key_file.with_name("vault-policy.key"))
    path.with_name("vault-policy.toml.sig").write_bytes(sign_policy(text.encode(), key))


def replaced(old: str, new: str):
    """A change that replaces ``old``, which must be there."""

    def change(text):
        assert old in text, text
        return text.replace(old, new)

    return change


def raised(change):
    """``change``, and the epoch one higher, without which a vault that has had the policy before would not start."""

    def both(text):
        return re.sub(r"(?m)^epoch = (\d+)$", lambda found: f"epoch = {int(found[1]) + 1}", change(text))

    return both
