"""Random modules, one after another in this process: ``python -m tests.guests.random_modules SEED COUNT``.

Half of them are guests of ours with damaged bytes, the others call what a host offers with arguments that make little
sense. Whatever they are, each is refused or ends, and this process lives. It prints how often which end was reached.
"""

import random
import sys
from collections import Counter

from strongroom.errors import StrongroomError
from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.one_guest import run_guest
from tests.guest.program import ENV, MEMORY_BYTES, REGION, Program
from tests.guest.test_wasi import PREVIEW1
from tests.guests.build import WAT, wasm
from tests.guests.host import PretendedHost

TIMEOUT_MS = 100
REQUEST = sdk_pb2.ExecuteRequest(config=b"5", trigger=sdk_pb2.Trigger(id=0)).SerializeToString()
C = ["config", "echo", "async-calls", "mode-switch", "random", "secrets", "wasi", "bad-pointers", "many-calls"]
TEXTS = sorted(path.stem for path in WAT.glob("*.wat"))
NUMBERS = [0, 1, -1, 4, 8, 48, 1024, REGION, MEMORY_BYTES - 1, MEMORY_BYTES, 2**31 - 1, -(2**31), 2147483547]


def damaged(dice: random.Random) -> bytes:
    """A guest of ours with some bits changed, most of them in its code; or one with bytes put in, left out, doubled."""
    bits_only = dice.random() < 0.8
    module = bytearray(wasm(dice.choice(C if bits_only else [*C, *TEXTS])))
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(module) // 3 if bits_only else 8, len(module))
        match 0 if bits_only else dice.randrange(1, 4):
            case 0:
                # One bit: most of what this makes is still a module, and does something else.
                module[at] ^= 1 << dice.randrange(8)
            case 1:
                module[at:at] = dice.randbytes(dice.randrange(1, 9))
            case 2:
                del module[at : at + dice.randrange(1, 9)]
            case _:
                module[at:at] = module[at : at + dice.randrange(1, 400)]
    return bytes(module)


def calling(dice: random.Random) -> bytes:
    """A guest that makes forty calls with arguments drawn from those that hosts get wrong."""
    program = Program(form=2)
    program.put(dice.randbytes(512))
    room = program.buffer(256)
    calls = [name for name in ENV if name != "send_response"]
    for _ in range(40):
        name = dice.choice([*calls, *(name for name in PREVIEW1 if name != "proc_exit")])
        drawn = [dice.choice(NUMBERS) for _ in (ENV[name][0] if name in ENV else PREVIEW1[name])]
        if name not in ENV:
            program.wasi(name, PREVIEW1[name], *drawn)
            continue
        if len(drawn) == 4 and dice.random() < 0.98:
            # A failure that cannot be told ends the guest, so it nearly always can.
            drawn[2:] = [room, 256]
        program.env(name, *drawn)
    return program.wasm()


def end_of(module: bytes) -> str:
    """How it ended, in a word."""
    try:
        run_guest(module, REQUEST, PretendedHost(timeout_ms=TIMEOUT_MS), limits=GuestLimits(memory_bytes_max=1 << 24))
    except StrongroomError as end:
        return type(end).__name__
    return "result"


def main() -> None:
    """Run them."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    ends = Counter[str]()
    for at in range(seed, seed + count):
        dice = random.Random(at)  # noqa: S311 - the same seed must give the same module
        ends[end_of(damaged(dice) if at % 2 else calling(dice))] += 1
    sys.stdout.write(f"{dict(ends)} {sum(ends.values())}\n")


if __name__ == "__main__":
    main()
