"""What `netc train` shows while it works: a progress bar on a terminal, lines at every display and test."""

from __future__ import annotations

import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from netc import jit
from netc.cli import _output
from netc.errors import Diagnostic
from netc.solve.events import Events, Step, TestResult


class Progress(Events):
    """Hears what the solver tells. Bars only on a terminal; messages go to stderr either way."""

    def __init__(self) -> None:
        self.interrupted = False
        self.last_tests: dict[int, TestResult] = {}
        self.written: tuple[Path, Path] | None = None
        self._compiling = False
        self._began = time.perf_counter()
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=_output.err,
            transient=True,
            disable=not _output.err.is_terminal,
        )
        self._task = self._bars.add_task("training", total=None, note="", start=False)

    def __enter__(self) -> Progress:
        jit.announce_compilation(self._compiles)
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
        jit.announce_compilation(None)

    def _compiles(self) -> None:
        if not self._compiling:
            self._compiling = True
            _output.say("compiling kernels, once (they are kept for the next start)", "dim")

    def started(self, iteration: int, last: int) -> None:
        self._bars.start_task(self._task)
        self._bars.update(self._task, total=last, completed=iteration)

    def stepped(self, step: Step) -> None:
        note = f"loss {step.average_loss:.4g}"
        self._bars.update(self._task, completed=step.iteration, note=note)
        if step.display:
            _output.say(f"iteration {step.iteration - 1}: loss {step.average_loss:.6g}, lr {step.rate:.4g}")

    def tested(self, result: TestResult) -> None:
        self.last_tests[result.net] = result
        values = ", ".join(
            f"{name} {float(v):.4f}" if v.size == 1 else f"{name} {v.tolist()}" for name, v in result.outputs.items()
        )
        net = f" net {result.net}" if result.net else ""
        _output.say(f"iteration {result.iteration}: test{net}: {values}")

    def snapshot(self, weights: Path, state: Path) -> None:
        self.written = (weights, state)
        _output.say(f"wrote {weights} and {state}")

    def stopped(self, reason: str) -> None:
        _output.say(f"stopped: {reason}")

    def warned(self, diagnostic: Diagnostic) -> None:
        _output.show([diagnostic])
