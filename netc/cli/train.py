"""`netc train`: train what a solver says, with progress, tests, metrics and snapshots."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from netc.api.first_look import first_look, one_class
from netc.api.meter import Meter, Several
from netc.api.metrics import MetricsFile, TensorBoard, plain
from netc.api.sanity import Inspection, Inspector, Losses, inspected
from netc.api.session import Solver
from netc.cli import _output, _sanity, _streams
from netc.cli._files import STDOUT
from netc.cli._options import (
    OUTPUT,
    bad_record_option,
    budget_option,
    executor_options,
    file_argument,
    planning_options,
    writes_option,
)
from netc.cli._progress import Progress
from netc.cli._ranks import ranks_options, together
from netc.cli._records import show_left_out
from netc.cli._signals import Signals
from netc.cli._view import page_of
from netc.cli._weights import loading_options, show_loaded
from netc.errors import Code, Diagnostic, NetError
from netc.language import Setting
from netc.layer import Shape
from netc.pages.live import Viewer
from netc.solve import Events, Step
from netc.solve.caffe_log import CaffeLog, glog
from netc.solve.ranks.cores import own_threads

OVERFIT_ITERATIONS = 200


NOT_FED = Code(
    "CLI013",
    "nothing feeds an input of the net that is trained",
    why="Input and MemoryData layers, and data layers that netc has no reader for, are filled by a program. The "
    "command line has nothing to put there.",
    example='layer { name: "data" type: "Input" top: "data" ... }  solver { max_iter: 100 base_lr: 0.1 }',
    fix="Use a data layer that netc reads (Data, ImageData, HDF5Data, ImageFolder, IDXData, ArrayData, Digits), or "
    "train from Python, where `netc.Solver(...).net.set_input` fills them.",
)


@click.command("train")
@file_argument
@click.option("--snapshot", type=click.Path(path_type=Path), help="Go on from this .solverstate.")
@click.option(
    "--data-changed",
    type=click.Choice(["stop", "restart", "continue"]),
    default="stop",
    show_default=True,
    help="With --snapshot, where the data has other records now: stop, begin its next epoch, or stay at the place.",
)
@click.option("--weights", help="Start from these .caffemodel files (separated by commas), by layer name.")
@loading_options
@click.option(
    "--iterations", type=click.IntRange(min=0), help="max_iter instead of the file's; of each stage, if it has stages."
)
@click.option(
    "--stop-at",
    type=click.IntRange(min=1),
    help="End after this iteration, with its snapshot, and its test if test_interval divides it; the learning rate "
    "still goes by max_iter.",
)
@click.option("--seed", type=click.IntRange(min=0), help="random_seed instead of the file's.")
@click.option("--metrics", type=OUTPUT, help="JSON lines (default: PREFIX.metrics.jsonl; - for stdout).")
@click.option("--tensorboard", type=click.Path(path_type=Path, file_okay=False), help="Event files in this directory.")
@click.option(
    "--on-nan",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="A loss that is not finite stops the run, or its update is left out (at most ten in a row).",
)
@bad_record_option
@writes_option
@click.option("--inspect", is_flag=True, help="Show values, gradients, dead ReLUs of the first and the last iteration.")
@click.option(
    "--overfit-batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train on the first N samples only: can the net learn them by heart? No tests, no snapshots.",
)
@click.option(
    "--view",
    is_flag=True,
    help="Serve a page of the run on this machine, and look into a net like it now and then: gradients, filters, "
    "classes, images taken for another.",
)
@click.option("--ignore-lock", is_flag=True, help="Train although another run writes snapshots under the same prefix.")
@planning_options
@executor_options
@budget_option
@ranks_options
@click.option(
    "--log",
    type=click.Choice(["netc", "caffe"]),
    default="netc",
    show_default=True,
    help="caffe: the lines that Caffe writes to stderr, for scripts that parse and plot them.",
)
@click.option("--json", "as_json", is_flag=True, help="A last line of JSON on stdout.")
def command(
    file: Path,
    snapshot: Path | None,
    data_changed: Any,
    weights: str | None,
    reshape: bool,
    names: tuple[tuple[str, str], ...],
    iterations: int | None,
    stop_at: int | None,
    seed: int | None,
    metrics: Path | None,
    tensorboard: Path | None,
    on_nan: Any,
    inspect: bool,
    overfit_batch: int | None,
    view: bool,
    ignore_lock: bool,
    inputs: tuple[tuple[str, Shape], ...],
    settings: tuple[Setting, ...],
    layers: tuple[Path, ...],
    mpi: str,
    mpi_timeout: float,
    mpi_overlap: Any,
    allow_mixed: bool,
    log: str,
    as_json: bool,
    **run_options: Any,
) -> int:
    """Train FILE: a net with a solver block, or a solver file.

    Ctrl-C stops after the running iteration, writes a snapshot and exits with 130; a second Ctrl-C stops at once.
    SIGHUP writes a snapshot and goes on. Started by mpirun or srun, the ranks share the batches of an iteration.
    """
    if snapshot and weights:
        raise click.UsageError("--snapshot holds the weights already; give one of --snapshot and --weights")
    if data_changed != "stop" and not snapshot:
        raise click.UsageError("--data-changed says how to go on from a --snapshot; there is none")
    if snapshot and overfit_batch:
        raise click.UsageError("--overfit-batch starts afresh, or from --weights; it does not go on from a --snapshot")
    if view and (metrics == STDOUT or (overfit_batch and not metrics)):
        raise click.UsageError("--view shows a metrics file: name one with --metrics")
    if overfit_batch and iterations is None:
        iterations = OVERFIT_ITERATIONS
    changes = {"max_iter": iterations, "random_seed": seed, "weights": () if snapshot else None}
    start = time.perf_counter()
    with ExitStack() as stack:
        ranks = stack.enter_context(together(mpi, mpi_timeout, mpi_overlap))
        progress = stack.enter_context(Progress(quiet=log == "caffe" or ranks.rank > 0))
        events = Several(progress)
        solver = Solver(
            file,
            layers=layers,
            settings=settings,
            inputs=dict(inputs),
            events=events,
            changes={k: v for k, v in changes.items() if v is not None},
            weights=weights.split(",") if weights else (),
            reshape=reshape,
            names=dict(names),
            on_nan=on_nan,
            overfit=overfit_batch,
            keep_gradients=False,
            lock=not ignore_lock,
            ranks=ranks,
            mixed=allow_mixed,
            **_observing({**run_options, "threads": run_options["threads"] or own_threads(ranks)}, inspect),
        )
        _refuse_inputs(solver)
        progress.silent = not solver.p.display
        if snapshot:
            solver.restore(snapshot, data_changed)
        _output.show(solver.warnings)
        show_loaded(solver.loaded)
        if not snapshot:
            _output.show(first_look(solver.net))
        solver.check_snapshots()
        listeners = _Listeners(solver, events, progress, fresh=not solver.loaded)
        if log == "caffe":
            listeners.caffe_log()
        if solver.leads and (not overfit_batch or metrics):
            listeners.metrics(metrics)
        if solver.leads and tensorboard:
            stack.enter_context(listeners.tensorboard(tensorboard))
        if view and solver.leads:
            listeners.view(stack)
        if inspect:
            stack.enter_context(listeners.inspector())
        first = listeners.first()
        stack.enter_context(np.errstate(all="ignore"))  # what is not finite is said by name, once
        stack.enter_context(Signals(solver, progress))
        solver.solve(stop_at)
        interrupted = solver.on_any(progress.interrupted)
    show_left_out((solver.net, *(test.net for test in solver.tests)))
    seconds = time.perf_counter() - start
    if as_json and solver.leads:
        _output.print_json(_result(solver, progress, seconds))
    elif not as_json:
        _show_results(solver, progress, seconds)
        if interrupted and progress.written:
            _output.say(f"to go on: netc train {shlex.quote(str(file))} --snapshot {progress.written[1]}")
    listeners.show_lost(metrics)
    if overfit_batch and not interrupted:
        return _verdict(overfit_batch, first.loss, solver)
    return 130 if interrupted else 0


def _refuse_inputs(solver: Solver) -> None:
    """The command cannot fill what a program would fill; training on zeros would look like training."""
    for net in (solver.net, *(test.net for test in solver.tests)):
        if net.inputs:
            names, phase = ", ".join(net.inputs), net.graph.state.phase
            message = f"nothing feeds {names} in phase {phase}: the net would train on zeros"
            raise NetError(Diagnostic(NOT_FED, message, help=NOT_FED.fix))


def _observing(run_options: dict[str, Any], inspect: bool) -> dict[str, Any]:
    """Looking into every layer needs the executor that runs them one after the other."""
    if inspect and run_options.get("executor") == "fast":
        _output.say("--inspect looks at every layer: the reference executor is used")
        return {**run_options, "executor": "reference"}
    return run_options


class _First(Events):
    """Remembers the first loss of the run."""

    def __init__(self) -> None:
        self.loss: float | None = None

    def stepped(self, step: Step) -> None:
        self.loss = step.loss if self.loss is None else self.loss


class _Listeners:
    """Who hears of a run besides the progress bar. The meter comes first, so that the others can show its rates."""

    def __init__(self, solver: Solver, events: Several, progress: Progress, fresh: bool) -> None:
        self.solver = solver
        self.events = events
        self.progress = progress
        self.meter = progress.meter = Meter(solver.net, solver.p.iter_size)
        self.losses = Losses(solver.net.plan, progress, fresh)
        events.listeners[:0] = [self.meter]
        events.listeners.append(self.losses)
        self.file: MetricsFile | None = None
        self.board: TensorBoard | None = None

    def metrics(self, path: Path | None) -> None:
        """Lines of JSON at `path` or on stdout; beside the snapshots if none is given, and then only if that can be
        written."""
        if path is None:
            self.solver.claim()  # they are the prefix's
        if path == STDOUT:
            file = MetricsFile(Path("stdout"), self.meter, _streams.STDOUT)
        else:
            file = MetricsFile(path or Path(f"{self.solver.prefix}.metrics.jsonl"), self.meter)
        try:
            file.probe()
        except NetError:
            if path is not None:
                raise
            return
        self.file = file
        self.events.listeners.append(file)

    def show_lost(self, path: Path | None) -> None:
        """Say which lines of metrics are lost. Raises OSError if they were asked for on stdout."""
        if self.file is None:
            return
        if path == STDOUT and self.file.failure:
            raise self.file.failure
        _output.show(self.file.findings())

    def caffe_log(self) -> None:
        """Caffe's lines on stderr."""
        log = CaffeLog(lambda message, severity: _output.say(glog(message, severity)))
        tests = [test.net.graph for test in self.solver.tests]
        log.watch(self.solver.net.graph.name, self.solver.p.lr_policy, self.solver.net.graph, tests)
        self.events.listeners.append(log)

    @contextmanager
    def tensorboard(self, directory: Path) -> Iterator[None]:
        self.board = TensorBoard(directory, self.meter)
        self.events.listeners.append(self.board)
        try:
            yield
        finally:
            self.board.close()

    def view(self, stack: ExitStack) -> None:
        """A page of the metrics file, and lines for it."""
        if self.file is None:
            _output.say("there is no metrics file that could be written, so there is no page to view", "yellow")
            return
        self.events.listeners.append(Viewer(self.solver, self.file.write))
        stack.enter_context(page_of(self.file.path))

    @contextmanager
    def inspector(self) -> Iterator[None]:
        p = self.solver.p
        last = self.solver.last - 1

        def wanted(iteration: int) -> bool:
            return iteration == last or bool(p.display and iteration % p.display == 0)

        inspector = Inspector(self.solver.net, wanted, self._inspected, keep=self.board is not None)
        self.events.listeners.append(inspector)
        self._shown = False
        with self.solver.net.observed(inspector):
            yield

    def _inspected(self, found: Inspection) -> None:
        if self.file:
            self.file.write("inspect", found.iteration, inspected(found))
        if self.board:
            for name, array in found.arrays.items():
                self.board.histogram(name, array, found.iteration)
        if not self._shown or found.iteration == self.solver.last - 1:
            _sanity.show_inspection(found)
            if not self._shown:
                _sanity.show_first_losses(self.losses)
            _output.show(found.findings())
        self._shown = True

    def first(self) -> _First:
        found = _First()
        self.events.listeners.append(found)
        return found


def _verdict(samples: int, first: float | None, solver: Solver) -> int:
    """Whether the net has learned its samples: the loss must fall below a tenth of the first."""
    if first is None:
        return 0
    last = solver.losses[-1]
    learned = last < 0.1 * first
    said = f"the loss went from {first:.4g} to {last:.4g} in {solver.iteration} iterations on {samples} samples: "
    if learned:
        _output.say(said + "the net can learn them by heart", "green")
    else:
        hints = "look for a mistake in labels, loss or learning rate, or give it more --iterations"
        _output.say(said + f"not learned; {hints}", "bold red")
        if last == first:
            _output.say("the loss has not changed at all: every gradient, or every learning rate, is zero", "bold red")
    if (label := one_class(solver.net)) is not None:
        _output.say(
            f"all {samples} samples are of class {label:g}: a net that always says {label:g} learns them", "yellow"
        )
    return 0 if learned else 1


def _result(solver: Solver, progress: Progress, seconds: float) -> dict[str, Any]:
    written = progress.written
    return {
        "iterations": solver.iteration,
        "loss": solver.loss,
        "test": [plain(result.outputs) for result in progress.last_tests.values()],
        "seconds": round(seconds, 3),
        "snapshot": str(written[0]) if written else None,
        **({"best": _best(solver)} if any(p.has("early_stop") for p in solver.stages) else {}),
    }


def _best(solver: Solver) -> dict[str, Any]:
    weights = str(solver.best_weights) if solver.best_weights else None
    return {"iteration": solver.best_iteration, "value": solver.best, "weights": weights}


def _show_results(solver: Solver, progress: Progress, seconds: float) -> None:
    table = Table(title="result", title_justify="left", header_style="bold")
    for heading in ("iterations", "loss", "test", "seconds", "snapshot"):
        table.add_column(heading)
    tests = "\n".join(
        f"{name} {float(v.reshape(-1)[0]):.4f}"
        for r in progress.last_tests.values()
        for name, v in r.outputs.items()
        if v.size == 1
    )
    written = str(progress.written[0]) if progress.written else "none"
    table.add_row(f"{solver.iteration:,}", f"{solver.loss:.4g}", tests or "none", f"{seconds:.1f}", written)
    _output.out.print(table)
    if solver.best_weights:
        output, best = solver.p.early_stop.output, f"{solver.best:.6g}"
        _output.say(f"the best {output} ({best}) was that of iteration {solver.best_iteration}: {solver.best_weights}")
