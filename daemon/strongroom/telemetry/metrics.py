"""``Metrics``: what parts of the host have counted, as text for Prometheus. The only door to its library.

Nothing is counted here. Whoever has a number is a source, and is asked when somebody looks.

Rule 1: a source that fails, or does not answer in time, never fails the answer: what it said last stands in for it.
Rule 2: a source is asked by one thread at a time, so that one which hangs costs one thread.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.telemetry import logs
from strongroom.telemetry.catalogue import METRICS, PREFIX, Metric
from strongroom.telemetry.counts import Spread

__all__ = ["CONTENT_TYPE", "Metrics", "Sample", "Source"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ANSWER_S: Final = 2.0
"""How long all sources together may take; Prometheus waits ten seconds as shipped, and parts answer from memory."""
SHARE: Final = 100
"""A source that takes long is asked so seldom that it takes one of so many seconds."""
PARTS_MAX: Final = 32
"""More than there are; each that hangs takes a thread, and the others must have theirs."""
VALUES_MAX: Final = 2_000
"""Samples of one metric; more labels than this would be a fault, and would fill the memory of whoever reads them."""
LABEL_CHARACTERS_MAX: Final = 128
_BY_NAME: Final = {each.name: each for each in METRICS}
log = logs.get("telemetry")


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of the metric ``name``, under the values of its labels in their order."""

    name: str
    value: float | Spread
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Sample]]


@dataclass(slots=True)
class _Part:
    read: Source
    every_s: float
    last: Sequence[Sample] = ()
    until_s: float = float("-inf")
    asking: "Future[None] | None" = None
    is_failing: bool = False
    errors: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Metrics:
    """The metrics of one host. ``shown`` is what every text of a label goes through: the redaction of the process."""

    def __init__(self, shown: Callable[[str], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._shown = shown
        self._clock = clock
        self._parts: dict[str, _Part] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._making = threading.Lock()
        self._registry: Any = None  # Any: the library's, which is loaded when somebody asks

    def add(self, part: str, read: Source, *, every_s: float = 0.0) -> None:
        """Ask ``read`` for samples from now on, at most every ``every_s`` seconds; ``part`` names it when it fails."""
        self._parts = {**self._parts, part: _Part(read, every_s)}

    def text(self) -> bytes:
        """Everything, in the format of ``CONTENT_TYPE``. Takes no longer than ``ANSWER_S`` and the time to write it."""
        from prometheus_client.exposition import generate_latest

        return generate_latest(self._library())

    def samples(self) -> Iterator[Sample]:
        """What every source says now, or said last."""
        parts = self._parts
        wait([asked for each in parts.values() if (asked := self._ask(each)) is not None], timeout=ANSWER_S)
        for name, part in parts.items():
            with part.lock:
                if part.asking is not None and part.every_s == 0:
                    part.errors += 1
                yield from part.last
            yield Sample("scrape_errors_total", part.errors, (name,))

    def close(self) -> None:
        """Ask nobody any more."""
        self._parts = {}
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, part: _Part) -> "Future[None] | None":
        with part.lock:
            if part.asking is None and self._clock() >= part.until_s:
                part.asking = self._threads().submit(self._read, part)
            # What is asked seldom takes its time; the answer is for whoever comes next.
            return part.asking if part.every_s == 0 else None

    def _read(self, part: _Part) -> None:
        began_s = self._clock()
        try:
            found: Sequence[Sample] | None = list(part.read())
        except Exception as error:
            # Whatever a part does wrong, the others are shown.
            found = None
            if not part.is_failing:
                log.warning("a part of the host cannot be counted", extra={"why": type(error).__name__})
        took_s = self._clock() - began_s
        with part.lock:
            part.is_failing = found is None
            part.errors += found is None
            if found is not None:
                part.last = found
            part.until_s = self._clock() + max(part.every_s, took_s * SHARE) if part.every_s else float("-inf")
            part.asking = None

    def _threads(self) -> ThreadPoolExecutor:
        with self._making:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(PARTS_MAX, thread_name_prefix="metrics")
            return self._pool

    def _library(self) -> Any:  # Any: a registry of the library
        with self._making:
            if self._registry is None:
                from prometheus_client import CollectorRegistry, ProcessCollector

                self._registry = CollectorRegistry(auto_describe=False)
                self._registry.register(self)
                ProcessCollector(registry=self._registry)
            return self._registry

    def collect(self) -> Iterator[Any]:
        """What the library asks for: a family for each metric that has samples. Any: the library's families."""
        found: dict[str, dict[tuple[str, ...], float | Spread]] = {}
        for sample in self.samples():
            metric, values = _BY_NAME[sample.name], found.setdefault(sample.name, {})
            labels = tuple(self._shown(str(each))[:LABEL_CHARACTERS_MAX] for each in sample.labels)
            if len(labels) == len(metric.labels) and (labels in values or len(values) < VALUES_MAX):
                values[labels] = sample.value
        for metric in METRICS:
            if metric.name in found:
                yield _family(metric, found[metric.name])


def _family(metric: Metric, values: Mapping[tuple[str, ...], float | Spread]) -> Any:  # Any: one of the library's
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    name = f"{PREFIX}{metric.name}"
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    family: Any = kinds[metric.kind](name, metric.help, labels=list(metric.labels))
    for labels, value in values.items():
        if isinstance(value, Spread):
            family.add_metric(labels, _cumulative(value), value.sum)
        else:
            family.add_metric(labels, value)
    return family


def _cumulative(spread: Spread) -> list[tuple[str, int]]:
    total, buckets = 0, []
    for bound, count in zip((*map(str, spread.bounds), "+Inf"), spread.buckets, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
