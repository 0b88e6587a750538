"""The training loop: Caffe's `Solver::Step` and `Solve`, with tests, snapshots and early stopping."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal

from netc.errors import Diagnostic, Report
from netc.graph import Node
from netc.run import Net
from netc.schema.record import Record
from netc.solve import carried, checks, dealing, snapshots, testing
from netc.solve.events import Events, Fitted, TestResult
from netc.solve.fit import able, fit, missing
from netc.solve.learning import AbandonedError
from netc.solve.ranks import ALONE, Ranks
from netc.solve.ranks.codes import NOT_SPLIT, ROWS
from netc.solve.same import refuse_others
from netc.solve.saving import Saving
from netc.solve.stages import of_all_ranks
from netc.solve.training import Test
from netc.solve.whole import Position


class Solver(Saving):
    """Trains a net as a SolverParameter says.

    p: the solver's fields. net: planned with backward. tests: test nets with the train net's parameters.
    snapshot_prefix: where snapshots go, instead of the solver's own field; without either, none is written.
    on_nan: what to do when the loss is not finite: raise NetError(SOL013), or leave out the update, up to ten in a row.
    keep_gradients: leave the parameters' gradients (then the updates) in `Net.param_diffs` after each iteration. Else
    updates are made in backward where they can be, which saves the gradients' memory and time; the bits are the same.
    lock: refuse to write snapshots under a prefix that another run uses; see `claim`.
    ranks: the processes that train the net together, one batch of an iteration each: `iter_size` of the fields is how
    many batches each of them has, of the solver (`p`) how many all of them have. Every method is then for all ranks at
    once; rank 0 writes. mixed: whether their processors may round differently.
    Raises NetError with everything that is wrong with the fields (SOL010..SOL014, SNP...).
    """

    def __init__(
        self,
        p: Record,
        net: Net,
        tests: Sequence[Test] = (),
        *,
        events: Events | None = None,
        snapshot_prefix: str | None = None,
        on_nan: Literal["stop", "skip"] = "stop",
        keep_gradients: bool = True,
        lock: bool = True,
        ranks: Ranks = ALONE,
        mixed: bool = False,
    ) -> None:
        prefix, p = snapshot_prefix or p.snapshot_prefix or None, of_all_ranks(p, ranks.size)
        super().__init__(p, net, tests, events or Events(), prefix, keep_gradients, ranks, lock)
        self.on_nan = on_nan
        self._check()
        self._deal()
        self.enter(0, 0)
        self.results: list[TestResult] = []
        self._mixed = mixed
        self._ended: str | None = None
        self._stopped = False

    def _check(self) -> None:
        report = Report()
        checks.check(self.record, report)
        checks.check_net(self.record, self.net.plan, report)
        if self.leads:
            snapshots.check(self.record, self.prefix, report, self.net)
        if self.ranks.size > 1 and (node := dealing.keeps(self.net)):
            report.add_new(carried.refused(node, "may carry something from one batch to the next").diagnostics)
        for param in self.net.plan.params if self.ranks.size > 1 else ():
            if param.rows and param.learned:
                message = f'"{param.name}" is updated by rows, which {self.ranks.size} ranks cannot add up'
                report.error(ROWS, message, self.net.plan.graph.nodes[param.layer].record.span, help=ROWS.fix)
        checks.check_early_stop(self.record, [self.net_outputs(t.net) for t in self.tests], report)
        for diagnostic in report.diagnostics:
            if diagnostic.severity == "warning":
                self.events.warned(diagnostic)
        report.finish()

    def _deal(self) -> None:
        """Give each rank its batches of the data."""
        self._undivided: set[int] = set()  # test nets that rank 0 evaluates
        if self.ranks.size == 1:
            return
        carried.watch(self.net)
        dealing.deal(self.net, self.ranks.rank, self.ranks.size)
        for index, test in enumerate(self.tests):
            if node := testing.undivided(test.net):
                self._undivided.add(index)
                message = f'test net {index} is evaluated on rank 0 alone, because of layer "{node.name}"'
                self.events.warned(Diagnostic(NOT_SPLIT, f"{message} ({node.type.name})", severity="warning"))
            else:
                dealing.deal(test.net, self.ranks.rank, self.ranks.size)

    @staticmethod
    def net_outputs(net: Net) -> list[str]:
        """Names of a net's outputs."""
        return [net.graph.values[v].name for v in net.graph.outputs]

    # ------------------------------------------------------------ from outside

    def request_stop(self) -> None:
        """Stop after the iteration that is running (safe to call from a signal handler).

        Of an iteration of several batches (`iter_size`), those done are given up, and done again by a run that goes on.
        """
        self._request = "stop"

    def request_snapshot(self) -> None:
        """Write a snapshot after the iteration that is running, and go on (safe in a signal handler).

        A stop that has been requested stays requested: a terminal that closes sends both.
        """
        if self._request is None:
            self._request = "snapshot"

    def on_any(self, mine: bool) -> bool:
        """Whether something is true of any rank. For all ranks at once."""
        return any(self.ranks.gather(mine))

    @property
    def ended(self) -> str | None:
        """Why training ended before max_iter, or None."""
        return self._ended

    # ------------------------------------------------------------ the loop

    def solve(self, stop_at: int | None = None) -> object:
        """Train until max_iter, a request to stop, or early stopping; then snapshot and test as Caffe does.

        stop_at: end after this iteration, if it comes before max_iter, with what else comes at an end: the snapshot,
        then a test if test_interval divides the iteration. A run that goes on from that snapshot tests the same again.
        A run that is stopped and has a `snapshot` interval is saved whatever snapshot_after_train says.
        The prefix is free again afterwards. Returns None; subclasses may say how the run went.
        Raises NetError: SOL011 without max_iter, SOL013, SNP005 and SNP020 for the last snapshot, SNP029.
        """
        report = Report()
        checks.check_length(self.record, report)
        report.finish()
        try:
            with self._writing():
                self._solve(stop_at)
        finally:
            self.release()
        return None

    def _solve(self, stop_at: int | None) -> None:
        self.events.started(self.iteration, self.last if stop_at is None else min(stop_at, self.last))
        self._run(stop_at, whole=True)
        requested = self._stopped
        if not self._ended and self.iteration < self.last:
            self._ended, self._stopped = f"iteration {self.iteration} is where it was to stop", True
        if not self._stopped:
            self._go_back()
        wanted = self.p.snapshot_after_train or (self._stopped and self.p.snapshot)
        if wanted and self.prefix and not self._just_saved():
            self._last_snapshot()
        ended = self._ended
        tested = self.p.test_interval and self.iteration % self.p.test_interval == 0
        if tested and not requested and (self._stopped or not ended):
            self.test_all()
        if ended:
            self.events.stopped(self._ended or ended)
        else:
            self.events.finished()

    def step(self, count: int) -> None:
        """Run this many iterations, with the tests and snapshots that fall between them, unless a stop is requested.

        Early stopping is left to the caller. What an interrupt raises is raised after the iteration that runs, and the
        solver goes on from there; after a second one, which is raised at once, it may refuse to (SOL015). From the
        first iteration on the prefix is this process's (SNP029), until `release`, or the solver is gone.
        """
        with self._writing():
            self._run(self.iteration + count, whole=False)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """While the net trains: no other thread does, and the prefix is claimed if snapshots will be written."""
        with self._whole.alone():
            if self.p.snapshot or self.p.snapshot_after_train:
                self.claim()
            with self._claim.running() if self._claim else nullcontext():
                yield

    def _run(self, stop: int | None, whole: bool) -> None:
        """Iterate until this iteration. whole: as a run does, which early stopping ends, and its last iteration."""
        self._ended, self._stopped = None, False
        refuse_others(self.ranks, self, self._mixed)
        self.fit(missing(self.net))
        while not self._ended and not self._arrived(stop, whole):
            at, p = self.iteration, self.p
            if p.test_interval and at % p.test_interval == 0 and (at > 0 or p.test_initialization):
                self.test_all()
                if self._stopped or (self._ended and whole and not self._has_next):
                    break
                if self._ended and whole:
                    self._next_stage()
                self._ended = None
            while self._has_next and self.in_stage >= self.p.max_iter:
                self._next_stage()
            try:
                self._iterate()
            except AbandonedError:
                self._request = None
                self._stop()
                break
            wanted = self._wanted()
            if (p.snapshot and self.prefix and self.iteration % p.snapshot == 0) or wanted == "snapshot":
                self._try_snapshot()
            if wanted == "stop":
                self._stop()

    def _arrived(self, stop: int | None, whole: bool) -> bool:
        return (stop is not None and self.iteration >= stop) or (whole and self.iteration >= self.last)

    def fit(self, nodes: Collection[Node] | None = None) -> list[Fitted]:
        """Estimate the statistics of layers that have some (Whiten, BatchNorm), in one pass over the training data.

        nodes: those of the train net's graph; all by default. Where training is goes on as if nothing had been read.
        Before the first iteration it is done for layers that have none yet. Raises NetError(SOL032, SOL033).
        """
        mine = self.ranks.rank, self.ranks.size
        with self._whole.alone(), dealing.dealt(self.net, 0, 1, mine):  # every rank sees all data
            found = fit(self.net, able(self.net) if nodes is None else nodes, self.record.fit_iter)
        for fitted in found:
            self.events.fitted(fitted)
        return found

    @property
    def _has_next(self) -> bool:
        return self.stage + 1 < len(self.stages)

    def _next_stage(self) -> None:
        """Begin the next stage here; why the one before has ended early is said."""
        self._go_back()
        self.enter(self.stage + 1, self.iteration)
        self.events.staged(self.stage, len(self.stages), self.iteration, self._ended)

    def _wanted(self) -> Literal["stop", "snapshot"] | None:
        """What has been requested, of any rank."""
        mine, self._request = self._request, None
        wanted = set(self.ranks.gather(mine))
        return "stop" if "stop" in wanted else "snapshot" if "snapshot" in wanted else None

    def _stop(self) -> None:
        self._ended, self._stopped = "a stop was requested", True

    # ------------------------------------------------------------ tests

    def test_all(self) -> None:
        """Test every test net, unless a stop is requested, or an exception raised, meanwhile.

        Then everything is where it was before, so that a run that goes on tests the same batches.
        """
        before = [Position(t.net) for t in self.tests]
        best, results = (self.best, self.best_iteration, self.waited), len(self.results)
        whole = False
        try:
            with self._whole.alone():
                whole = self._test_each()
        finally:
            if not whole:
                for position in before:
                    position.restore()
                self.best, self.best_iteration, self.waited = best
                del self.results[results:]
        if not whole:
            self._stop()
        elif self.best_iteration == self.iteration:
            self._keep_best()

    def _test_each(self) -> bool:
        """Whether no stop was requested."""
        for index in range(len(self.tests)):
            self.events.testing(self.iteration, index)
            result = self.test(index)
            if result is None:
                return False
            self.events.tested(result)
            self.results.append(result)
            self._consider_stopping(result)
        return True

    def test(self, index: int = 0) -> TestResult | None:
        """Average a test net's outputs over its batches, detections by `Averages`; None if a stop was requested."""
        test = self.tests[index]
        if index in self._undivided:
            found = self._evaluated(index, ALONE) if self.leads else None
            found = self.ranks.broadcast(found)
        else:
            found = self._evaluated(index, self.ranks)
        if found is None:
            self._request = None
            return None
        means, loss = found
        mean = loss / test.iterations if test.iterations else math.nan
        return TestResult(self.iteration, index, means, mean if self.p.test_compute_loss else None)

    def _evaluated(self, index: int, ranks: Ranks) -> testing.Evaluated | None:
        def goes_on(done: int) -> bool:
            if done:
                self.events.test_batch(index, done, self.tests[index].iterations)
            return not any(ranks.gather(self._request == "stop"))

        return testing.evaluate(self.tests[index], self.p, ranks, goes_on)

    def _consider_stopping(self, result: TestResult) -> None:
        p = self.p.early_stop
        if not self.p.has("early_stop") or p.output not in result.outputs:
            return
        if result.net != next(i for i, t in enumerate(self.tests) if p.output in self.net_outputs(t.net)):
            return
        value = float(result.outputs[p.output].mean())
        gain = value - self.best if p.mode == "MAX" else self.best - value
        if math.isnan(self.best) or gain > p.min_delta:
            self.best, self.best_iteration, self.waited = value, result.iteration, 0
            return
        self.waited += 1
        if self.waited >= p.patience:
            self._ended = f"{p.output} has not got better than {self.best:g} in {self.waited} tests"
            if self.best_weights:
                self._ended += f"; the weights of iteration {self.best_iteration} are in {self.best_weights}"
