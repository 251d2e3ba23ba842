"""``python -m strongroom_vault`` serves the plugin to its host; ``… init-key FILE`` makes the key that it needs."""

import sys
from pathlib import Path

from strongroom.plugin import Misconfigured
from strongroom_vault.flags import SIMULATION_FLAG
from strongroom_vault.key import create_key_file, load_key_file

USAGE = "usage: python -m strongroom_vault init-key FILE"


def main(arguments: list[str]) -> int:
    """The exit code. Without arguments this is a plugin process, which talks to the host that started it."""
    if not arguments or arguments == [SIMULATION_FLAG]:
        from strongroom.plugin.serve import serve  # gRPC is not needed to make a key
        from strongroom_vault.plugin import SimulatingVaultPlugin, VaultPlugin

        serve(SimulatingVaultPlugin if arguments else VaultPlugin)
        return 0
    if len(arguments) != 2 or arguments[0] != "init-key":
        print(USAGE, file=sys.stderr)
        return 64
    path = Path(arguments[1])
    try:
        create_key_file(path)
    except Misconfigured as error:
        print(f"{error}\n{error.fix}", file=sys.stderr)
        return 73
    print(f"wrote {path}, key {load_key_file(path).key_id}; back it up: without it no stored secret can be read")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
