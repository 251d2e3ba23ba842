"""What is used once can be used again where no file can be opened."""

import subprocess
import sys

USES = (
    "from strongroom.crypto.hpke import KemKey, seal_message\n"
    "from strongroom.crypto.signing import SigningKey, is_signed\n"
    "kem, key = KemKey.generate(), SigningKey.generate()\n"
    "assert kem.open(seal_message(kem.public, b'x', info=b'i'), info=b'i') == b'x'\n"
    "assert is_signed(key.public, 't', b'x', key.sign('t', b'x'))\n"
)


def sealed(before):
    """The program that uses everything, in a process that has sealed itself after ``before``."""
    program = f"{before}\nfrom strongroom.guest import sandbox\nimport strongroom.crypto.first_use\n"
    program += f"report = sandbox.apply()\n{USES}print('used', *report.missing)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_keys_are_made_and_used_in_a_sealed_process():
    done = sealed("from strongroom.crypto.first_use import use_once\nuse_once()")
    assert (done.stdout.split()[:1], done.stderr) == (["used"], "")
