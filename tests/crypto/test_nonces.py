"""No nonce comes twice: not from one process, not from its forks, and not when a fork goes on from the same state."""

import os

import pytest

from strongroom.crypto import aes_gcm, encp, xchacha
from strongroom.crypto.keys import Key
from tests.faults.figures import record
from tests.faults.scale import much

KEY = Key(bytes(range(32)))
MESSAGES = much(500_000, 10_000_000)
OF_A_FORK = 2_000
FORKS = 4


def of_aes(_number):
    return aes_gcm.encrypt(KEY, b"", b"")[: aes_gcm.NONCE_BYTES]


def of_xchacha(_number):
    return xchacha.encrypt(KEY, b"", b"")[: xchacha.NONCE_BYTES]


SOURCES = {"AES-256-GCM": of_aes, "XChaCha20-Poly1305": of_xchacha}


def repeats(nonces):
    """How many of them came before. By their first byte, so that few are compared at a time."""
    shelves = [bytearray() for _ in range(256)]
    size = 0
    for nonce in nonces:
        size = len(nonce)
        shelves[nonce[0]] += nonce
    found = 0
    for shelf in shelves:
        count = len(shelf) // size
        found += count - len({bytes(shelf[at * size : (at + 1) * size]) for at in range(count)})
    return found


def test_control_a_nonce_that_comes_twice_is_found():
    assert repeats([b"abc", b"abd", b"bbc", b"abc"]) == 1


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SOURCES)
def test_no_nonce_comes_twice(name):
    found = repeats(map(SOURCES[name], range(MESSAGES)))
    record("K7", f"{MESSAGES} messages of {name}", demanded="0 nonces twice", measured=found, met=found == 0)
    assert found == 0


def sealed_by_a_fork(make):
    """What a fork of this process makes, which begins in the state that this one is in."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Nothing of pytest may run here.
        try:
            with os.fdopen(writes, "wb") as out:
                out.write(b"".join(make(number) for number in range(OF_A_FORK)))
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as source:
        data = source.read()
    os.waitpid(pid, 0)
    size = len(data) // OF_A_FORK
    return [data[at * size : (at + 1) * size] for at in range(OF_A_FORK)]


@pytest.mark.parametrize("name", SOURCES)
def test_forks_of_one_process_draw_nonces_of_their_own(name):
    make = SOURCES[name]
    make(0)
    nonces = [nonce for _ in range(FORKS) for nonce in sealed_by_a_fork(make)]
    nonces += [make(number) for number in range(OF_A_FORK)]
    found = repeats(nonces)
    what = f"{FORKS} forks of one state, {name}"
    record("K7", what, demanded="0 nonces twice", measured=f"{found} of {len(nonces)}", met=found == 0)
    assert len(nonces) == (FORKS + 1) * OF_A_FORK
    assert found == 0


def test_forks_of_one_writer_of_payloads_share_its_key_agreement_and_no_nonce():
    target = encp.SealTarget(encp.RunKeyPair(KEY).public)
    start = len(target.seal(b"")) - 28
    nonces = [whole[start : start + 12] for _ in range(FORKS) for whole in sealed_by_a_fork(lambda _: target.seal(b""))]
    nonces += [target.seal(b"")[start : start + 12] for _ in range(OF_A_FORK)]
    assert repeats(nonces) == 0
