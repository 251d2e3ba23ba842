"""``python -m strongroom_vault enclave-config``: what the runners of a vault believe, in a file to give out.

``init`` makes the first one. This makes another: when that was lost, or for runners whose guests may call less.
Rule: no file is overwritten. Runners that have the one that is there would get no secrets from then on.
"""

import argparse
import sys
from pathlib import Path
from typing import Final, NoReturn

from strongroom.attest.enclave_config import ANY_CAPABILITY, EnclaveConfig
from strongroom.plugin import EvidenceRejected, Misconfigured
from strongroom_vault.public_files import read_public_key

__all__ = ["COMMAND", "main"]

COMMAND: Final = "python -m strongroom_vault enclave-config"
USAGE_EXIT: Final = 64
REFUSED_EXIT: Final = 73


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.format_usage()}{message}\n")
        sys.exit(USAGE_EXIT)


def main(arguments: list[str]) -> int:
    """The exit code: 0, 64 for usage, 73 for what cannot be made."""
    found = _parser().parse_args(arguments)
    named = tuple(sorted(set(found.capability)))
    try:
        config = EnclaveConfig(
            vault_public_key=read_public_key(str(found.vault_key.absolute()), what="--vault-key"),
            policy_epoch=found.policy_epoch,
            capabilities=() if found.no_capabilities else named or (ANY_CAPABILITY,),
        )
        encoded = config.encode()
        with found.file.open("xb") as file:
            file.write(encoded)
    except (Misconfigured, EvidenceRejected) as error:
        print(f"{error.code} {error.with_fix()}", file=sys.stderr)
        return REFUSED_EXIT
    except FileExistsError:
        print(f"{found.file} exists, and nothing is overwritten; move it away, or choose another name", file=sys.stderr)
        return REFUSED_EXIT
    except OSError as error:
        print(f"{found.file} cannot be written: {error.strerror}", file=sys.stderr)
        return REFUSED_EXIT
    print(f"wrote {found.file}, SHA-256 {config.sha256().hex()}")
    print("name it in enclave_config_files of the vault, and copy it to each host: enclave_config_file there")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=COMMAND, description="The configuration of the enclave runners of a vault.")
    parser.add_argument("file", type=Path, help="the file to make")
    parser.add_argument("--vault-key", type=Path, required=True, help="vault.pub of the vault's home")
    parser.add_argument("--policy-epoch", type=int, default=1, help="the oldest policy that may release to them")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--capability", action="append", default=[], help="one that guests may call; all if none is named"
    )
    which.add_argument("--no-capabilities", action="store_true", help="guests may call none")
    return parser
