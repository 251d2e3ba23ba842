"""What a sealed payload of a run costs, beside WebCrypto in Node, which the programs use that made the format."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from bench.figures import Row, Samples, in_turns
from bench.worker import ROOT, Worker
from tests.fakes.node import node_program

__all__ = ["measure"]

SOURCE: Final = ROOT / "bench" / "peers" / "webcrypto_payloads.mjs"
RATIO_MIN: Final = 10.0
DERIVE_S_MAX: Final = 10e-6
SIZES: Final = ((64, "64 B", 500), (1024, "1 KB", 500), (10 * 1024, "10 KB", 250))
"""Bytes, their name, and how many payloads are sealed between two looks at the clock."""
OURS, NODE = "ours", "WebCrypto"
WARM_UP: Final = 10


def measure(directory: Path) -> list[Row]:
    """The rows of each size, and of the key of a run."""
    del directory
    with ExitStack() as stack:
        ours = stack.enter_context(closing(Worker("bench.payloads_worker")))
        node = stack.enter_context(closing(Worker(command=[str(node_program()), str(SOURCE)])))
        rows: list[Row] = []
        for size, name, count in SIZES:
            # Whoever cannot open what we seal does something else than we do.
            assert node.ask(f"length {ours.ask(f'payload {size}')}") == size
            for verb, label in (("seal", "sealed"), ("open", "opened")):
                sides = {OURS: _asker(ours, f"{verb} {size} {count}"), NODE: _asker(node, f"{verb} {size} {count}")}
                # Node compiles what it runs often: the warm-up is thousands of payloads.
                taken = in_turns(sides, warm_up=WARM_UP, count=50, budget_s=10)
                rows += _rows(f"an encr payload of {name}, {label}", taken, node.ready)
        alone = {"bound": _asker(ours, "bound 1024 500"), "key": _asker(ours, "derive 500")}
        taken = in_turns(alone, warm_up=WARM_UP, count=50, budget_s=10)
    key = taken["key"]
    return [
        *rows,
        Row(what="1 KB in srn1, bound to its place in a journal", measured=_us(taken["bound"]), samples=taken["bound"]),
        Row(
            what="the key of a run, derived",
            demanded=f"≤ {DERIVE_S_MAX * 1e6:.0f} µs",
            measured=_us(key),
            met=key.p50 <= DERIVE_S_MAX,
            samples=key,
        ),
    ]


def _asker(worker: Worker, question: str) -> Callable[[], float]:
    return lambda: float(worker.ask(question))


def _rows(what: str, taken: dict[str, Samples], called: str) -> list[Row]:
    ratio = taken[NODE].p50 / taken[OURS].p50
    return [
        Row(what=what, measured=_us(taken[OURS]), samples=taken[OURS]),
        Row(
            what=f"  beside it: {called}, awaited one by one",
            demanded=f"ours ≥ {RATIO_MIN:.0f} x as fast",
            measured=f"{ratio:.1f} x as fast",
            met=ratio >= RATIO_MIN,
            samples=taken[NODE],
        ),
    ]


def _us(taken: Samples) -> str:
    return f"{taken.p50 * 1e6:.1f} µs"
