"""Nets with products of bfloat16 numbers: close to float32, the same bits for any threads, and where there are none."""

import os
import subprocess
import sys

import numpy as np
import pytest

import netc
from netc.api import planning
from netc.api.definition import loads
from netc.errors import NetError
from netc.fast.program import copies
from netc.jit import UNKNOWN_BF16
from netc.run import Net, environment
from netc.run.codes import REFERENCE_BF16
from netc.run.environment import BAD_ENVIRONMENT, NO_BF16
from netc.solve import Solver
from tests.fast.harness import BF16_WAYS
from tests.run.common import fill, solver_record

RESIDUAL = """
data = Input() { shape { dim: [3, 3, 18, 18] } }
labels5_ = Input() { shape { dim: 3 } }
a = Convolution(data) { num_output: 48 kernel_size: 3 pad: 1 }
a = ReLU(a)
b = Convolution(a) { num_output: 32 kernel_size: 1 stride: 2 bias_term: false }
b = BatchNorm(b)
b = Scale(b) { bias_term: true }
b = ReLU(b)
b = Convolution(b) { num_output: 64 kernel_size: 3 pad: 1 }
b = ReLU(b)
c = Convolution(a) { num_output: 64 kernel_size: 3 pad: 1 stride: 2 }
d = Eltwise(b, c)
d = ReLU(d)
e = Convolution(d) { num_output: 64 kernel_size: 3 pad: 1 group: 2 }
f = Convolution(d) { num_output: 17 kernel_size: 1 }
g = Concat(e, f)
h = Convolution(g) { num_output: 40 kernel_size: 3 }
h = PReLU(h)
p = Pooling(h) { pool: AVE global_pooling: true }
q = InnerProduct(p) { num_output: 37 }
q = ReLU(q)
s = InnerProduct(q) { num_output: 5 }
"""
LOSS = "loss = SoftmaxWithLoss(s, labels5_)"
ONE = """
data = Input() { shape { dim: [2, 48, 9, 9] } }
a = Convolution(data) { num_output: 40 kernel_size: 2 }
"""
TWO = f"{ONE}b = Convolution(a) {{ num_output: 16 kernel_size: 1 }}"
WIDE = """
data = Input() { shape { dim: [130, 70] } }
r = InnerProduct(data) { num_output: 48 }
s = InnerProduct(r) { num_output: 64 }
s = InnerProduct(s) { num_output: 50 }
loss = Reduction(s) { loss_weight: 1 operation: SUMSQ }
"""


@pytest.fixture(params=BF16_WAYS)
def way(request, monkeypatch):
    force(monkeypatch, request.param)
    return request.param


def force(monkeypatch, way):
    for module in (copies, environment):
        monkeypatch.setattr(module, "bf16", lambda: way)


def opened(text, phase="TRAIN", keep=False, **options):
    plan = planning.plan(loads(text), phase, training=phase == "TRAIN", keep=keep)
    return Net(plan, **{"executor": "fast", **options})


def made(text, phase="TRAIN", precision="bf16", **options):
    net = opened(text, phase, precision=precision, **options)
    fill(net, 1)
    return net


def off(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def labels(net):
    program = net.executor.program
    items = (*program.setup, *program.forward, *program.backward)
    return {item.launch.label for item in items if item.launch is not None}


@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_nets_are_close_to_float32(way, phase):
    text = RESIDUAL + (LOSS if phase == "TRAIN" else "")
    one, other = (made(text, phase, precision, threads=2) for precision in ("bf16", "exact"))
    found, wanted = one.forward(), other.forward()
    kinds = {"bf16 convolution", "bf16 copy"}
    kinds |= {"bf16 data gradient", "bf16 weight gradient"} if phase == "TRAIN" else {"bf16 inner product"}
    assert {label for label in labels(one) if label.startswith("bf16")} == kinds
    for name in ("s",) if phase == "TEST" else ("loss",):
        assert 1e-6 < off(found[name], wanted[name]) < 2e-2
    if phase == "TRAIN":
        for net in (one, other):
            net.backward()
        for a, b in zip(one.learned, other.learned, strict=True):
            assert np.linalg.norm(a.diff - b.diff) < 0.1 * np.linalg.norm(b.diff), a.param.name


def test_many_rows_are_multiplied_so_in_training_too(way):
    few = made(WIDE.replace("130", "127"))
    assert not any(label.startswith("bf16") for label in labels(few))
    one, other = (made(WIDE, precision=precision) for precision in ("bf16", "exact"))
    assert {"bf16 inner product", "bf16 product data gradient", "bf16 weight gradient"} <= labels(one)
    assert 1e-7 < off(one.forward()["loss"], other.forward()["loss"]) < 2e-2
    for net in (one, other):
        net.backward()
    for a, b in zip(one.learned, other.learned, strict=True):
        assert off(a.diff, b.diff) < 2e-2


def test_bits_do_not_depend_on_threads(way):
    nets = [made(RESIDUAL + LOSS, threads=threads) for threads in (1, 3)]
    for net in nets:
        net.executor.team.threads, net.loss = net.threads, 0.0
        net.forward()
        net.backward()
    one, other = (net.param_diffs for net in nets)
    assert all(np.array_equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True))


@pytest.mark.skipif(len(BF16_WAYS) == 1, reason="the processor has no instructions for bfloat16")
def test_instructions_give_what_is_emulated(monkeypatch):
    found, exact = {}, made(ONE, "TEST", "exact").forward()["a"]
    for way in BF16_WAYS:
        force(monkeypatch, way)
        found[way] = made(ONE, "TEST").forward()["a"]
    for values in found.values():
        assert 0 < off(values, exact) < 2e-2
        assert off(values, found["emulated"]) < 1e-5


def test_a_blob_that_only_products_read_is_there_rounded_alone(way):
    names, kept = (
        {memory.name for memory in made(TWO, "TEST", keep=keep).executor.program.memory} for keep in (False, True)
    )
    assert "a in bf16" in names & kept
    assert "a" in kept - names


def test_parameters_stay_float32_and_learn(way):
    net = made(RESIDUAL + LOSS)
    solver = Solver(solver_record('base_lr: 0.001 lr_policy: "fixed" momentum: 0.9'), net, keep_gradients=False)
    first = net.forward()["loss"]
    solver.step(15)
    assert all(blob.data.dtype == np.float32 for blob in net.parameters.all)
    assert any((blob.data.view(np.uint32) & 0xFFFF).any() for blob in net.parameters.all)
    assert net.forward()["loss"] < 0.7 * first


def test_a_processor_without_instructions_says_so(monkeypatch):
    force(monkeypatch, "")
    with pytest.raises(NetError) as error:
        made(RESIDUAL, "TEST")
    assert [d.code for d in error.value.diagnostics] == [NO_BF16]
    monkeypatch.setenv("NETC_PRECISION", "bf16")
    with pytest.raises(NetError) as error:
        opened(RESIDUAL, "TEST")
    assert [d.code for d in error.value.diagnostics] == [NO_BF16]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"executor": "reference", "precision": "bf16"}, REFERENCE_BF16),
        ({"executor": "fast", "precision": "half"}, BAD_ENVIRONMENT),
    ],
)
def test_what_cannot_be_is_refused(options, code):
    with pytest.raises(NetError) as error:
        opened(RESIDUAL, "TEST", **options)
    assert [d.code for d in error.value.diagnostics] == [code]


def test_net_takes_the_precision(way):
    net = netc.Net("nets/digits.net", "TEST", batch=2, precision="bf16", synthetic=True)
    assert net.precision == "bf16"
    assert "bf16 inner product" in labels(net)


@pytest.mark.parametrize(
    ("variables", "code"),
    [({"NETC_BF16": "fast"}, UNKNOWN_BF16), ({"NETC_FEATURES": "plain"}, NO_BF16)],
)
def test_commands_refuse_it(variables, code):
    arguments = [sys.executable, "-m", "netc", "time", "nets/digits.net", "--precision", "bf16"]
    done = subprocess.run(arguments, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"error[{code.id}]" in done.stderr
