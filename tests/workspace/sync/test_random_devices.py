"""Devices of both dialects and of the daemon itself edit at random while the relay comes and goes."""

import random

import pytest

from strongroom.workspace.sync.limits import RelayTimes
from strongroom.workspace.sync.subprotocols import Dialect
from tests.fakes.relay_rig import RelayRig, connected, in_step, new_documents

EDITS = 500
RESTARTS = (150, 151, 330)


@pytest.mark.parametrize("seed", range(3))
def test_devices_converge_whatever_happens_to_the_relay(seed, tmp_path):
    chance = random.Random(seed)  # noqa: S311 - the same edits each time
    times = RelayTimes(life_s=0.2, idle_s=0.02, leave_s=0.01, close_s=0.5)
    with RelayRig(tmp_path, times=times) as rig:
        documents = new_documents(4)
        clients = [
            rig.client(documents[0], "a"),
            rig.client(documents[1], "b"),
            rig.client(documents[2], "c", dialect=Dialect.EPICENTER),
            rig.local_client(documents[3]),
        ]
        for number in range(EDITS):
            document = chance.choice(documents)
            with document.transaction():
                array = document.array("kv")
                if len(array) > 10 and chance.random() < 0.4:
                    del array[chance.randrange(len(array))]
                else:
                    array.insert(
                        chance.randint(0, len(array)), {"key": str(number), "val": "x" * chance.randint(0, 99)}
                    )
            if number in RESTARTS:
                rig.restart()
        connected(*clients)
        in_step(*documents)
        assert rig.refused == {}
