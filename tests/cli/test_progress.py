"""What a person sees while kernels are compiled for the first time."""

from io import StringIO

import pytest
from rich.console import Console

from netc import jit
from netc.cli import _output, _progress
from netc.cli._progress import Progress
from netc.solve import Step


class Kernel:
    """A kernel that takes no time to compile."""

    function = staticmethod(lambda: None)
    is_loaded = False

    def find(self) -> bool:
        return False

    def compile(self) -> None:
        self.is_loaded = True


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    console = Console(file=StringIO(), force_terminal=terminal, width=100)
    monkeypatch.setattr(_output, "err", console)
    with Progress() as progress:
        progress.started(0, 10)
        jit.compile_all([Kernel(), Kernel(), Kernel()])  # type: ignore[list-item]
        progress._bars.refresh()
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_how_many_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    listen = Progress._compiled
    monkeypatch.setattr(Progress, "_compiled", lambda self, *at: (seen.append(at), listen(self, *at))[1])
    text = shown(monkeypatch, terminal=True)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert text.count("compiling kernels, once") == 1
    assert "training" in text


def test_elsewhere_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=False)
    assert [line for line in text.splitlines() if line.strip()] == [
        "compiling kernels, once (they are kept for the next start)"
    ]


@pytest.mark.parametrize(("silent", "lines"), [(True, 3), (False, 0)])
def test_without_a_terminal_and_display_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, silent: bool, lines: int
) -> None:
    console = Console(file=StringIO(), force_terminal=False, width=100)
    monkeypatch.setattr(_output, "err", console)
    monkeypatch.setattr(_output, "say", lambda text, style="": console.print(text))
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    progress = Progress()
    progress.silent = silent
    for iteration in range(1, 36):
        now[0] += 1
        progress.stepped(Step(iteration, 0.5, 0.5, 0.1, {}, display=False))
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().count("loss 0.5") == lines
