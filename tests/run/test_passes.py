"""Parts of a pass, passes in the wrong order, and layers that run again: right, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc.api import planning
from netc.api.definition import loads
from netc.errors import NetError
from netc.layer import Array
from netc.run import Net

NET = """
x = Input() { shape { dim: [2, 3, 12, 11] } }
label = Input() { shape { dim: 2 } }
a = Convolution(x) { num_output: 20 kernel_size: 3 pad: 1 }
b = Convolution(x) { num_output: 20 kernel_size: 5 pad: 2 }
s = Eltwise(a, b) { operation: MAX }
n = BatchNorm(s) as bn
n = Scale(n) as scale
r = ReLU(n)
p = Pooling(r) { pool: MAX kernel_size: 2 stride: 2 }
l = LRN(p)
d = Dropout(l)
c = Convolution(d) { num_output: 16 kernel_size: 3 group: 2 }
f = InnerProduct(c) { num_output: 5 }
t = TanH(f)
loss = SoftmaxWithLoss(t, label)
"""
LAYERS = [line.partition(" = ")[0] for line in NET.split("\n")[3:-2]]


def opened(executor: str, **options: Any) -> Net:
    net = Net(planning.plan(loads(NET), "TRAIN", **options), seed=4, executor=executor, threads=2)
    random = np.random.default_rng(0)
    net.set_input("x", random.normal(size=net.inputs["x"].shape))
    net.set_input("label", [1, 3])
    for blob in net.parameters.all:
        if blob.data.ndim > 1:
            blob.data[...] = random.normal(size=blob.data.shape) * 0.2
    return net


def gradients(net: Net) -> list[Array]:
    return [blob.diff.copy() for blob in net.learned if blob.diff is not None]


def code(net: Net, action: str, **part: str) -> str:
    with pytest.raises(NetError) as caught:
        getattr(net, action)(**part)
    return caught.value.diagnostics[0].code.id


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_parts_of_a_pass_need_keep(executor: str) -> None:
    net = opened(executor)
    assert code(net, "forward", start="c") == "RUN028"
    net.forward()
    assert code(net, "backward", start="c") == "RUN028"
    assert code(net, "backward", end="c") == "RUN028"
    net.backward()  # what was refused has changed nothing


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_backward_needs_its_forward(executor: str) -> None:
    net = opened(executor)
    assert code(net, "backward") == "RUN027"
    net.forward(end="c")
    assert code(net, "backward") == "RUN027"
    net.forward()
    net.backward()
    assert code(net, "backward") == "RUN027"
    assert code(net, "backward_and_update") == "RUN027"
    with net.observed(lambda *_: None):
        net.forward()
    if executor == "fast":  # the values are in the other executor's memory
        assert code(net, "backward") == "RUN027"


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_where_all_is_kept_parts_and_repetitions_give_the_same(executor: str) -> None:
    net = opened(executor, keep=True)
    net.forward()
    net.backward()
    wanted, blobs, moments = gradients(net), {k: net.blobs[k].copy() for k in net.blobs}, net.params["bn"]
    for again in range(2):
        net.zero_param_diffs()
        net.backward()
        if again:
            net.backward(start="loss", end="p")
            net.zero_param_diffs()
            net.backward(start="loss", end="p")
            net.backward(start="r")
        for found, array in zip(gradients(net), wanted, strict=True):
            np.testing.assert_array_equal(found, array)
    for start in ("b", "s", "r", "p", "d", "c", "t"):
        net.iteration, before = 0, [m.copy() for m in moments]
        net.forward(start=start)
        for name, array in blobs.items():
            np.testing.assert_array_equal(net.blobs[name], array, err_msg=f"{name} from {start}")
        for moment, old in zip(moments, before, strict=True):
            moment[...] = old
        net.zero_param_diffs()
        net.backward()
        for found, array in zip(gradients(net), wanted, strict=True):
            np.testing.assert_array_equal(found, array)


# ---------------------------------------------------------------- layers that cannot run again

CANNOT = {
    "source": ("x = Input() { shape { dim: [2, 3] } }\ny = ReLU(x)", 0),
    "state": ("x = Input() { shape { dim: [3, 2, 4] } }\nc = Input() { shape { dim: [3, 2] } }\n"
              "y = LSTM(x, c) { recurrent_param { num_output: 3 } }\nz = TanH(y)", 2),
    "index": ("x = Input() { shape { dim: [2, 3] } }\ny = ReLU(x)", 2),
    "dynamic": ("x = Input() { shape { dim: [4, 3] } }\ns = Input() { shape { dim: 4 } }\n"
                "y = InnerProduct(x) { num_output: 3 }\nz = Filter(y, s)", 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", CANNOT)
def test_a_layer_that_cannot_run_again(kind: str) -> None:
    text, layer = CANNOT[kind]
    definition = loads(text)
    planning.plan(definition, "TRAIN")
    with pytest.raises(NetError) as caught:
        planning.plan(definition, "TRAIN", recompute=[layer])
    found = caught.value.diagnostics[0]
    assert found.code.id == "PLN012"
    if kind != "index":
        assert found.span is not None
        assert found.span.line == layer + 1
