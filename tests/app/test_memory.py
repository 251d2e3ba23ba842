"""Large buffers leave the process when they are freed; and what a start loads is not looked through for garbage."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
from strongroom.app.memory import return_large_buffers

def resident_mb():
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmRSS:"))

set_ = return_large_buffers()
before = resident_mb()

def work():
    for _ in range(3):
        first = b"x" * 30_000_000
        small = [bytes(100) for _ in range(1_000)]
        second = b"y" * 20_000_000
        del first, second

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(set_, resident_mb() - before)
"""


def test_an_idle_process_does_not_hold_what_large_buffers_took():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    set_, kept_mb = done.stdout.split()
    if set_ != "True":
        pytest.skip("this C library has no such setting")
    assert int(kept_mb) < 20


def test_while_a_host_is_loaded_no_garbage_is_looked_for_and_what_is_loaded_is_left_alone_after():
    script = (
        "import gc\n"
        "from strongroom.app.memory import loading\n"
        "before = [each['collections'] for each in gc.get_stats()]\n"
        "with loading():\n"
        "    import strongroom.app.daemon\n"
        "    meanwhile = [each['collections'] for each in gc.get_stats()]\n"
        "print(before == meanwhile, gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


def test_beside_a_large_workspace_everything_is_seldom_looked_through_and_old_cycles_are_freed_all_the_same():
    script = (
        "import gc\n"
        "from collections import deque\n"
        "from strongroom.app.memory import loading\n"
        "with loading():\n"
        "    pass\n"
        "class Knot:\n"
        "    alive = 0\n"
        "    def __init__(self):\n"
        "        self.itself = self\n"
        "        Knot.alive += 1\n"
        "    def __del__(self):\n"
        "        Knot.alive -= 1\n"
        "full = gc.get_stats()[2]['collections']\n"
        "kept = [[number] for number in range(300_000)]\n"
        "seldom = gc.get_stats()[2]['collections'] - full\n"
        "del kept\n"
        "old = deque(maxlen=20_000)\n"  # long enough for each of them to outlive two looks
        "most = 0\n"
        "for _ in range(2_000_000):\n"
        "    old.append(Knot())\n"
        "    most = max(most, Knot.alive)\n"
        "print(seldom, most)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    seldom, most = map(int, done.stdout.split())
    assert seldom == 0
    assert 100_000 < most < 1_200_000
