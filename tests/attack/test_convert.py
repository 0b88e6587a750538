"""A short run of the random nets as ONNX files, and that the campaign finds what is wrong."""

from __future__ import annotations

import pytest

from tools.attack import Tally

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

from netc.convert.onnx import WRITERS
from netc.layers.tanh import TANH
from tools.attack import convert


@pytest.mark.parametrize("seed", range(40))
def test_a_random_net_agrees_or_is_refused(seed: int) -> None:
    tally = Tally()
    convert.run_one(seed, tally)
    assert not tally.failures, tally.failures[0]
    assert tally.counts["nets"] == 1


def test_a_wrong_writer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WRITERS, TANH, lambda layer: layer.times(layer.op("Tanh", layer.x), 1.001))
    tally = Tally()
    seeds = [seed for seed in range(60) if "TanH" in convert.case(seed).text]
    for seed in seeds[:4]:
        convert.run_one(seed, tally)
    assert any("(TanH) is the first that differs" in text for text in tally.failures)
