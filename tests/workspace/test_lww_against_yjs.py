"""What stores write, large and small, is the same array for the Yjs that browsers run."""

import random

import pytest

from tests.fakes.node import NodeProcess
from tests.fakes.replica_group import REPLICAS, Group


def operations(seed, count):
    """Steps of ``Group`` at random, the same for the same seed."""
    die = random.Random(seed)  # noqa: S311 - repeatable, not secret
    keys = [f"n{number}" for number in range(6)] + ["a", "b"]
    for _ in range(count):
        name = die.choice(["set", "set", "delete", "bulk", "again", "again", "merge", "merge", "tick", "reopen"])
        what = {
            "set": lambda: die.choice(keys),
            "delete": lambda: die.choice(keys),
            "bulk": lambda: die.randint(1, 60),
            "again": lambda: die.sample(keys, 4) + [f"n{number}" for number in range(6, die.randint(7, 60))],
            "merge": lambda: die.randrange(REPLICAS),
            "tick": lambda: die.randint(-3, 5),
            "reopen": lambda: None,
        }[name]()
        yield name, die.randrange(REPLICAS), what


@pytest.mark.parametrize("seed", range(4))
def test_yjs_ends_with_the_same_array(seed):
    group = Group()
    group.run(operations(seed, 150))
    updates = list(group.updates)
    random.Random(seed).shuffle(updates)  # noqa: S311 - repeatable, not secret
    with NodeProcess("yjs.cjs") as yjs:
        for update in updates:
            yjs.ask("apply", update=update.hex())
        shown = yjs.ask("values", array="kv")
    assert shown == group.replicas[0].raw()
    assert len(shown) > 10
