"""Where a run is, on one line: of the terminal that a script runs in, or below the cell of a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from netc.errors import visible
from netc.solve.events import Events, Step, TestResult

EVERY = 0.2
"""Seconds between two lines."""
_WIDTH = 24
_COLUMNS = 78

Show = Callable[[str, bool], object]
"""Takes a line, and whether it stays: the next one does not replace it."""


class Line:
    """A line that a notebook shows."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


class Progress(Events):
    """A line that is renewed a few times a second, and stays at each test.

    show: what shows it, instead of the notebook or stderr; where stderr is no terminal, only lines that stay.
    """

    def __init__(self, show: Show | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show or shower()
        self._clock = clock
        self._first = self._last = 0
        self._begin = self._said = clock()
        self._tests: dict[str, float] = {}
        self._line = ""

    def started(self, iteration: int, last: int) -> None:
        self._first, self._last = iteration, last
        self._begin = self._clock()

    def stepped(self, step: Step) -> None:
        now = self._clock()
        done = step.iteration - self._first
        left = (now - self._begin) / done * max(0, self._last - step.iteration)
        self._line = f"{self._head(step.iteration)}  loss {step.average_loss:.4g}"
        if now - self._said >= EVERY:
            self._said = now
            self._say(f"{self._line}{self._tested()}  {left:.0f} s left", False)

    def tested(self, result: TestResult) -> None:
        values = {name: float(v.reshape(-1)[0]) for name, v in result.outputs.items() if v.size == 1}
        self._tests = {f"{name} of test net {result.net}" if result.net else name: v for name, v in values.items()}
        self._say(f"{self._line or self._head(result.iteration)}{self._tested()}", True)

    def close(self) -> None:
        """The run has ended: the last line stays."""
        if self._line:
            self._say(f"{self._line}{self._tested()}  {self._clock() - self._begin:.1f} s", True)

    def _head(self, iteration: int) -> str:
        filled = _WIDTH * iteration // max(1, self._last)
        return f"[{'=' * filled}{' ' * (_WIDTH - filled)}] {iteration:,}/{self._last:,}"

    def _tested(self) -> str:
        return "".join(f"  test {name} {value:.4g}" for name, value in self._tests.items())

    def _say(self, text: str, stays: bool) -> None:
        self._show(visible(text), stays)


def shower() -> Show:
    """What shows lines here: the notebook, if this is one, else stderr."""
    return in_notebook() or _on_stderr()


def in_notebook() -> Show | None:
    """Shows lines below the cell that runs, None where that is no notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display = sys.modules["IPython"].display.display
    handles: list[Any] = []

    def show(text: str, stays: bool) -> None:
        if handles:
            handles[-1].update(Line(text))
        else:
            handles.append(display(Line(text), display_id=True))
        if stays:
            handles.clear()

    return show


def _on_stderr() -> Show:
    stream, terminal = sys.stderr, sys.stderr.isatty()

    def show(text: str, stays: bool) -> None:
        if terminal:
            stream.write(f"\r{text[:_COLUMNS]:<{_COLUMNS}}" + ("\n" if stays else ""))
        elif stays:
            stream.write(f"{text}\n")
        stream.flush()

    return show
