"""Outputs and losses that have other names, or that the last layer could overwrite: as when every blob is kept."""

from __future__ import annotations

import numpy as np
import pytest

from netc.api.definition import loads
from netc.errors import NetError
from netc.graph import State, build
from netc.plan import plan
from netc.run import Net

ENDS = {
    "flatten": "v = Flatten(x)\nw = ReLU(x)",
    "reshape": "v = Reshape(x) { shape { dim: [2, 24] } }\nw = ReLU(x)",
    "split": "v, u = Split(x)\nw = ReLU(x)",
    "slice": "v = Slice(x)\nw = ReLU(x)",
    "concat": "v = Concat(x)\nw = ReLU(x)",
    "of a blob in the middle": "a = TanH(x)\nv = Flatten(a)\nw = ReLU(a)",
    "in place in the file": "a = TanH(x)\nv = Flatten(a)\na = ReLU(a)",
    "twice": "a = TanH(x)\nb = Flatten(a)\nv = Reshape(b) { shape { dim: [-1, 2] } }\nw = ReLU(b)",
    "loss": "l = Reduction(x) { loss_weight: 1 }\nm = Power(l) { scale: 10 }",
    "loss by another name": "l = Reduction(x) { loss_weight: 1 }\nk = Reshape(l) { shape { dim: 1 } }\n"
    "m = Power(k) { scale: 10 }",
    "loss in blocks": "l = Convolution(x) { num_output: 16 kernel_size: 1 loss_weight: 1 }\nm = ReLU(l)",
    "input": "m = ReLU(x)",
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("end", ENDS)
def test_outputs_outlive_the_last_step(end: str, executor: str, training: bool) -> None:
    definition = loads("x = Input() { shape { dim: [2, 4, 3, 2] } }\n" + ENDS[end])
    graph = build(definition.record, definition.types, State("TEST"))
    given = np.random.default_rng(1).normal(size=(2, 4, 3, 2))
    found = []
    for name, keep in (("reference", True), (executor, False)):
        net = Net(plan(graph, training=training, keep=keep), executor=name)
        net.set_input("x", given)
        found.append({**net.forward(), "loss": np.float32(net.loss), "x": net.blobs["x"].copy()})
        if training:
            net.backward()
            found[-1]["x afterwards"] = net.blobs["x"].copy()
    kept, planned = found
    assert kept.keys() == planned.keys()
    for key, array in kept.items():
        np.testing.assert_allclose(planned[key], array, rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_a_blob_that_was_worked_on_in_place_is_gone(executor: str) -> None:
    """And not, under its name, the values of the blob that is there now."""
    definition = loads(
        "x = Input() { shape { dim: [2, 3, 4, 4] } }\nc = Convolution(x) { num_output: 16 kernel_size: 3 }\n"
        "f = Flatten(c)\nd = TanH(c)\ns = Softmax(d)"
    )
    net = Net(plan(build(definition.record, definition.types, State("TEST")), training=False), executor=executor)
    net.set_input("x", np.random.default_rng(0).normal(size=(2, 3, 4, 4)))
    net.forward()
    assert net.blobs["f"].shape == (2, 64)
    with pytest.raises(NetError) as caught:
        net.blobs["d"]
    assert caught.value.diagnostics[0].code.id == "RUN012"
    net.forward(end="d")
    np.testing.assert_allclose(net.blobs["d"], np.tanh(net.blobs["c"]), atol=1e-6)
