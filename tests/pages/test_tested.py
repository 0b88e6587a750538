"""The page of `netc test --html`, and which mistakes it shows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.api.confusion import Confusion
from netc.api.wrong import Mistake, Mistakes, probabilities
from netc.kernels.confusion import Classes
from netc.pages.tested import result_page
from tests.cli.conftest import COMMAND, SMALL, environment
from tests.pages.browser import needs_browser, told
from tests.pages.test_view import HOSTILE, Tags, data_of

NET = """
data = Input() { shape { dim: [4, 3, 2, 2] } }
score = Input() { shape { dim: [4, 3] } }
label = Input() { shape { dim: [4] } }
loss = SoftmaxWithLoss(score, label) { loss_param { ignore_label: 2 } }
"""


def found(batches: list[tuple[list[list[float]], list[int]]], most: int) -> list[Mistake]:
    net = netc.Net(netc.loads(NET), keep=True)
    kept = Mistakes(net, Confusion(net), most)
    for number, (scores, labels) in enumerate(batches):
        images = np.full((4, 3, 2, 2), number) + np.arange(4).reshape(4, 1, 1, 1) / 10
        net.forward(data=images, score=np.array(scores), label=np.array(labels))
        kept.add()
    return kept.found


def test_the_surest_mistakes_are_kept_with_their_images() -> None:
    first = ([[5, 0, 0], [1, 0, 0], [0, 9, 0], [0, 0, 3]], [0, 1, 2, 0])  # right, wrong, ignored, wrong
    second = ([[0, 2, 0], [0, 2, 0], [0, 2, 0], [7, 0, 0]], [1, 1, 1, 1])
    got = found([first, second], 2)
    assert [(m.label, m.given) for m in got] == [(1, 0), (0, 2)]
    assert [m.image[0, 0, 0].item() for m in got if m.image is not None] == [pytest.approx(1.3), pytest.approx(0.3)]
    wanted = np.exp([7, 0, 0]) / np.exp([7, 0, 0]).sum()
    assert (got[0].sure, got[0].right) == (pytest.approx(wanted[0]), pytest.approx(wanted[1]))
    assert len(found([first, second], 9)) == 3


def test_probabilities_stay_and_scores_become_some() -> None:
    rows = np.array([[0.25, 0.75], [1, 0]])
    np.testing.assert_array_equal(probabilities(rows), rows)
    np.testing.assert_allclose(probabilities(np.array([[1000.0, 0, -1000]])), [[1, 0, 0]], atol=1e-12)


def page(names: list[str], image: np.ndarray | None = None) -> str:
    matrix = np.array([[3, 1], [0, 2]])
    mistakes = [Mistake(0, 1, 0.75, 0.25, image)]
    means = {"accuracy": np.array(0.8), "all": np.zeros(3)}
    return result_page("mine", "2 batches", means, Classes(matrix), names, mistakes, "<svg/>").decode()


def test_what_is_in_the_page() -> None:
    data = data_of(page(["cat", "dog"], np.arange(12.0).reshape(3, 2, 2)))
    assert data["means"] == {"accuracy": 0.8}
    assert data["classes"]["matrix"] == [[3, 1], [0, 2]]
    assert data["classes"]["recall"] == [0.75, 1]
    assert data["wrong"][0]["image"]["channels"] == 3
    assert data_of(page([str(i) for i in range(2)]))["wrong"][0]["image"] is None


def test_names_stay_names() -> None:
    assert [tag for tag, _ in Tags(page([HOSTILE, "b"])).found] == [tag for tag, _ in Tags(page(["a", "b"])).found]
    assert data_of(page([HOSTILE, "b"]))["names"][0] == HOSTILE


def test_images_that_are_not_finite() -> None:
    image = np.array([np.nan, np.inf, -np.inf, 1.0]).reshape(1, 2, 2)
    assert data_of(page(["a", "b"], image))["wrong"][0]["image"]["channels"] == 1


@needs_browser
def test_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "t.html"
    path.write_text(page(["cat", HOSTILE], np.arange(12.0).reshape(3, 2, 2)))
    script = """
    let hurt = 0; window.alert = () => { hurt += 1; };
    const count = (what) => document.querySelectorAll(what).length;
    const out = { cells: count("#matrix td"), figures: count("figure") };
    document.querySelector("#matrix td button").click();
    out.chosen = document.querySelector("#wrong h3").textContent;
    out.image = document.querySelector("#curves img").naturalWidth >= 0;
    return { ...out, hurt, wide: document.documentElement.scrollWidth > innerWidth };
    """
    wanted = {"cells": 4, "figures": 1, "chosen": f"cat taken for {HOSTILE}", "image": True, "hurt": 0, "wide": False}
    assert told(path, script, size=(390, 844)) == wanted


def test_the_command(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return subprocess.run(
            [*COMMAND, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )

    (tmp_path / "small.net").write_text(SMALL)
    run("train", "small.net", "--iterations", "12")
    shown = json.loads(run("test", "small.net", "--html", "t.html", "--json").stdout)
    data = data_of((tmp_path / "t.html").read_text())
    assert data["classes"]["matrix"] == shown["confusion"]
    assert data["means"]["accuracy"] == pytest.approx(shown["accuracy"])
    wrong = sum(map(sum, shown["confusion"])) - sum(shown["confusion"][i][i] for i in range(10))
    assert len(data["wrong"]) == min(48, wrong) > 0
    assert data["wrong"][0]["image"]["width"] == 8
    assert data["curves"]
    assert "small_iter_12.caffemodel" in data["about"]
