"""``python -m strongroom_vault`` serves the plugin to its host; with a command it does what ``commands`` has."""

import argparse
import gc
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

from strongroom.plugin import Misconfigured
from strongroom_vault.flags import SIMULATION_FLAG

USAGE_EXIT: Final = 64
REFUSED_EXIT: Final = 73
BROKEN_EXIT: Final = 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.format_usage()}{message}\n")
        sys.exit(USAGE_EXIT)


def main(arguments: list[str]) -> int:
    """The exit code. Without a command this is a plugin process, which talks to the host that started it."""
    if not arguments or arguments == [SIMULATION_FLAG]:
        gc.disable()  # what is imported stays; `serve` has garbage looked for again
        from strongroom.plugin.serve import serve  # gRPC is not needed to make a key
        from strongroom_vault.plugin import SimulatingVaultPlugin, VaultPlugin

        serve(SimulatingVaultPlugin if arguments else VaultPlugin)
        return 0
    if arguments[0] == "serve":
        # gRPC reads it when it is imported, and would write a raw line for each connection that a scanner cut.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from strongroom_vault.service.main import main as serve_service

        return serve_service(arguments[1:])
    if arguments[0] == "enrol-tpm":
        from strongroom_vault.tpm_enrolment import main as enrol_tpm

        return enrol_tpm(arguments[1:])
    if arguments[0] == "enclave-config":
        from strongroom_vault.enclave_config_file import main as make_enclave_config

        return make_enclave_config(arguments[1:])
    try:
        return _command(_parser().parse_args(arguments))
    except Misconfigured as error:
        print(f"{error}\n{error.fix}", file=sys.stderr)
        return REFUSED_EXIT


def _command(found: argparse.Namespace) -> int:
    from strongroom_vault import commands

    if found.command == "init-key":
        print(commands.init_key(found.file))
    elif found.command == "init":
        print(commands.init_home(found.directory, is_test=found.test))
    elif found.command == "sign-policy":
        print(commands.sign_policy_file(found.file, found.key))
    else:
        told, holds = commands.verify_audit_file(found.state_file)
        print(told, file=sys.stdout if holds else sys.stderr)
        return 0 if holds else BROKEN_EXIT
    return 0


def _path(text: str) -> Path:
    """From where the command runs; what a vault is configured with has no such place, and takes absolute ones alone."""
    return Path(text).absolute()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m strongroom_vault", description="A vault, while it is not running.")
    commands = parser.add_subparsers(dest="command", required=True)
    key = commands.add_parser("init-key", help="make the key file of a vault; nothing is overwritten")
    key.add_argument("file", type=_path)
    home = commands.add_parser(
        "init", help="make the home of a vault; a key that is there is used, and nothing is overwritten"
    )
    home.add_argument("directory", type=_path)
    home.add_argument("--test", action="store_true", help="a vault for tests, whose policy accepts simulations")
    sign = commands.add_parser("sign-policy", help="sign a policy into FILE.sig")
    sign.add_argument("file", type=_path)
    sign.add_argument("--key", type=_path, required=True, help="the key that the vault pins")
    audit = commands.add_parser("audit", help="audit records of a vault").add_subparsers(dest="audit", required=True)
    verify = audit.add_parser("verify", help="whether the chain of audit records holds")
    verify.add_argument("state_file", type=_path)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
