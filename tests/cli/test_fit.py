"""`netc fit`: statistics estimated anew for weights that are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from netc.api.fitting import fit
from netc.api.planning import load
from tests.cli.conftest import Run
from tests.solve.test_fit import rows, write


def test_netc_fit(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "flat = Flatten(data)\nx = BatchNorm(flat)")
    assert run("train", "net.net").code == 0
    done = run("fit", "net.net", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["file"] == "net_iter_4_fitted.caffemodel"
    assert [(row["layer"], row["type"]) for row in found["layers"]] == [("x", "BatchNorm")]
    made = fit(load(tmp_path / "net.net"), [tmp_path / "net_iter_4.caffemodel"])
    weights = {la.name: la.blobs for la in made.layers}
    np.testing.assert_allclose(weights["x"][0], rows().mean(0), rtol=0.05, atol=0.02)
    assert run("test", "net.net", "--weights", found["file"], "--iterations", "2").code == 0
    shown = run("fit", "net.net", "--iterations", "2", "-o", "two.caffemodel")
    assert "120" in shown.out
    assert (tmp_path / "two.caffemodel").is_file()


def test_a_net_without_statistics(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "x = Flatten(data)")
    assert run("train", "net.net").code == 0
    done = run("fit", "net.net")
    assert done.code == 1
    assert "SOL034" in done.err
