"""pycaffe's solvers: `SGDSolver("solver.prototxt")` and its kin, with their nets open to a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from netc import solve
from netc.api.definition import PathLike
from netc.api.jobs import Job, load_job
from netc.api.loading import load_files
from netc.api.session import open_feeds
from netc.caffe import modes
from netc.caffe.engine import Engine
from netc.caffe.errors import as_pycaffe_raises
from netc.caffe.net import Net, planner_of
from netc.errors import Report
from netc.layer import Array
from netc.plan.model import Plan
from netc.schema.record import Record
from netc.solve import checks
from netc.solve.caffe_log import CaffeLog
from netc.solve.events import Step, TestResult
from netc.solve.update import Updater, rule_name

Callback = Callable[[], object]


class _Log(CaffeLog):
    """Caffe's log (see `init_log`), and the same in short for the Python logger `caffe`."""

    def __init__(self) -> None:
        super().__init__(modes.log_line)

    def stepped(self, step: Step) -> None:
        super().stepped(step)
        if step.display:
            modes.LOG.info(f"Iteration {step.iteration - 1}, loss = {step.average_loss:g}, lr = {step.rate:g}")

    def tested(self, result: TestResult) -> None:
        super().tested(result)
        for name, value in result.outputs.items():
            modes.LOG.info(f"Iteration {result.iteration}, test net {result.net}: {name} = {value.mean():g}")

    def snapshot(self, weights: Path, state: Path) -> None:
        super().snapshot(weights, state)
        modes.LOG.info(f"Snapshot in {weights} and {state}")


class _Loop(solve.Solver):
    """netc's solver, with pycaffe's callbacks around the gradients of an iteration."""

    callbacks: list[tuple[Callback, Callback]]

    def renew_updater(self) -> None:
        """Update the arrays that the net's parameters lie in now, with the memory of before."""
        fresh = Updater(self.p, self.net)
        for new, old in zip((*fresh.history, fresh.masks), (*self.updater.history, self.updater.masks), strict=True):
            for index, array in new.items():
                array[...] = old[index]
        self.updater = fresh

    def _batches(self, open_end: bool) -> tuple[dict[str, Array], float | None]:
        for start, _ in self.callbacks:
            start()
        found = super()._batches(open_end)
        for _, ready in self.callbacks:
            ready()
        return found


class Solver:
    """Trains the net that a solver file names; `get_solver` gives the one of the file's own type.

    lock: refuse to train with a snapshot_prefix with which another process trains (netc's own; pycaffe has no locks).
    Raises CaffeError, a RuntimeError, with everything that is wrong with the files.
    """

    type: ClassVar[str | None] = None

    def __init__(self, solver_file: PathLike, *, lock: bool = True) -> None:
        with as_pycaffe_raises():
            job = load_job(solver_file)
            record = job.record
            if self.type is not None:
                record = record.replace(type=self.type, solver_type=None)
            self._loop = _loop(job, record, lock)
        self._net = Net.around(_engine(self._loop.net))
        self._test_nets = [Net.around(_engine(test.net)) for test in self._loop.tests]

    @property
    def net(self) -> Net:
        """The train net."""
        return self._net

    @property
    def test_nets(self) -> list[Net]:
        """The test nets, which use the train net's parameters."""
        return self._test_nets

    @property
    def iter(self) -> int:
        """How many updates have been done."""
        return self._loop.iteration

    @property
    def param(self) -> SolverParam:
        """The solver's fields; setting one (`solver.param.base_lr = 0.01`) counts from the next iteration on."""
        return SolverParam(self._loop)

    def step(self, iterations: int) -> None:
        """Run this many iterations, with the tests and snapshots that the file asks for between them."""
        with as_pycaffe_raises():
            self._loop.step(iterations)

    def solve(self, resume_file: PathLike | None = None) -> None:
        """Train until max_iter, from a snapshot if one is given."""
        if resume_file is not None:
            self.restore(resume_file)
        with as_pycaffe_raises():
            self._loop.solve()

    def restore(self, state_file: PathLike) -> None:
        """Go on from a `.solverstate`, and the weights that it names."""
        with as_pycaffe_raises():
            self._loop.restore(Path(state_file))

    def snapshot(self) -> None:
        """Write `PREFIX_iter_N.caffemodel` and `.solverstate`."""
        with as_pycaffe_raises():
            self._loop.snapshot()

    def apply_update(self) -> None:
        """Update the parameters by the gradients that are there; the iteration stays."""
        self._loop.updater.apply(self._loop.in_stage)

    def share_weights(self, net: Net) -> None:
        """Use another net's parameters."""
        self.net.share_with(net)

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback = lambda: None) -> None:
        """Call `on_start()` before the gradients of each iteration, `on_gradients_ready()` before its update."""
        self._loop.callbacks.append((on_start, on_gradients_ready))


class SolverParam:
    """A solver's fields as attributes, with their defaults. Setting one raises CaffeError(SOL...) if it cannot be."""

    def __init__(self, loop: _Loop) -> None:
        object.__setattr__(self, "_loop", loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop.p, name)

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(self._loop.p, name)  # AttributeError for what is no field
        changed, report = self._loop.p.replace(**{name: value}), Report()
        checks.check(changed, report)
        with as_pycaffe_raises():
            report.finish()
        self._loop.p = self._loop.updater.p = changed


def _loop(job: Job, record: Record, lock: bool) -> _Loop:
    seeded = record.has("random_seed") and record.random_seed >= 0
    seed = int(record.random_seed) if seeded else modes.take_seed()

    def feeds(plan: Plan) -> Mapping[str, Any]:
        return open_feeds(plan, seed)

    net = Engine(planner_of(job.train, job.train_state), seed=seed, feeds=feeds)
    tests = [
        solve.Test(Engine(planner_of(t.definition, t.state), seed=seed, feeds=feeds, params=net), t.iterations)
        for t in job.tests
    ]
    if record.has("weights"):
        named = [file for files in record.weights for file in files.split(",")]
        load_files(net, named, tests=[test.net for test in tests])
    log = _Log()
    log.watch(net.graph.name, record.lr_policy, net.graph, [test.net.graph for test in tests])
    loop = _Loop(record, net, tests, events=log, snapshot_prefix=job.prefix, lock=lock)
    loop.callbacks = []
    net.changed.append(loop.renew_updater)
    return loop


def _engine(net: Any) -> Engine:
    assert isinstance(net, Engine)
    return net


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""

    type = "SGD"


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """AdaGrad."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """RMSProp."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """AdaDelta."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """Adam."""

    type = "Adam"


class AdamWSolver(Solver):
    """Adam with decoupled weight decay (netc's own; not in pycaffe)."""

    type = "AdamW"


_SOLVERS: dict[str | None, type[Solver]] = {cls.type: cls for cls in Solver.__subclasses__()}


def get_solver(solver_file: PathLike, *, lock: bool = True) -> Solver:
    """The solver of the type that the file names; `lock` as in `Solver`."""
    with as_pycaffe_raises():
        record = load_job(solver_file).record
    return _SOLVERS.get(rule_name(record), Solver)(solver_file, lock=lock)
