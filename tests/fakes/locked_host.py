"""A process that locks its memory as the host does and executes a guest; it prints what came of both as JSON.

``python -m tests.fakes.locked_host DIRECTORY KERNEL [POOL_SOCKET]``; KERNEL is what the kernel is pretended to be.
"""

import ctypes
import hashlib
import hmac
import json
import mmap
import sys
from pathlib import Path

from strongroom.app.hardening import INHERITED, NOT_INHERITED, Kernel
from strongroom.app.memory_lock import lock_memory
from strongroom.errors import Misconfigured
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.settings.model import Settings
from tests.guest.running import execute, text_of


class Before66(Kernel):
    """Knows the lock, and not that it can be kept from children."""

    def refuse(self, how):
        return "Invalid argument" if how == NOT_INHERITED else super().refuse(how)


class Before63(Kernel):
    """Knows no lock."""

    def knows(self):
        return "Invalid argument"

    def refuse(self, how):
        return "Invalid argument"


class Forgetful(Kernel):
    """Says that it locks, and does not."""

    def refuse(self, how):
        return ""


class Inherited(Kernel):
    """This process was started by one that had locked itself and all that it starts, as a unit does."""

    def __init__(self):
        assert not Kernel().refuse(INHERITED)


KERNELS = {
    "real": Kernel,
    "before 6.6": Before66,
    "before 6.3": Before63,
    "forgetful": Forgetful,
    "of the unit": Inherited,
}


class AnyKey:
    """Authenticates the cache of one test."""

    def mac(self, data):
        return hmac.digest(b"k", data, hashlib.sha256)

    def check_mac(self, data, mac):
        assert self.mac(data) == mac


def attempts():
    """What becomes of each way to make memory executable."""
    outcomes = {}
    for name, protection in (("written and executed", 7), ("written", 3)):
        try:
            page = mmap.mmap(-1, mmap.PAGESIZE, prot=protection)
        except OSError as error:
            outcomes[name] = error.strerror
            continue
        page.write(b"\xc3")
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        libc = ctypes.CDLL(None, use_errno=True)
        made = libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC)
        outcomes[name] = "executable" if made == 0 else "refused"
    return outcomes


def main(directory, kernel, pool_socket=None):
    """Lock, try, execute, end."""
    runners = {"pool_socket": pool_socket} if pool_socket else {}
    settings = Settings(runtime_dir=directory / "run", runners=runners)
    try:
        lock = lock_memory(settings, KERNELS[kernel]())
    except Misconfigured as refusal:
        return {"refused": f"{refusal.code} {refusal.with_fix()}"}
    pool = RunnerPool(
        runners_max=1, cache=CompiledCache(directory / "cache", AnyKey()), limits=GuestLimits(), start=lock.start
    )
    try:
        ran = text_of(execute(pool, "config")).decode()
        protections = list(pool.report().protections)
    finally:
        pool.close()
        lock.end()
    made = attempts()
    return {"way": lock.way, "made": made, "ran": ran, "pool_socket": lock.pool_socket, "protections": protections}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:])))
