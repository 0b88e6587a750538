"""Runs from their metrics, and their curves."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netc.api import history
from netc.errors import NetError
from netc.report.curves import Chart, Curve, svg


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
    assert run.tests == {"accuracy": [(0, 0.1), (50, 0.9)], "loss": [(0, 2.3)], "all": []}
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
