"""`netc prune`: trained weights made sparse, and every command that takes weights takes what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netc.solve import read_weights
from tests.cli.conftest import SMALL, Run

DEEPER = SMALL.replace(
    'layer {\n  name: "ip"',
    'layer { name: "h" type: "InnerProduct" bottom: "data" top: "h"\n'
    '  inner_product_param { num_output: 12 weight_filler { type: "xavier" } } }\n'
    'layer {\n  name: "ip"',
).replace('bottom: "data" top: "ip"', 'bottom: "h" top: "ip"')


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    (tmp_path / "small.net").write_text(DEEPER)
    assert run("train", "small.net").code == 0
    return tmp_path / "small_iter_40.caffemodel"


def test_the_smallest_weights_of_each_layer_go(run: Run, tmp_path: Path, trained: Path) -> None:
    done = run("prune", "small.net", "--sparsity", "0.9")
    assert done.code == 0
    assert "0.8998 of 888 weights are zero" in done.out
    pruned = tmp_path / "small_iter_40_pruned.caffemodel"
    before, after = ({la.name: la.blobs for la in read_weights(p).layers} for p in (trained, pruned))
    assert before.keys() == after.keys()
    for name in ("h", "ip"):
        weights, left = before[name][0], after[name][0]
        size, gone = weights.size, int(weights.size * 0.9 + 0.5)
        order = np.argsort(np.abs(weights).reshape(-1), kind="stable")
        expected = np.array(weights).reshape(-1)
        expected[order[:gone]] = 0
        np.testing.assert_array_equal(left.reshape(-1), expected)
        np.testing.assert_array_equal(before[name][1], after[name][1])
        assert size - gone == np.count_nonzero(left)
    assert pruned.stat().st_size < trained.stat().st_size / 2
    said = run("test", "small.net", "--weights", pruned.name, "--iterations", "2", "--json")
    assert said.code == 0
    assert run("convert", "small.net", "dense.caffemodel", "--weights", pruned.name).code == 0
    dense = {la.name: la.blobs for la in read_weights(tmp_path / "dense.caffemodel").layers}
    np.testing.assert_array_equal(dense["h"][0], after["h"][0])
    assert run("train", "small.net", "--weights", pruned.name, "--iterations", "1").code == 0


def test_only_the_layers_that_are_named(run: Run, tmp_path: Path, trained: Path) -> None:
    done = run("prune", "small.net", "--sparsity", "0.5", "--only", "i?", "-o", "half.caffemodel", "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert found["file"] == "half.caffemodel"
    assert [(p["name"], p["weights"], p["zeros"]) for p in found["parameters"]] == [("ip/weights", 120, 60)]
    assert found["sparsity"] == 0.5


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--sparsity", "1"), 2, "--sparsity"),
        (("--sparsity", "-1"), 2, "--sparsity"),
        ((), 2, "--sparsity"),
        (("--sparsity", "0.5", "-o", "x.h5"), 2, "netc convert"),
        (("--sparsity", "0.5", "--only", "hh"), 1, "PLN030"),
        (("--sparsity", "0.5", "--weights", "none.caffemodel"), 1, "SNP004"),
    ],
)
def test_what_is_refused(run: Run, trained: Path, options: tuple[str, ...], code: int, said: str) -> None:
    done = run("prune", "small.net", *options)
    assert done.code == code
    assert said in done.err
    assert not trained.with_name("small_iter_40_pruned.caffemodel").exists()
