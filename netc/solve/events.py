"""What a solver tells while it works; the command line draws its progress from it. Solving itself never prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netc.errors import Diagnostic
from netc.layer import Array
from netc.solve.inspect import Size


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration done: `iteration` updates so far, its loss, the loss averaged over average_loss, the rate used.

    outputs: the train net's outputs in this iteration (of its last pass, with iter_size; of an iteration in turns, each
    loss as it was when it last counted). losses: where there are turns, the losses that count in some, by blob.
    display: the solver file asks for a report of this iteration.
    """

    iteration: int
    loss: float
    average_loss: float
    rate: float
    outputs: Mapping[str, Array]
    display: bool
    losses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one test net: outputs averaged over its batches; `loss` if test_compute_loss asks for it."""

    iteration: int
    net: int
    outputs: Mapping[str, Array]
    loss: float | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A layer whose statistics have been estimated, of so many items, and its blobs before."""

    layer: str
    items: int
    before: tuple[Array, ...]


class Events:
    """Override what you want to hear of: `netc.Solver(net, events=Mine())`.

        class Mine(netc.Events):
            def tested(self, result):
                print(result.iteration, result.outputs["accuracy"])

    A run of `solve` tells, in this order: `started`; `fitted` for each layer whose statistics are estimated first; then
    `stepped` after each iteration (`sized` before it, with debug_info), and between iterations `testing`, `test_batch`,
    `tested`, then `best` if that test was the best so far, `snapshot`, and `staged` where a stage begins; at last
    `went_back` if early_stop restores, the last `snapshot` and test, and `stopped` or `finished`. `step(n)` tells
    the same without `started` and what comes at last. Everything is told in the thread that trains, which waits for
    it: arrays are the net's own, which the next iteration overwrites, so copy what is to be kept. What is raised here
    ends the run, and `solve` raises it.
    """

    def started(self, iteration: int, last: int) -> None:
        """Training starts at an iteration, to run until `last`: max_iter, or where it is to stop before."""

    def fitted(self, fitted: Fitted) -> None:
        """A layer's statistics have been estimated from the data."""

    def staged(self, stage: int, stages: int, iteration: int, reason: str | None) -> None:
        """A stage begins, counted from 0, of so many; why the one before has ended early, if it has."""

    def stepped(self, step: Step) -> None:
        """An iteration is done."""

    def sized(self, sizes: Sequence[Size]) -> None:
        """With debug_info, in iterations that are displayed: how large values, gradients and updates are."""

    def testing(self, iteration: int, net: int) -> None:
        """A test of a test net starts."""

    def test_batch(self, net: int, batch: int, batches: int) -> None:
        """One batch of a test is done."""

    def tested(self, result: TestResult) -> None:
        """A test is done."""

    def snapshot(self, weights: Path, state: Path) -> None:
        """A snapshot has been written."""

    def best(self, iteration: int, value: float, weights: Path) -> None:
        """The value that early_stop watches is the best so far; the weights have been written."""

    def went_back(self, iteration: int, best: int) -> None:
        """The weights are those of the best test again, of an earlier iteration."""

    def stopped(self, reason: str) -> None:
        """Training ends before max_iter, after what comes at last; why."""

    def finished(self) -> None:
        """Training has come to max_iter, and the last snapshot and test are done."""

    def warned(self, diagnostic: Diagnostic) -> None:
        """Something is suspicious."""
