"""The scores of attention in nets/blocks/attention.net against loops in numpy, and a decoder that reads by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.api.gradcheck import gradcheck

BLOCKS = Path(__file__).parent.parent.parent / "nets" / "blocks"

NET = """
import "attention.net"
q = Input() {{ shape {{ dim: [2, 3, 5] }} }}
k = Input() {{ shape {{ dim: [2, 4, 5] }} }}
v = Input() {{ shape {{ dim: [2, 4, 3] }} }}
mask = Input() {{ shape {{ dim: [2, 4] }} }}
score = {score}
context, weights = attended(score, v, mask)
loss = Reduction(context) {{ operation: SUMSQ loss_weight: 1 }}
"""
SCORES = {"dot": "dot(q, k)", "general": "general(q, k) { n: 5 }", "additive": "additive(q, k) { n: 6 }"}


def of(name: str, query: np.ndarray, key: np.ndarray, params: dict[str, list[np.ndarray]]) -> float:
    if name == "dot":
        return float(query @ key)
    if name == "general":
        (weights,) = params["score/q"]
        return float((weights @ query) @ key)
    (w, bias), (u,), (v,) = params["score/q"], params["score/k"], params["score/worth"]
    found: np.ndarray = v @ np.tanh(w @ query + bias + u @ key)
    return float(found[0])


@pytest.mark.parametrize("name", SCORES)
def test_scores(name: str, tmp_path: Path) -> None:
    (tmp_path / "attention.net").write_text((BLOCKS / "attention.net").read_text())
    (tmp_path / "x.net").write_text(NET.format(score=SCORES[name]))
    net = netc.Net(netc.load(tmp_path / "x.net"), "TEST", seed=1, keep=True)
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal(shape) for shape in ((2, 3, 5), (2, 4, 5), (2, 4, 3)))
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    net.forward(q=q, k=k, v=v, mask=mask)
    params = {layer: [np.array(p, np.float64) for p in blobs] for layer, blobs in net.params.items()}
    weights = np.array(net.blobs["context/weights"])
    for n in range(2):
        for t in range(3):
            scores = np.array([of(name, q[n, t], k[n, s], params) for s in range(4)])
            wanted = np.exp(scores - scores.max()) * mask[n]
            wanted /= wanted.sum()
            np.testing.assert_allclose(weights[n, t], wanted, atol=1e-5)
            np.testing.assert_allclose(net.blobs["context/context"][n, t], wanted @ v[n], atol=1e-5)
    for checked in gradcheck(netc.load(tmp_path / "x.net")) if name != "dot" else ():
        assert checked.fine(1e-4), checked


DECODER = """
import "attention.net"
x = Input() { shape { dim: [4, 2, 3] } }
cont = Input() { shape { dim: [4, 2] } }
mask = Input() { shape { dim: [2, 4] } }
y = Input() { shape { dim: [3, 2, 3] } }
y_cont = Input() { shape { dim: [3, 2] } }
zero = DummyData() { shape { dim: [1, 2, 5] } }
h, h_T, c_T = LSTM(x, cont, zero, zero) { num_output: 5 expose_hidden: true weight_filler { type: "xavier" } }
g, g_T, d_T = LSTM(y, y_cont, h_T, c_T) { num_output: 5 expose_hidden: true weight_filler { type: "xavier" } }
keys = turned(h)
queries = turned(g)
score = general(queries, keys) { n: 5 }
context = attended(score, keys, mask)
both = Concat(context, queries) { axis: 2 }
out = InnerProduct(both) { num_output: 2 axis: 2 weight_filler { type: "xavier" } }
loss = Reduction(out) { operation: SUMSQ loss_weight: 1 }
Silence(g_T)
Silence(d_T)
"""


def test_an_encoder_learns_from_a_decoder_that_attends(tmp_path: Path) -> None:
    (tmp_path / "attention.net").write_text((BLOCKS / "attention.net").read_text())
    (tmp_path / "x.net").write_text(DECODER)
    found = {f"{c.layer} {c.blob}": c for c in gradcheck(netc.load(tmp_path / "x.net"))}
    assert "h h/W_hc" in found
    for checked in found.values():
        assert checked.fine(1e-4), checked
