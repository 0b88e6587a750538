"""How fast a training run is: iterations and images per second, the share of time that waits for data, time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.errors import Diagnostic
from netc.layer import Array
from netc.plan.counts import batch_size, samples_are
from netc.run import Feed, Net
from netc.solve.events import Events, Fitted, Step, TestResult
from netc.solve.inspect import Size

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rates:
    """Since the last report, tests and snapshots left out; data_wait: the share of the time (0..1) spent waiting.

    unit: what samples are called, if they are no images.
    """

    iterations_per_second: float
    images_per_second: float
    data_wait: float
    seconds_left: float
    unit: str = "images"

    @property
    def of_samples(self) -> str:
        """`51,968 images/s`."""
        return f"{self.images_per_second:,.0f} {self.unit}/s"


class Timed:
    """A feed that adds up how long its `next` takes."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self.feed = feed
        self.clock = clock
        self.seconds = 0.0

    def next(self, out: Sequence[Array]) -> None:
        begin = self.clock()
        self.feed.next(out)
        self.seconds += self.clock() - begin

    def __getattr__(self, name: str) -> Any:  # state, restore and whatever else the feed has
        return getattr(self.feed, name)


class Meter(Events):
    """Measures a solver's train net; `rates` is renewed at every displayed iteration.

    The first iteration of a process is left out: kernels are compiled or loaded in it.
    """

    def __init__(self, net: Net, iter_size: int = 1, clock: Clock = time.perf_counter) -> None:
        self.images, self.unit = batch_size(net.plan) * iter_size, samples_are(net.plan)
        self.clock = clock
        self.rates: Rates | None = None
        self._feeds = [Timed(feed, clock) for feed in net.feeds.values()]
        net.feeds.update(zip(net.feeds, self._feeds, strict=True))
        self._last = 0  # the iteration that training runs to
        self._first: tuple[int, float] | None = None
        self._before = clock()
        self._count, self._busy = 0, 0.0

    def started(self, iteration: int, last: int) -> None:
        self._last = last
        self._before = self.clock()

    def stepped(self, step: Step) -> None:
        now = self.clock()
        if self._first is None:
            self._first = step.iteration, now
            self._restart()
        else:
            self._count += 1
            self._busy += now - self._before
        self._before = now
        if step.display and self._count:
            self.rates = self._measured(step.iteration, now)
            self._restart()

    def tested(self, result: TestResult) -> None:
        self._before = self.clock()

    def snapshot(self, weights: Path, state: Path) -> None:
        self._before = self.clock()

    def _restart(self) -> None:
        self._count, self._busy = 0, 0.0
        for feed in self._feeds:
            feed.seconds = 0.0

    def _measured(self, iteration: int, now: float) -> Rates:
        assert self._first is not None
        busy = max(self._busy, 1e-9)
        rate = self._count / busy
        done = iteration - self._first[0]
        left = (now - self._first[1]) / done * (self._last - iteration)
        waited = sum(feed.seconds for feed in self._feeds)
        return Rates(rate, rate * self.images, min(1.0, waited / busy), left, self.unit)


class Several(Events):
    """Tells everything to several listeners, in order; more may be added to `listeners`."""

    def __init__(self, *listeners: Events) -> None:
        self.listeners = list(listeners)

    def started(self, iteration: int, last: int) -> None:
        for listener in self.listeners:
            listener.started(iteration, last)

    def fitted(self, fitted: Fitted) -> None:
        for listener in self.listeners:
            listener.fitted(fitted)

    def staged(self, stage: int, stages: int, iteration: int, reason: str | None) -> None:
        for listener in self.listeners:
            listener.staged(stage, stages, iteration, reason)

    def stepped(self, step: Step) -> None:
        for listener in self.listeners:
            listener.stepped(step)

    def sized(self, sizes: Sequence[Size]) -> None:
        for listener in self.listeners:
            listener.sized(sizes)

    def testing(self, iteration: int, net: int) -> None:
        for listener in self.listeners:
            listener.testing(iteration, net)

    def test_batch(self, net: int, batch: int, batches: int) -> None:
        for listener in self.listeners:
            listener.test_batch(net, batch, batches)

    def tested(self, result: TestResult) -> None:
        for listener in self.listeners:
            listener.tested(result)

    def snapshot(self, weights: Path, state: Path) -> None:
        for listener in self.listeners:
            listener.snapshot(weights, state)

    def best(self, iteration: int, value: float, weights: Path) -> None:
        for listener in self.listeners:
            listener.best(iteration, value, weights)

    def went_back(self, iteration: int, best: int) -> None:
        for listener in self.listeners:
            listener.went_back(iteration, best)

    def stopped(self, reason: str) -> None:
        for listener in self.listeners:
            listener.stopped(reason)

    def finished(self) -> None:
        for listener in self.listeners:
            listener.finished()

    def warned(self, diagnostic: Diagnostic) -> None:
        for listener in self.listeners:
            listener.warned(diagnostic)
