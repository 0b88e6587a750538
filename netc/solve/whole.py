"""Iterations of a solver: whole, or not there, or said to be torn.

An exception before the update (a bad record, a loss that is no number, an interrupt) puts back what the forward pass
has moved on: the sources' places, the counter of random draws, statistics, what layers keep. One in the middle of the
update leaves parameters of which some are updated; then the solver goes no further until it has been restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.run import Net
from netc.run.held import Held
from netc.run.turns import Holder, Only
from netc.solve import snapshots
from netc.solve.codes import TORN, TWO_THREADS


class Position:
    """Where a net is between two iterations, apart from its learned parameters."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.sources = snapshots.source_states(net)
        self.iteration = net.iteration
        self.arrays = [(array, array.copy()) for array in (*_statistics(net), *net.state.values())]

    def restore(self) -> None:
        """Put everything back."""
        snapshots.restore_sources(self.net, self.sources)
        self.net.iteration = self.iteration
        self.restore_arrays()

    def restore_arrays(self) -> None:
        """Put back what layers write and keep; sources and counter stay."""
        for array, values in self.arrays:
            array[...] = values


def _statistics(net: Net) -> Iterator[Array]:
    """Parameter blobs that forward writes (BatchNorm's)."""
    for layer, planned in enumerate(net.plan.layers):
        for blob, known in zip(net.parameters.of_layer(layer), planned.setup.params, strict=True):
            if not known.learned:
                yield blob.data


class Whole:
    """Keeps a solver's iterations whole, and other threads out."""

    def __init__(self) -> None:
        self.torn: int | None = None  # the iteration whose update has begun, until it is counted
        self._done = False
        self._only = Only()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this thread trains, tests or writes a snapshot; raises NetError(SOL016) while another one does."""
        me = Holder()
        try:
            other = self._only.take(me)
            if other is not None and other.thread != me.thread:
                message = "the solver is used by two threads at once"
                help = "call request_snapshot() or request_stop(), which any thread may, or wait for the other thread"
                raise NetError(Diagnostic(TWO_THREADS, message, help=help))
            yield
        finally:
            self._only.drop(me)

    @contextmanager
    def iteration(self, net: Net) -> Iterator[None]:
        """An iteration; what signal handlers raise waits for its end. Raises NetError(SOL015)."""
        self.check()
        with Held():
            before, self._done = Position(net), False
            try:
                yield
            except BaseException:
                if self.torn is None and not self._done:
                    before.restore()
                raise

    def end(self) -> None:
        """The update is made, and the iteration counted."""
        self._done = True
        self.torn = None

    def check(self) -> None:
        """Raise NetError(SOL015) if an update has begun that never ended."""
        if self.torn is not None:
            message = f"iteration {self.torn} was broken off in the middle of its update: some parameters are updated"
            help = "restore the last snapshot (solver.restore(...)), or make a new solver"
            raise NetError(Diagnostic(TORN, message, help=help))
