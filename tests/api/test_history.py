"""Runs from their metrics, and their curves."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import netc
from netc import solve
from netc.api import history, progress
from netc.api.meter import Several
from netc.api.metrics import MetricsFile
from netc.errors import NetError
from netc.report import curve_files
from netc.report.curves import Chart, Curve, Dot, page, svg
from netc.solve.events import Step
from tests.cli.conftest import SMALL


def metrics(path: Path, count: int = 5, **more: object) -> Path:
    lines = [
        {"kind": "train", "iteration": i * 10, "loss": 9, "average_loss": 2 / (i + 1), "lr": 0.1} for i in range(count)
    ]
    lines.insert(
        0, {"kind": "test", "iteration": 0, "net": 0, "outputs": {"accuracy": 0.1, "loss": 2.3, "all": [1, 2]}}
    )
    lines.append({"kind": "test", "iteration": 50, "net": 0, "outputs": {"accuracy": 0.9, "loss": None}, **more})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_a_run_says(tmp_path: Path) -> None:
    path = metrics(tmp_path / "net.metrics.jsonl")
    with path.open("a") as file:
        file.write('[1]\n"x"\nno json\n{"kind": "train"}\n')
        file.write('{"kind": "train", "iteration": 60, "average_loss": true}\n{"kind": "tr')
    run = history.read(path)
    assert run.losses == [(0, 2.0), (10, 1.0), (20, 2 / 3), (30, 0.5), (40, 0.4)]
    assert run.tests == {"accuracy": [(0, 0.1), (50, 0.9)], "loss": [(0, 2.3)]}
    assert run.train[1] == {"iteration": 10, "loss": 9, "average_loss": 1.0, "lr": 0.1}
    assert run.test[-1] == {"iteration": 50, "net": 0, "accuracy": 0.9}
    assert repr(run) == "<run net: 5 losses, loss 0.4 at 40, accuracy 0.9, loss 2.3>"


@pytest.mark.parametrize("name", ["net.metrics.jsonl", "net", "net.net", "."])
def test_what_stands_for_a_run(tmp_path: Path, name: str) -> None:
    metrics(tmp_path / "net.metrics.jsonl")
    assert history.read(tmp_path / name).name == "net"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone", "cannot be read: no such file"),
        ("empty", "has no line of metrics"),
        ("folder", "has 2 files that end in"),
    ],
)
def test_what_is_no_run(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").write_text("\n")
    for each in "ab":
        (tmp_path / "folder").mkdir(exist_ok=True)
        metrics(tmp_path / "folder" / f"{each}.metrics.jsonl")
    with pytest.raises(NetError, match="RUN056") as caught:
        history.read(tmp_path / name)
    assert said in str(caught.value)


def shown(text: str) -> list[str]:
    """The texts of a picture, which must be well-formed."""
    return ["".join(e.itertext()) for e in ElementTree.fromstring(text).iter() if e.tag.endswith("text")]


def test_runs_in_one_picture(tmp_path: Path) -> None:
    runs = [history.read(metrics(tmp_path / f"{name}.metrics.jsonl")) for name in ("a<b>", "c")]
    texts = shown(svg(history.charts(runs), "two & more"))
    assert texts[0] == "two & more"
    assert [t for t in texts if t in ("loss", "test accuracy", "learning rate")] == [
        "loss",
        "test accuracy",
        "learning rate",
    ]
    assert {"a<b> train", "c test loss"} <= set(texts)
    assert shown(runs[0].plot(tmp_path / "out.svg")._repr_svg_()) == shown((tmp_path / "out.svg").read_text())


@pytest.mark.parametrize(
    "points",
    [
        [(0, 1.0)],
        [(0, 1.0), (5, 1.0)],
        [(0, float("nan")), (1, 2.0), (2, float("inf")), (3, 1e-30)],
        [(0, 0.0), (1, -5e20)],
        [(i, 1 / (i + 1)) for i in range(5000)],
    ],
)
@pytest.mark.parametrize("logarithmic", [True, False])
def test_any_values_can_be_drawn(points: list[tuple[float, float]], logarithmic: bool) -> None:
    text = svg([Chart("x", (Curve("one", tuple(points)), Curve("none", ())), logarithmic)])
    shown(text)
    assert "nan" not in text
    assert "inf" not in text


def test_nothing_to_draw_is_an_empty_picture() -> None:
    shown(svg([Chart("x", (Curve("none", ()),))]))


def test_the_same_curves_as_png(tmp_path: Path) -> None:
    """Twice as many pixels, in which the curves' colours are, and the text is in the title's and the axes' places."""
    run = history.read(metrics(tmp_path / "net.metrics.jsonl"))
    run.plot(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image)
    made = page(history.charts([run]), "net")
    assert pixels.shape == (2 * made.height, 2 * made.width, 3)
    for mark in made.marks:
        colour = tuple(bytes.fromhex(mark.colour[1:]))
        assert (pixels == colour).all(2).any(), mark
    dots = [mark for mark in made.marks if isinstance(mark, Dot)]
    assert all(tuple(pixels[round(2 * d.y), round(2 * d.x)]) == tuple(bytes.fromhex(d.colour[1:])) for d in dots)
    assert curve_files.picture([], "", ".png").startswith(b"\x89PNG")


def test_a_dash_goes_around_corners() -> None:
    assert curve_files._dashes([(0, 0), (4, 0), (4, 40)]) == [
        [(0, 0), (4, 0), (4, 6)],
        [(4, 12), (4, 22)],
        [(4, 28), (4, 38)],
    ]
    assert curve_files._dashes([]) == []


def test_curves_as_another_kind_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = history.read(metrics(tmp_path / "net.metrics.jsonl"))
    with pytest.raises(NetError, match=r"CLI027.*not as \.pdf"):
        run.plot(tmp_path / "a.pdf")
    monkeypatch.setitem(sys.modules, "PIL.ImageFont", None)
    with pytest.raises(NetError, match=r"CLI027.*Pillow, which writes PNG, is not installed"):
        run.plot(tmp_path / "a.png")
    assert not list(tmp_path.glob("a.*"))


class Heard(netc.Events):
    """What a run tells, by name."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name in vars(netc.Events) and not name.startswith("_"):
            self.names.append(name)
        return super().__getattribute__(name)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.net"
    path.write_text(SMALL.replace("max_iter: 40", "max_iter: 40 display: 15"))
    return path


def test_solve_gives_what_the_metrics_have(small: Path) -> None:
    heard, solver = Heard(), netc.Solver(small)
    solver.events = Several(MetricsFile(Path("small.metrics.jsonl")), heard)
    found = solver.solve()
    assert found is solver.history
    written = history.read(small)
    assert found.name == written.name == "small"
    assert found.train[:-1] == written.train
    assert [row["iteration"] for row in found.train] == [0, 15, 30, 39]
    assert found.train[-1]["average_loss"] == solver.loss
    assert found.test == written.test
    assert [row["iteration"] for row in found.test] == [0, 20, 40]
    assert "<svg" in found._repr_html_()
    assert heard.names[0] == "started"
    assert heard.names[-1] == "finished"


def test_each_solve_has_its_history(small: Path) -> None:
    solver = netc.Solver(small, changes={"display": 0})
    first = solver.solve(stop_at=3)
    assert [row["iteration"] for row in first.train] == [0, 1, 2]
    second = solver.solve()
    assert [row["iteration"] for row in second.train] == list(range(3, 40))
    assert len(first.train) == 3


def test_a_run_that_fails_has_a_history(small: Path) -> None:
    class Fails(netc.Events):
        def stepped(self, step: Step) -> None:
            if step.iteration == 3:
                raise ZeroDivisionError

    events = Fails()
    solver = netc.Solver(small, events=events)
    with pytest.raises(ZeroDivisionError):
        solver.solve()
    assert [row["iteration"] for row in solver.history.train] == [0, 1]
    assert solver.events is events


def test_progress_is_shown_where_asked(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    netc.Solver(small).solve()
    assert capsys.readouterr() == ("", "")
    netc.Solver(small).solve(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()  # no terminal: those that stay
    assert [line.partition("]")[2].split()[0] for line in lines] == ["0/40", "20/40", "40/40", "40/40"]
    assert re.search(r"40/40  loss \d\S*  test accuracy 0\.\d+  test loss \d\S*  \d+\.\d s$", lines[-1])


def test_progress_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that is renewed in its place, until one stays."""
    shown: list[list[str]] = []

    class Handle:
        def update(self, line: progress.Line) -> None:
            shown[-1].append(repr(line))

    def display(line: progress.Line, *, display_id: bool) -> Handle:
        assert display_id
        shown.append([repr(line)])
        return Handle()

    shell = SimpleNamespace(kernel=object())
    module = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", module)
    times = iter(range(100))
    listener = progress.Progress(clock=lambda: next(times))
    listener.started(0, 4)
    for i in range(1, 4):
        listener.stepped(Step(i, 1.0, 0.5, 0.1, {}, False))
    listener.tested(solve.TestResult(3, 0, {"<b>\x1b": np.float32([0.25])}, None))
    listener.stepped(Step(4, 1.0, 0.25, 0.1, {}, False))
    listener.close()
    assert [len(lines) for lines in shown] == [4, 2]
    assert shown[0][1] == "[============            ] 2/4  loss 0.5  2 s left"
    assert "\x1b" not in "".join(shown[0])
    assert "&lt;b&gt;" in progress.Line(shown[0][-1])._repr_html_()
    del shell.kernel
    assert progress.in_notebook() is None
