"""A test of a test net: its batches one after the other, or dealt to several ranks and put together in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from netc.graph import Node
from netc.layer import Array
from netc.run import Net
from netc.solve import dealing
from netc.solve.averages import Averages, Measured, measured
from netc.solve.ranks import Ranks
from netc.solve.snapshots import restore_sources, source_states
from netc.solve.training import Test


class Evaluated(NamedTuple):
    """What a test gives: averages and figures by output, and the sum of the losses of its batches."""

    means: dict[str, Array]
    loss: float


def undivided(net: Net) -> Node | None:
    """A layer because of which all batches of a test must go through one net, or None."""
    sequence = (n for n in net.graph.nodes if n.type.role.sequence and net.plan.layers[n.index].setup.buffers)
    return dealing.keeps(net) or next(sequence, None)


def evaluate(test: Test, p: Any, ranks: Ranks, goes_on: Callable[[int], bool]) -> Evaluated | None:
    """Test a net; None if that is broken off. For all ranks at once.

    p: the solver's fields. goes_on: asked before each round of batches, with how many are done, and at the end.
    """
    averages = Averages(test.net, p.ap_version, per_class=p.show_per_class_result)
    loss, done = 0.0, 0
    while done < test.iterations:
        if not goes_on(done):
            return None
        count = min(ranks.size, test.iterations - done)
        for found in _round(test.net, ranks, count):
            averages.take(found)
            loss += found.loss
        done += count
    if done:
        goes_on(done)
    return Evaluated(averages.means(), loss)


def _round(net: Net, ranks: Ranks, count: int) -> list[Measured]:
    """The next `count` batches, of as many ranks or fewer: what each gives, in order."""
    if ranks.size == 1:
        return [measured(net, net.forward())]
    before, own = net.iteration, None
    with dealing.dealt_round(net, ranks, count):
        if ranks.rank < count:
            net.iteration = before + ranks.rank
            own = measured(net, net.forward())
    if count < ranks.size:  # who had none has not moved on
        restore_sources(net, ranks.broadcast(source_states(net)))
    net.iteration = before + count
    return [found for found in ranks.gather(own) if found is not None]
