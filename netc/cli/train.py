"""`netc train`: train what a solver says, with progress, tests and snapshots."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from netc.api.session import Solver
from netc.cli import _output
from netc.cli._options import executor_options, file_argument
from netc.cli._progress import Progress
from netc.cli._weights import show_loaded


@click.command("train")
@file_argument
@click.option("--snapshot", type=click.Path(path_type=Path), help="Go on from this .solverstate.")
@click.option("--weights", help="Start from these .caffemodel files (separated by commas), by layer name.")
@click.option("--iterations", type=click.IntRange(min=0), help="max_iter instead of the file's.")
@click.option("--seed", type=click.IntRange(min=0), help="random_seed instead of the file's.")
@click.option("--layers", type=click.Path(path_type=Path, exists=True), multiple=True, help="Your own layer file.")
@executor_options
@click.option("--json", "as_json", is_flag=True, help="A last line of JSON on stdout.")
def command(
    file: Path,
    snapshot: Path | None,
    weights: str | None,
    iterations: int | None,
    seed: int | None,
    layers: tuple[Path, ...],
    as_json: bool,
    **run_options: Any,
) -> int:
    """Train FILE: a net with a solver block, or a solver file.

    Ctrl-C stops after the running iteration, writes a snapshot and exits with 130; a second Ctrl-C stops at once.
    SIGHUP writes a snapshot and goes on.
    """
    if snapshot and weights:
        raise click.UsageError("--snapshot holds the weights already; give one of --snapshot and --weights")
    changes = {"max_iter": iterations, "random_seed": seed}
    start = time.perf_counter()
    with ExitStack() as stack:
        progress = stack.enter_context(Progress())
        solver = Solver(
            file,
            layers=layers,
            events=progress,
            changes={k: v for k, v in changes.items() if v is not None},
            weights=weights.split(",") if weights else (),
            **run_options,
        )
        _output.show(solver.warnings)
        show_loaded(solver.loaded)
        if snapshot:
            solver.restore(snapshot)
        stack.enter_context(_Signals(solver))
        solver.solve()
    seconds = time.perf_counter() - start
    if as_json:
        _output.print_json(_result(solver, progress, seconds))
    else:
        _show_results(solver, progress, seconds)
    return 130 if progress.interrupted else 0


def _result(solver: Solver, progress: Progress, seconds: float) -> dict[str, Any]:
    tests = [{name: _plain(v) for name, v in result.outputs.items()} for result in progress.last_tests.values()]
    written = progress.written
    return {
        "iterations": solver.iteration,
        "loss": solver.loss,
        "test": tests,
        "seconds": round(seconds, 3),
        "snapshot": str(written[0]) if written else None,
    }


def _plain(value: Any) -> Any:
    return float(value) if value.size == 1 else value.tolist()


def _show_results(solver: Solver, progress: Progress, seconds: float) -> None:
    table = Table(title="result", title_justify="left", header_style="bold")
    for heading in ("iterations", "loss", "test", "seconds", "snapshot"):
        table.add_column(heading)
    tests = "\n".join(
        f"{name} {float(v):.4f}" for r in progress.last_tests.values() for name, v in r.outputs.items() if v.size == 1
    )
    written = str(progress.written[0]) if progress.written else "none"
    table.add_row(f"{solver.iteration:,}", f"{solver.loss:.4g}", tests or "none", f"{seconds:.1f}", written)
    _output.out.print(table)


class _Signals:
    """SIGINT and SIGTERM stop after the iteration that runs; SIGHUP snapshots."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        self.before = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
        if hasattr(signal, "SIGHUP"):
            self.before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: self.solver.request_snapshot())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: object) -> None:
        assert isinstance(self.solver.events, Progress)
        if self.solver.events.interrupted:  # the second time: at once
            sys.exit(130)
        self.solver.events.interrupted = True
        self.solver.request_stop()
