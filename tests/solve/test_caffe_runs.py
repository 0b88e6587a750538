"""Whole runs of linear regression against Caffe's order of things in plain numpy: rate, clip, divide, decay, rule."""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import numpy as np
import pytest

from netc.solve import Solver
from tests.run.common import make, solver_record

NET = """
layer { name: "data" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 1 decay_mult: 2 }
  param { lr_mult: 2 decay_mult: 0 } inner_product_param { num_output: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }
"""
MULTIPLIERS = ((1.0, 2.0), (2.0, 0.0))  # lr_mult and decay_mult of weights and bias


def rate(p: Any, i: int) -> float:
    """SGDSolver::GetLearningRate."""
    policy = p.lr_policy
    if policy == "multistep":
        return float(p.base_lr * p.gamma ** sum(i >= v for v in p.stepvalue))
    if policy == "sigmoid":
        return float(p.base_lr / (1 + exp(-p.gamma * (i - p.stepsize))))
    if policy == "step":
        return float(p.base_lr * p.gamma ** (i // p.stepsize))
    if policy == "poly":
        return float(p.base_lr * (1 - i / p.max_iter) ** p.power)
    assert policy == "fixed"
    return float(p.base_lr)


def step(p: Any, kind: str, g: Any, h: list[Any], local: float, t: int) -> Any:
    """The update of one blob; `h` is its history."""
    m, d = p.momentum, p.delta
    if kind == "SGD":
        h[0] = local * g + m * h[0]
        return h[0]
    if kind == "Nesterov":
        before, h[0] = h[0], local * g + m * h[0]
        return (1 + m) * h[0] - m * before
    if kind == "AdaGrad":
        h[0] = h[0] + g * g
        return local * g / (np.sqrt(h[0]) + d)
    if kind == "RMSProp":
        h[0] = p.rms_decay * h[0] + (1 - p.rms_decay) * g * g
        return local * g / (np.sqrt(h[0]) + d)
    if kind == "AdaDelta":
        h[0] = m * h[0] + (1 - m) * g * g
        u = g * np.sqrt((h[1] + d) / (h[0] + d))
        h[1] = m * h[1] + (1 - m) * u * u
        return local * u
    assert kind == "Adam"
    h[0], h[1] = m * h[0] + (1 - m) * g, p.momentum2 * h[1] + (1 - p.momentum2) * g * g
    return local * sqrt(1 - p.momentum2**t) / (1 - m**t) * h[0] / (np.sqrt(h[1]) + d)


def expected(p: Any, kind: str, x: Any, t: Any, blobs: list[Any]) -> list[Any]:
    """Weights and bias after max_iter iterations on one batch."""
    history: list[list[Any]] = [[0.0, 0.0], [0.0, 0.0]]
    for i in range(p.max_iter):
        off = (x @ blobs[0].T + blobs[1] - t) / len(x)
        grads = [p.iter_size * off.T @ x, p.iter_size * off.sum(0)]
        norm = sqrt(sum((g * g).sum() for g in grads))
        scale = p.clip_gradients / norm if 0 <= p.clip_gradients < norm else 1.0
        for k, (lr, decay) in enumerate(MULTIPLIERS):
            g = grads[k] * scale / p.iter_size
            penalty = np.sign(blobs[k]) if p.regularization_type == "L1" else blobs[k]
            g = g + p.weight_decay * decay * penalty
            blobs[k] = blobs[k] - step(p, kind, g, history[k], rate(p, i) * lr, i + 1)
    return blobs


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('lr_policy: "fixed" momentum: 0.9 weight_decay: 0.1 regularization_type: "L1"', "SGD"),
        ('lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 3 stepvalue: 7 momentum: 0.5', "SGD"),
        ('lr_policy: "sigmoid" gamma: 0.7 stepsize: 4 momentum: 0.9', "SGD"),
        ('lr_policy: "fixed" momentum: 0.9 iter_size: 3 clip_gradients: 0.5 weight_decay: 0.02', "SGD"),
        ('lr_policy: "poly" power: 0.5 momentum: 0.9 clip_gradients: 0 weight_decay: 0.02', "SGD"),
        ('lr_policy: "step" gamma: 0.5 stepsize: 3 momentum: 0.9 weight_decay: 0.02 type: "Nesterov"', "Nesterov"),
        ('lr_policy: "fixed" type: "AdaGrad" weight_decay: 0.05 delta: 1e-3', "AdaGrad"),
        ('lr_policy: "fixed" solver_type: ADAGRAD iter_size: 2', "AdaGrad"),
        ('lr_policy: "fixed" type: "RMSProp" weight_decay: 0.05 iter_size: 2 regularization_type: "L1"', "RMSProp"),
        ('lr_policy: "fixed" type: "RMSProp" rms_decay: 0 delta: 0.1', "RMSProp"),
        ('lr_policy: "fixed" type: "AdaDelta" momentum: 0.9 delta: 1e-4 clip_gradients: 0.1', "AdaDelta"),
        ('lr_policy: "fixed" type: "Adam" momentum: 0.9 momentum2: 0.99 weight_decay: 0.05', "Adam"),
        ('lr_policy: "fixed" type: "Adam"', "Adam"),
    ],
)
def test_ten_iterations(text: str, kind: str) -> None:
    p: Any = solver_record(f"base_lr: 0.1 max_iter: 10 random_seed: 1 snapshot_after_train: false {text}")
    random = np.random.default_rng(2)
    x, t = random.standard_normal((4, 3)), random.standard_normal((4, 2))
    net = make(NET)
    net.params["ip"][0][...] = random.standard_normal((2, 3))
    start = [blob.astype(np.float64) for blob in net.params["ip"]]
    net.set_input("x", x)
    net.set_input("t", t)
    Solver(p, net).solve()
    for ours, theirs in zip(net.params["ip"], expected(p, kind, x, t, start), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
