"""What `netc train` shows while it works: a progress bar on a terminal, lines at every display and test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from netc import jit
from netc.api.meter import Meter, Rates
from netc.cli import _output
from netc.errors import Diagnostic
from netc.solve.events import Events, Fitted, Step, TestResult
from netc.solve.inspect import Size

EVERY = 10.0
"""Seconds between the lines of a run that has `display: 0` and no terminal."""


class Progress(Events):
    """Hears what the solver tells. Bars only on a terminal; messages go to stderr either way, unless `quiet`.

    `meter` measures the rates that are shown; it must hear of everything before this does.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.interrupted = False
        self._quiet = quiet
        self._say: Callable[[str], object] = (lambda _: None) if quiet else _output.say
        self.meter: Meter | None = None
        self.silent = False
        """The solver says `display: 0`: without a terminal, and so without a bar, there is a line now and then."""
        self._said = time.monotonic()
        self.last_tests: dict[int, TestResult] = {}
        self.written: tuple[Path, Path] | None = None
        self._compiling = False
        self._kernels: TaskID | None = None
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=_output.err,
            transient=True,
            disable=quiet or not _output.err.is_terminal,
        )
        self._task = self._bars.add_task("training", total=None, note="", start=False)

    def __enter__(self) -> Progress:
        jit.announce_compilation(self._compiles, self._compiled)
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
        jit.announce_compilation(None)

    def stop_bars(self) -> None:
        """Give the terminal its cursor back: the process may end at any moment from now on."""
        self._bars.stop()

    def _compiles(self) -> None:
        if not self._compiling:
            self._compiling = True
            _output.say("compiling kernels, once (they are kept for the next start)", "dim")

    def _compiled(self, done: int, total: int) -> None:
        """A bar of its own on a terminal, from the first kernel that is not in the cache to the last."""
        if not self._compiling or not _output.err.is_terminal:
            return
        if self._kernels is None and done < total:
            self._kernels = self._bars.add_task("compiling kernels", total=total, note="")
        if self._kernels is not None:
            self._bars.update(self._kernels, completed=done, total=total)
            if done == total:
                self._bars.remove_task(self._kernels)
                self._kernels = None

    def started(self, iteration: int, last: int) -> None:
        self._bars.start_task(self._task)
        self._bars.update(self._task, total=last, completed=iteration)

    def fitted(self, fitted: Fitted) -> None:
        self._say(f"{fitted.layer}: statistics of {fitted.items:,} items")

    def staged(self, stage: int, stages: int, iteration: int, reason: str | None) -> None:
        self._say(f"iteration {iteration}: stage {stage + 1} of {stages}" + (f": {reason}" if reason else ""))

    def stepped(self, step: Step) -> None:
        rates = self.meter.rates if self.meter else None
        note = f"loss {step.average_loss:.4g}" + (f", {rates.of_samples}" if rates else "")
        self._bars.update(self._task, completed=step.iteration, note=note)
        if step.display or self._overdue():
            self._said = time.monotonic()
            parts = ", ".join(f"{name} {value:.4g}" for name, value in step.losses.items())
            loss = f"loss {step.average_loss:.6g}" + (f" ({parts})" if parts else "")
            line = f"iteration {step.iteration - 1}: {loss}, lr {step.rate:.4g}"
            self._say(line + (f", {shown(rates)}" if rates else ""))

    def _overdue(self) -> bool:
        """Whether a run that shows nothing of itself has been still for long."""
        return self.silent and not _output.err.is_terminal and time.monotonic() - self._said >= EVERY

    def sized(self, sizes: Sequence[Size]) -> None:
        for size in sizes:
            self._say(f"  {size_line(size)}")

    def test_batch(self, net: int, batch: int, batches: int) -> None:
        self._bars.update(self._task, note=f"test {batch} of {batches}")

    def tested(self, result: TestResult) -> None:
        self.last_tests[result.net] = result
        values = ", ".join(
            f"{name} {float(v.reshape(-1)[0]):.4f}" if v.size == 1 else f"{name} {v.tolist()}"
            for name, v in result.outputs.items()
        )
        net = f" net {result.net}" if result.net else ""
        self._say(f"iteration {result.iteration}: test{net}: {values}")

    def snapshot(self, weights: Path, state: Path) -> None:
        self.written = (weights, state)
        self._say(f"wrote {weights} and {state}")

    def best(self, iteration: int, value: float, weights: Path) -> None:
        self._say(f"iteration {iteration}: the best so far ({value:.6g}): wrote {weights}")

    def went_back(self, iteration: int, best: int) -> None:
        self._say(f"iteration {iteration}: back to the weights of iteration {best}, the best")

    def stopped(self, reason: str) -> None:
        self._say(f"stopped: {reason}")

    def warned(self, diagnostic: Diagnostic) -> None:
        if not self._quiet:
            _output.show([diagnostic])


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; gives what moves it: records done, of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = _output.err
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as shown_bar:
        task = shown_bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            if done % 100 == 0 or done == total:
                shown_bar.update(task, completed=done, total=total)

        yield move


def shown(rates: Rates) -> str:
    """`812 it/s, 51,968 images/s, data 3 %, 0:00:12 left`."""
    per_second = rates.iterations_per_second
    speed = f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.3g}"
    minutes, seconds = divmod(round(rates.seconds_left), 60)
    left = f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left"
    return f"{speed} it/s, {rates.of_samples}, data {rates.data_wait:.0%}, {left}"


_PLACES = {
    "forward": "[Forward] Layer {layer}, top blob {blob} data: {value:.6g}",
    "backward": "[Backward] Layer {layer}, bottom blob {blob} diff: {value:.6g}",
    "parameter": "[Forward] Layer {layer}, param blob {blob} data: {value:.6g}",
    "gradient": "[Backward] Layer {layer}, param blob {blob} diff: {value:.6g}",
    "update": "[Update] Layer {layer}, param {blob} diff: {value:.6g}",
}


def size_line(size: Size) -> str:
    """A line of debug_info as Caffe prints it: mean absolute values."""
    return _PLACES[size.kind].format(layer=size.layer, blob=size.blob, value=size.mean_abs)
