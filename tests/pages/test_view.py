"""The page of `netc view`: what is in it, that nothing gets out of its place, and that it works in a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import netc
from netc.api.session import Net
from netc.pages.html import as_script
from netc.pages.svg import for_page
from netc.pages.view import view_page
from tests.cli.conftest import ROOT
from tests.pages.browser import needs_browser, told

SMALL = """
def block(x; width) -> y {
  y = Convolution(x) { num_output: width kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
  y = ReLU(y)
  y = Pooling(y) { kernel_size: 2 stride: 2 }
}
data = Input() { shape { dim: [2, 3, 16, 16] } }
h = block(data) { width: 8 }
h = block(h) { width: 16 }
score = InnerProduct(h) { num_output: 5 weight_filler { type: "xavier" } }
"""


def page_of(text: str = SMALL, weights: bool = False) -> str:
    definition = netc.loads(text, "small.net")
    net = Net(definition) if weights else None
    return view_page(definition, netc.plan(definition), net).decode()


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_data_is_the_plan() -> None:
    data = data_of(page_of(weights=True))
    layers = data["layers"]
    wanted = ["Input", "Convolution", "ReLU", "Pooling", "Convolution", "ReLU", "Pooling", "InnerProduct"]
    assert [layer["type"] for layer in layers] == wanted
    conv = next(layer for layer in layers if layer["type"] == "Convolution")
    assert conv["tops"][0][1] == "2x8x16x16"
    assert conv["macs"] == 2 * 8 * 16 * 16 * 27
    assert ["convolution_param.num_output", "8"] in conv["fields"]
    assert conv["sees"] == [[3, 3], [1, 1], [-1, -1]]
    assert conv["runs"] == ["block"]
    assert conv["line"] == "small.net:3"
    memory = data["memory"]
    plan = netc.plan(netc.loads(SMALL))
    assert memory["curve"] == list(plan.memory.curve)
    assert memory["steps"][memory["peak"]] == plan.memory.steps[plan.memory.peak]
    blob = data["weights"][conv["params"][0][0]]
    assert sum(blob["histogram"]) == blob["count"] == 216
    assert (blob["filters"]["count"], blob["filters"]["channels"]) == (8, 3)
    assert "Computes" in data["types"]["Convolution"]["sections"]


HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'


class Tags(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_names_stay_names() -> None:
    """Names come from files that somebody else wrote: no element, no attribute and no script comes out of them."""
    name = HOSTILE.replace('"', '\\"')
    text = f'name: "{name}"\n' + SMALL.replace("score =", f'score as "{name}" =').replace(
        "Input()", f'Input() as "{name}2"'
    )
    wanted, found = Tags(page_of()).found, Tags(page_of(text)).found
    assert [tag for tag, _ in found] == [tag for tag, _ in wanted]
    assert {tag for tag, _ in found} & {"img", "iframe", "object", "embed", "link", "a"} == set()
    handlers = {key for _, attributes in found for key in attributes if key.startswith("on")}
    assert handlers == set()
    assert sum(tag == "script" for tag, _ in found) == 2
    assert data_of(page_of(text))["name"] == HOSTILE


def test_nothing_is_asked_of_a_network() -> None:
    page = page_of()
    assert "default-src 'none'" in page
    assert "connect-src 'none'" in page
    assert re.findall(r"(?:src|href)=", page.partition("<script>")[0]) == []
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}


def test_svg_keeps_known_elements_only() -> None:
    given = (
        '<?xml version="1.0"?><!DOCTYPE svg><svg viewBox="0 0 1 1" onload="x()"><!-- c --><script>x()</script>'
        '<g id="node1" class="node f-loss" onclick="x()">\n<title>n0</title><a xlink:href="javascript:x()">'
        '<path fill="red" d="M1.234,2.5"/></a><text x="1">&lt;b&gt; 1 < 2</text></g></svg>'
    )
    wanted = (
        '<svg viewBox="0 0 1 1">x()<g class="node f-loss" data-of="n0"><path d="M1.2,2.5"/>'
        '<text x="1">&lt;b&gt; 1 &lt; 2</text></g></svg>'
    )
    assert for_page(given) == wanted


def test_numbers_that_json_has_not_become_null() -> None:
    assert as_script({"a": float("nan"), "b": [float("inf"), 1.5], "c": "<\u2028&"}) == (
        '{"a":null,"b":[null,1.5],"c":"\\u003c\\u2028\\u0026"}'
    )


def test_weights_that_are_not_finite_are_counted() -> None:
    definition = netc.loads(SMALL)
    net = Net(definition)
    next(iter(net.params.values()))[0][0, 0, 0, 0] = float("nan")
    page = view_page(definition, netc.plan(definition), net).decode()
    assert '"bad":1' in page


def test_resnet152_fits() -> None:
    definition = netc.load(ROOT / "nets" / "resnet152.net")
    page = view_page(definition, netc.plan(definition))
    assert len(page) < 3_000_000
    assert list(data_of(page.decode())["layouts"]) == ["compact", "plain"]


def test_a_small_net_has_a_box_for_each_layer_too() -> None:
    page = page_of()
    layouts = data_of(page)["layouts"]
    assert list(layouts) == ["compact", "plain", "full"]
    assert len(layouts["full"]["boxes"]) == 8 > len(layouts["plain"]["boxes"])
    full = page.partition('id="layout-full"')[2]
    assert "224 parameters" in full  # 8 filters of 3x3x3 and their biases


# ---------------------------------------------------------------- in a browser

USED = """
const text = (id) => document.getElementById(id).innerText;
const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const shown = () => [...document.querySelectorAll(".layout.shown .node")];
const nodes = () => shown().filter((node) => node.getClientRects().length).length;
const out = { first: style, net: document.querySelector("#panel h2").textContent, timeline: !!byId("timeline") };
if (style === "compact") byId("layout").click();
out.layout = style;
out.all = nodes();
const search = byId("search");
search.value = WORD;
search.dispatchEvent(new Event("input"));
out.found = hits.map((i) => DATA.layers[i].name);
search.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
out.chosen = document.querySelector("#panel h2").textContent;
out.tops = text("tops");
out.sees = byId("sees") ? text("sees") : null;
const node = graph().nodes.get(`n${graph().boxOf.get(chosen)}`);
key("n");
out.back = chosen;
node.dispatchEvent(new MouseEvent("click", { bubbles: true }));
out.clicked = DATA.layers[chosen].name;
const box = node.getBoundingClientRect(), room = byId("graph").getBoundingClientRect();
out.inside = box.x >= room.x && box.right <= room.right && box.y >= room.y && box.bottom <= room.bottom;
key("f");
out.folded = nodes();
key("f");
out.opened = nodes();
[...document.querySelectorAll(".layout.shown .cluster")][0].dispatchEvent(new MouseEvent("click", { bubbles: true }));
out.byClick = nodes();
const scale = graph().view.scale;
key("+");
out.nearer = graph().view.scale > scale;
key("c");
out.after = style;
key("c");
const before = document.documentElement.dataset.theme;
key("d");
out.themes = [before, document.documentElement.dataset.theme];
out.overflow = document.documentElement.scrollWidth > innerWidth;
return out;
"""


@needs_browser
@pytest.mark.parametrize(
    ("name", "layer", "wanted"),
    [
        (
            "googlenet",
            "inception_4a/3x3",
            ("compact", "208x14x14"),
        ),
        (
            "resnet152",
            "res3b2_branch2b",
            ("compact", "128x28x28"),
        ),
        ("digits", "conv2", ("plain", "64x4x4")),
    ],
)
@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), ((390, 844), True)])
def test_in_a_browser(
    tmp_path: Path, name: str, layer: str, wanted: tuple[str, str], size: tuple[int, int], dark: bool
) -> None:
    definition = netc.load(ROOT / "nets" / f"{name}.net")
    path = tmp_path / "net.html"
    path.write_bytes(view_page(definition, netc.plan(definition)))
    found = told(path, USED.replace("WORD", json.dumps(layer)), size=size, dark=dark)
    first, shape = wanted
    assert (found["first"], found["layout"], found["timeline"]) == (first, "plain", True)
    assert found["net"] == netc.plan(definition).graph.name
    assert layer in found["found"]
    assert (found["chosen"], found["clicked"], found["back"]) == (layer, layer, None)
    assert shape in found["tops"]
    assert found["inside"]
    assert found["folded"] < found["all"] == found["opened"] > found["byClick"]
    assert found["nearer"]
    assert found["after"] == ("compact" if name == "resnet152" else "full")
    assert found["themes"] == (["dark", "light"] if dark else ["light", "dark"])
    assert not found["overflow"]
    plan = netc.plan(definition)
    node = next(node for node in plan.graph.nodes if node.name == layer)
    field, side = plan.layers[node.index].fields[0], 8 if name == "digits" else 224
    assert field is not None
    assert f"sees {field.size[0]} x {field.size[1]} of {side} x {side}" in found["sees"]


@needs_browser
def test_filters_and_histograms_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "net.html"
    path.write_text(page_of(weights=True))
    script = """
    choose(DATA.layers.findIndex((layer) => layer.type === "Convolution"));
    const canvas = document.querySelector("canvas.filters");
    const pixels = [...canvas.getContext("2d").getImageData(0, 0, 3, 3).data];
    const bars = document.querySelectorAll("#panel .chart .area").length;
    return { bars, drawn: pixels.some((value) => value && value < 255) };
    """
    assert told(path, script) == {"bars": 80, "drawn": True}


@needs_browser
def test_hostile_names_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "net.html"
    name = HOSTILE.replace('"', '\\"')
    path.write_text(page_of(SMALL.replace("score =", f'score as "{name}" =')))
    script = (
        "let hurt = 0; window.alert = () => { hurt += 1; }; for (let i = 0; i < 8; i++) next(1); search(); return hurt;"
    )
    assert told(path, script) == 0
