"""What notebooks and scripts look at: lines for repr, tables and pictures, one call for what is asked most."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc.api.planning import check
from netc.report import rendering
from tests.cli.conftest import ROOT, SMALL, environment

DIGITS = ROOT / "nets" / "digits.net"


def test_dir_says_what_there_is() -> None:
    assert set(netc.__all__) <= set(dir(netc))
    assert [name for name in dir(netc) if not name.startswith("_")] == sorted(netc.__all__)
    for name in netc.__all__:
        assert callable(getattr(netc, name)), name


def test_the_stub_has_the_same_names() -> None:
    stub = (ROOT / "netc" / "__init__.pyi").read_text()
    assert sorted(line.split()[-1] for line in stub.splitlines() if " import " in line) == sorted(netc.__all__)


def test_importing_netc_costs_nothing() -> None:
    code = "import sys, netc; dir(netc); print(*sorted(m for m in sys.modules if m.startswith('netc')))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["netc"]


def test_everything_is_a_line() -> None:
    definition = netc.load(DIGITS)
    plan, net = netc.plan(definition), netc.Net(definition)
    for thing in (definition, plan, net, netc.predict, netc.draw(definition)):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 160
    assert repr(definition) == f"<net digits: {len(definition.record.layer)} layers, with a solver>"
    assert repr(plan) == "<plan of digits (TEST): 17 layers, 53,098 parameters, 34,739,200 multiply-adds>"


def test_a_notebook_shows_table_and_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SMALL.replace('name: "small"', 'name: "<b>small & mine"')
    plan = netc.plan(netc.loads(text))
    shown = plan._repr_html_()
    assert "&lt;b&gt;small &amp; mine" in shown
    assert "<svg" in shown
    assert "<b>" not in shown
    assert netc.Net(netc.loads(text))._repr_html_() == shown
    monkeypatch.setattr(rendering, "_programs", list)
    assert plan._repr_html_().startswith("<pre>")
    assert netc.draw(netc.loads(text))._repr_svg_() is None


def test_summary_of_a_file_a_plan_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(SMALL.replace("max_iter: 40", "max_iter: 1"))
    shown = netc.summary("small.net")
    assert str(shown) == str(netc.summary(netc.plan("small.net"))) == repr(shown)
    assert "50x10" in str(shown)
    assert shown.data["parameters"] == 650
    assert "<pre>" in shown._repr_html_()
    netc.Solver("small.net").solve()
    weights = netc.summary("small_iter_1.caffemodel")
    assert "10x64" in str(weights)
    assert weights.data["blobs"][0]["count"] == 640  # type: ignore[index]


def test_draw_writes_what_the_ending_says(tmp_path: Path) -> None:
    made = netc.draw(DIGITS, tmp_path / "a.svg", style="compact")
    assert (tmp_path / "a.svg").read_text().count("<svg") == 1
    made.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert made._repr_svg_() == made.svg


def test_predict_finds_weights_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("dark", 20), ("light", 230)):
        for i in range(6):
            path = tmp_path / "photos" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4, 3), value + i, np.uint8)).save(path)
    Path("a.net").write_text("""
    data, label = ImageFolder() {
      source: "photos" batch_size: 6 shuffle: true transform_param { mean_value: 128 scale: 0.01 }
    }
    score = InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
    loss = SoftmaxWithLoss(score, label)
    solver { base_lr: 0.1 max_iter: 20 random_seed: 1 }
    """)
    with pytest.raises(netc.NetError, match="RUN055"):
        netc.predict("a.net", "photos/dark/0.png")
    netc.Solver("a.net").solve()
    Path("photos/broken.png").write_text("no picture")
    found = netc.predict("a.net", ["photos/dark/0.png", "photos/light/1.png", "photos/broken.png"])
    assert [f.best()[0][0] for f in found[:2]] == ["dark", "light"]
    assert found[0].best()[0][1] > 0.5
    assert repr(found[0]).startswith("<photos/dark/0.png: dark 0.")
    assert found[2].problem is not None
    assert "broken.png" in repr(found[2])
    assert found[2].best() == []


def test_a_notebook_shows_diagnostics_and_no_traceback() -> None:
    with pytest.raises(netc.NetError) as caught:
        netc.loads("x = Convolutoin(y)\nz = ReLu2(q)")
    shown = caught.value._render_traceback_()
    assert len([line for line in shown if "error[" in line]) == len(caught.value.diagnostics) >= 2
    assert "\n".join(shown) == str(caught.value)


def test_forward_takes_arrays_by_name() -> None:
    net = netc.Net(netc.loads("data = Input() { shape { dim: [1, 3] } }\ny = Power(data) { scale: 2 }"))
    assert net.forward(data=np.ones((2, 3)))["y"].tolist() == [[2, 2, 2], [2, 2, 2]]


def test_check_is_still_what_it_was() -> None:
    assert netc.check is check
