"""A net that only tests have, with weights of its own: a classifier that judges what another net makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc import solve
from netc.layer import Array

CLASSIFIER = """
def judge(x) -> y {
  h = InnerProduct(x) { num_output: 16 weight_filler { type: "xavier" } }
  h = ReLU(h)
  y = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
}
"""
TRAINED = (
    CLASSIFIER
    + """
data, label = Digits() { split: "train" batch_size: 64 }
score = judge(data) as judge
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" max_iter: 60 random_seed: 1 snapshot_prefix: "judge" }
"""
)
MADE = (
    CLASSIFIER
    + """
train, test { data, label = Digits() { split: "train" batch_size: 50 } }
h = InnerProduct(data) { num_output: 64 weight_filler { type: "xavier" } }
train { loss = EuclideanLoss(h, data) }
test {
  score = judge(h) as judge
  p = Softmax(score)
  is, kinds = InceptionScore(p)
}
solver {
  base_lr: 0.01 lr_policy: "fixed" max_iter: 4 random_seed: 2 snapshot: 2 snapshot_prefix: "made" type: "Adam"
  test_iter: 2 test_interval: 2 %s
}
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that holds judge_iter_60.caffemodel."""
    there = tmp_path_factory.mktemp("judge")
    with pytest.MonkeyPatch.context() as at:
        at.chdir(there)
        Path("judge.net").write_text(TRAINED)
        Path("made.net").write_text(MADE % 'weights: "judge_iter_60.caffemodel"')
        netc.Solver("judge.net").solve()
    return there


def parameters(net: netc.Net) -> dict[str, list[Array]]:
    return {name: [blob.copy() for blob in blobs] for name, blobs in net.params.items()}


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_it_is_loaded_tested_kept_and_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    monkeypatch.chdir(folder)
    weights = {la.name: la.blobs for la in solve.read_weights("judge_iter_60.caffemodel").layers if la.blobs}
    solver = netc.Solver("made.net", executor=executor)
    judge = solver.tests[0].net
    assert not any(warning.code.id == "SNP033" for warning in solver.warnings)
    solver.solve()
    for name, blobs in weights.items():  # they have not learned
        for mine, theirs in zip(judge.params[name], blobs, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    scores = [float(result.outputs["is"]) for result in solver.results]
    assert scores[0] != scores[-1]
    assert all(1 < score < 10 for score in scores)

    again = netc.Solver("made.net", executor=executor, changes={"weights": ()})
    assert any(warning.code.id == "SNP033" for warning in again.warnings)
    again.restore("made_iter_2.solverstate")
    assert not any(warning.code.id == "SNP033" for warning in again.warnings)
    again.solve()
    assert [float(result.outputs["is"]) for result in again.results] == scores[-2:]

    tested = netc.Net("made.net", "TEST", weights="made_iter_4.caffemodel", executor=executor)
    for name, blobs in parameters(judge).items():
        for mine, theirs in zip(tested.params[name], blobs, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_without_weights_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("plain.net").write_text(MADE % "")
    found = [w for w in netc.Solver("plain.net").warnings if w.code.id == "SNP033"]
    assert len(found) == 1
    assert "judge/y" in found[0].message or "judge/" in found[0].message
    assert found[0].span is not None


def test_a_file_for_both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trained net has goes there, the rest to the test net; `names` name layers of either."""
    monkeypatch.chdir(folder)
    netc.Solver("made.net").solve()
    solver = netc.Solver("made.net", weights=["made_iter_4.caffemodel"])
    assert {"h", "judge/h", "judge/y"} <= set(next(iter(solver.loaded.values())).loaded)
    names = {"judge/h": "judge/h", "judge/y": "judge/y"}
    assert netc.Solver("made.net", names=names).loaded
    with pytest.raises(netc.NetError) as caught:
        netc.Solver("made.net", names={"judge/h": "judge/x"})
    assert caught.value.diagnostics[0].code.id == "SNP012"
