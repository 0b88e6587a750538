"""The page of `netc diff --html`: what is in it, and that it works in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import netc
from netc.api.session import Net
from netc.pages.diff import Side, diff_page
from netc.report import diff, weights
from netc.run.weights import weights_of
from tests.cli.conftest import ROOT
from tests.pages.browser import needs_browser, told
from tests.pages.test_view import HOSTILE, SMALL, Tags, data_of

OTHER = SMALL.replace("width: 16", "width: 12").replace("score =", "h = Dropout(h)\nscore =")


def page_of(a: str = SMALL, b: str = OTHER) -> str:
    plans = [netc.plan(netc.loads(text)) for text in (a, b)]
    sides = (Side("a.net", plans[0], None), Side("b.net", plans[1], None))
    return diff_page(sides, diff.compare(*plans), None).decode()


def test_the_rows_are_the_difference() -> None:
    data = data_of(page_of())
    kinds = {row["name"]: row["kind"] for row in data["rows"]}
    found = diff.compare(netc.plan(netc.loads(SMALL)), netc.plan(netc.loads(OTHER)))
    assert {name for name, kind in kinds.items() if kind == "changed"} == {change.name for change in found.changed}
    assert [name for name, kind in kinds.items() if kind == "added"] == [facts.name for facts in found.added] != []
    assert "removed" not in kinds.values()
    for row in data["rows"]:
        for side, at in zip(data["sides"], row["at"], strict=True):
            assert at is None or side["layers"][at]["name"] == row["name"]
    row = next(row for row in data["rows"] if row["name"] == "block1/y")
    assert "convolution_param.num_output: 16 -> 12" in row["said"]
    assert ["parameters", "2,677", "2,065", "-612, -22.9%"] in data["totals"]
    assert not data["same"]


def test_names_stay_names() -> None:
    name = HOSTILE.replace('"', '\\"')
    hostile = OTHER.replace("score =", f'score as "{name}" =')
    wanted, found = Tags(page_of()).found, Tags(page_of(b=hostile)).found
    assert [tag for tag, _ in found] == [tag for tag, _ in wanted]
    assert {key for _, attributes in found for key in attributes if key.startswith("on")} == set()


# ---------------------------------------------------------------- in a browser

USED = """
const text = () => byId("panel").innerText;
const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const out = { sum: byId("sum").textContent, rows: document.querySelectorAll("button.row").length };
out.marks = [0, 1].map((side) => ["changed", "added", "weights"].map((kind) =>
  document.querySelectorAll(`#side-${"AB"[side]} .node.is-${kind}`).length));
key("j");
out.first = document.querySelector("#panel h2").textContent;
out.chosen = Object.values(graphs).map((graph) => graph.svg.querySelectorAll(".node.chosen").length);
out.said = text();
key("k"); key("k");
out.before = document.querySelector("#panel h2").textContent;
key("n");
document.querySelector("#side-B .node").dispatchEvent(new MouseEvent("click", { bubbles: true }));
out.clicked = document.querySelector("#panel h2").textContent;
const dark = document.documentElement.dataset.theme;
key("d");
out.themes = [dark, document.documentElement.dataset.theme];
out.overflow = document.documentElement.scrollWidth > innerWidth;
out.canvases = 0;
for (const i of different) { choose(i); out.canvases += document.querySelectorAll("#panel canvas").length; }
return out;
"""


def used(path: Path, page: bytes | str, **options: Any) -> Any:
    path.write_bytes(page if isinstance(page, bytes) else page.encode())
    return told(path, USED, **options)


@needs_browser
@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), ((390, 844), True)])
def test_nets_in_a_browser(tmp_path: Path, size: tuple[int, int], dark: bool) -> None:
    found = used(tmp_path / "a.html", page_of(), size=size, dark=dark)
    assert found["sum"] == "1 only in B, 4 changed"
    assert found["rows"] == 5
    assert found["marks"][0][1] == 0
    assert found["marks"][1][1] + found["marks"][1][0] >= 3
    assert (found["first"], found["chosen"]) == ("block1/y", [1, 1])
    assert "num_output: 16 -> 12" in found["said"]
    assert found["before"] == "score"
    assert found["clicked"] == "data"
    assert found["themes"] == (["dark", "light"] if dark else ["light", "dark"])
    assert not found["overflow"]


@needs_browser
def test_weights_in_a_browser(tmp_path: Path) -> None:
    definition = netc.loads(SMALL)
    files = [weights_of(Net(definition, seed=seed)) for seed in (1, 2)]
    plan = netc.plan(definition)
    changes = weights.compare(*files)
    sides = (Side("a.caffemodel", plan, files[0]), Side("b.caffemodel", plan, files[1]))
    found = used(tmp_path / "a.html", diff_page(sides, diff.compare(plan, plan), changes))
    assert found["sum"] == "3 other weights"
    assert found["marks"] == [[0, 0, 3], [0, 0, 3]]
    assert "of its size" in found["said"]
    assert found["canvases"] == 2  # the first convolution's filters, of both


@needs_browser
def test_large_nets_in_a_browser(tmp_path: Path) -> None:
    plans = [netc.plan(ROOT / "nets" / f"resnet{depth}.net") for depth in (50, 101)]
    sides = (Side("resnet50.net", plans[0], None), Side("resnet101.net", plans[1], None))
    page = diff_page(sides, diff.compare(*plans), None)
    assert len(page) < 3_000_000
    assert "only in B" in used(tmp_path / "a.html", page)["sum"]
