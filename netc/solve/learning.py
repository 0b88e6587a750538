"""One iteration of a solver: Caffe's `Solver::Step` for one iteration, in turns where the solver says so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal

from netc.errors import Diagnostic, NetError
from netc.graph import Graph
from netc.layer import Array
from netc.run import Net
from netc.schema.record import Record
from netc.solve import carried, dealing, snapshots
from netc.solve.codes import NOT_FINITE
from netc.solve.events import Events, Step
from netc.solve.inspect import Sizes, first_not_finite
from netc.solve.ranks import Ranks
from netc.solve.sparsity import due
from netc.solve.statistics import Statistics
from netc.solve.training import Test, Training
from netc.solve.turns import turns_of
from netc.solve.update import Updater
from netc.solve.whole import Position, Whole

MOST_SKIPPED = 10
Outputs = dict[str, Array]


class AbandonedError(Exception):
    """A stop was requested between the batches of an iteration."""


class _Start:
    """What forward passes change of a net, as it was when an iteration began: sources, counter, buffers, statistics.

    Statistics are blobs that are not learned (BatchNorm's).
    """

    def __init__(self, net: Net) -> None:
        self.net = net
        self.iteration, self.sources = net.iteration, snapshots.source_states(net)
        kept = [*net.state.values(), *(b.data for b in net.parameters.all if b.gradient is None)]
        self.kept = [(array, array.copy()) for array in kept]

    def go_back(self) -> None:
        self.net.iteration = self.iteration
        snapshots.restore_sources(self.net, self.sources)
        for array, before in self.kept:
            array[...] = before


class Learning(Training):
    """Iterates: batches forward and backward, and an update, once, or in each turn of an iteration.

    The batches of an iteration are dealt to the ranks, one each, until all `iter_size` are done: rounds. What several
    batches give (losses, gradients, statistics) is put together in their order, so it has the same bits for any number
    of ranks, also for one.
    on_nan: what to do when the loss is not finite: raise NetError(SOL013), or leave out the update.
    """

    on_nan: Literal["stop", "skip"] = "stop"

    def __init__(
        self,
        record: Record,
        net: Net,
        tests: Sequence[Test],
        events: Events,
        prefix: str | None,
        keep_gradients: bool,
        ranks: Ranks,
    ) -> None:
        super().__init__(record, net, tests, events, prefix)
        self.ranks = ranks
        self._statistics = Statistics(net)
        self._update_in_backward = not keep_gradients
        self._whole = Whole()
        self._request: Literal["stop", "snapshot"] | None = None

    def enter(self, stage: int, start: int) -> None:
        """Begin a stage, whose first iteration is `start`: its fields, and an update that remembers nothing."""
        self.stage, self.stage_start, self.p = stage, start, self.stages[stage]
        self.losses, self.skipped = [], 0
        self.best, self.best_iteration, self.best_weights, self.waited = math.nan, None, None, 0
        self.net.take_turn(turns_of(self.p)[0])
        self.updater = Updater(self.p, self.net, update_in_backward=self._update_in_backward, ranks=self.ranks)

    def _iterate(self) -> None:
        p, skipped = self.p, self.skipped
        display = bool(p.display) and self.iteration % p.display == 0
        outputs: Outputs = {}
        counted: dict[str, float] = {}
        losses: list[float] = []
        looked: list[Sizes] = []
        rate = 0.0
        with self._whole.iteration(self.net):
            self._prune()
            for update, turn in enumerate(self.updater.turns):
                self.net.take_turn(turn)
                sizes = Sizes(self.net) if display and p.debug_info else None
                found, loss, rate = self._learn(update, sizes)
                if len(self.updater.turns) > 1:
                    now = _losses(self.net.plan.graph) & found.keys()
                    lost = _losses(self.net.graph) - now
                    found = {name: outputs.get(name, v) if name in lost else v for name, v in found.items()}
                    counted |= {name: float(v.mean()) for name, v in found.items() if name in now}
                outputs = found
                if loss is not None:
                    losses.append(loss)
                    looked += [sizes] if sizes else []
            learned = self.skipped == skipped
            if learned:
                self._learned(losses)
            carried.settle(self.net, self.ranks)
            self.iteration += 1
            self._whole.end()
        if not learned:
            return
        for sizes in looked:
            self.events.sized(sizes.together(self.ranks, p.iter_size // self.ranks.size))
        self.events.stepped(Step(self.iteration, sum(losses), self.loss, rate, outputs, display, counted))

    def _prune(self) -> None:
        """Take weights out, in iterations from which on more of them are zero."""
        share = due(self.p, self.in_stage)
        if share is not None:
            self.updater.prune(share)

    def _learned(self, losses: list[float]) -> None:
        """No update was left out: note the iteration's loss, the sum of its turns'."""
        self.skipped = 0
        if len(losses) > 1:
            self._look(sum(losses))
        self.losses = [*self.losses, sum(losses)][-self.p.average_loss :]

    def _learn(self, update: int, sizes: Sizes | None) -> tuple[Outputs, float | None, float]:
        """The batches of a turn, and its update: outputs, loss (None: skipped) and learning rate."""
        in_backward = self.updater.updates_in_backward and not sizes
        with self.net.observed(sizes) if sizes else nullcontext():
            outputs, loss = self._batches(in_backward)
        made = self.updater.backward if in_backward else self.updater.apply
        if loss is None:
            return outputs, None, 0.0
        if sizes:
            self.updater.parts.spread()
            sizes.parameters("parameter")
            sizes.parameters("gradient")
        if len(self.updater.turns) == 1:
            self._look(loss)
        self._whole.torn = self.iteration
        rate = made(self.in_stage, update)
        if sizes:
            self.updater.parts.spread()
            sizes.parameters("update")
        return outputs, loss, rate

    def _look(self, loss: float) -> None:
        """Whether the loss, averaged with the last ones, has come to a plateau."""
        if self.p.lr_policy == "plateau":
            recent = [*self.losses, loss][-self.p.average_loss :]
            self.updater.plateau.look(self.in_stage, sum(recent) / len(recent), self.p.plateau_winsize)

    def _batches(self, open_end: bool) -> tuple[Outputs, float | None]:
        """Forward and backward over iter_size batches: the last outputs and the mean loss, None for "skip".

        Gradients are then the sum over all batches (of several ranks, each has that of its parts).
        open_end: without the last backward, and what follows from it.
        """
        loss, outputs = 0.0, Outputs()
        count, ranks = self.p.iter_size, self.ranks
        start = _Start(self.net) if count > 1 and self._whole.torn is None else None
        for first in range(0, count, ranks.size):
            if first and start is not None and self._is_stop_asked():
                start.go_back()
                raise AbandonedError
            if count > 1 or not open_end:
                self.net.zero_param_diffs()
            outputs, losses = self._forward()
            if losses is None:
                return outputs, None
            for found in losses:
                loss += found / count
            last = first + ranks.size >= count
            if not (last and open_end):
                self.updater.backward_and_add(first == 0, last)
        return ranks.broadcast(outputs, ranks.size - 1), loss

    def _is_stop_asked(self) -> bool:
        """Whether any rank has been asked to stop."""
        return any(self.ranks.gather(self._request == "stop"))

    def _forward(self) -> tuple[Outputs, list[float] | None]:
        """A round: the outputs of this rank's batch, and the losses of every rank's.

        None instead of the losses if one is not finite, and the update is to be skipped.
        """
        ranks, apart = self.ranks, self.p.iter_size > 1
        states, before = snapshots.source_states(self.net), self.net.iteration
        if apart:
            self._statistics.begin()
        self.net.iteration = before + ranks.rank
        outputs = self.net.forward()
        losses = ranks.gather(self.net.loss)
        bad = next((rank for rank, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if apart:
            self._statistics.merge(ranks, len(losses) if bad is None else bad + 1)
        if bad is None:
            self.net.iteration = before + ranks.size
            return outputs, losses
        self._not_finite(states, before, bad, losses[bad])
        return outputs, None

    def _not_finite(self, states: Mapping[str, Mapping[str, Any]], before: int, bad: int, loss: float) -> None:
        """Say where it comes from (the same batch goes through the net again); raise, or skip the update.

        states, before: where sources and the counter of passes were before the round. bad: which of its batches it is;
        those after it have not been, for any rank.
        """
        message = f"the loss is {loss} in iteration {self.iteration}"
        statistics, dealt = Position(self.net), (self.ranks.rank, self.ranks.size)
        with dealing.dealt(self.net, bad, bad + 1, dealt):
            snapshots.restore_sources(self.net, states)
            self.net.iteration = before + bad
            with self.net.without_writing():
                cause = first_not_finite(self.net)
        statistics.restore_arrays()
        diagnostic = Diagnostic(NOT_FINITE, f"{message}: {cause.where}", help=cause.help)
        self.skipped += 1
        if self.on_nan == "stop" or self.skipped > MOST_SKIPPED:
            raise NetError(diagnostic)
        self.events.warned(replace(diagnostic, severity="warning"))


def _losses(graph: Graph) -> set[str]:
    """The blobs that are losses which count."""
    return {
        graph.values[v].name for n in graph.nodes for v, weight in zip(n.tops, n.loss_weights, strict=True) if weight
    }
