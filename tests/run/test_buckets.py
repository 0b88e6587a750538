"""Backward that tells when it is done with parameters: then their gradients are complete, and nothing reads them."""

from __future__ import annotations

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.planning import plan
from netc.layer import Array
from netc.run import Net
from tests.solve.test_update_in_backward import NET

RECURRENT = """
data = Input() { shape { dim: [4, 3, 5] } }
label = Input() { shape { dim: [4, 3] } }
cont = DummyData() { shape { dim: [4, 3] } data_filler { type: "constant" value: 1 } }
h = InnerProduct(data) { axis: 2 num_output: 6 weight_filler { type: "xavier" } }
h = LSTM(h, cont) { num_output: 6 weight_filler { type: "xavier" } }
h = InnerProduct(h) { axis: 2 num_output: 5 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(h, label) { softmax_param { axis: 2 } }
"""


def net_of(text: str, executor: str, threads: int) -> Net:
    net = Net(plan(loads(text), "TRAIN"), seed=3, executor=executor, threads=threads)
    random = np.random.default_rng(0)
    for name, array in net.inputs.items():
        drawn = random.integers(0, 5, array.shape) if name == "label" else random.standard_normal(array.shape)
        net.set_input(name, drawn)
    return net


def gradients(net: Net) -> dict[int, Array]:
    return {b.param.index: b.gradient.copy() for b in net.parameters.all if isinstance(b.gradient, np.ndarray)}


@pytest.mark.parametrize("text", [NET, RECURRENT], ids=["convolutions", "recurrent"])
@pytest.mark.parametrize(("executor", "threads"), [("fast", 1), ("fast", 2), ("reference", 1)])
def test_a_bucket_that_is_done_is_not_touched_again(text: str, executor: str, threads: int) -> None:
    """Its parameters become NaN when it is done: gradients are those of a backward that nobody has disturbed."""
    whole = net_of(text, executor, threads)
    whole.forward()
    whole.backward()
    wanted = gradients(whole)

    net = net_of(text, executor, threads)
    buckets = tuple(frozenset({index}) for index in sorted(wanted, reverse=True))
    told: list[dict[int, Array]] = []

    def done() -> None:
        found = gradients(net)
        (index,) = buckets[len(told)]
        told.append({index: found[index]})
        net.parameters.all[index].array[...] = np.nan

    net.forward()
    net.backward_by_buckets(buckets, done)
    assert len(told) == len(buckets)
    for final in told:
        for index, gradient in final.items():
            np.testing.assert_array_equal(gradient, wanted[index])
    for index, gradient in gradients(net).items():
        np.testing.assert_array_equal(gradient, wanted[index])


def test_buckets_are_done_while_backward_goes_on() -> None:
    net = net_of(NET, "fast", 1)
    learned = sorted(gradients(net), reverse=True)
    buckets = tuple(frozenset({index}) for index in learned)
    before: list[bool] = []
    net.forward()
    net.backward_by_buckets(buckets, lambda: before.append(not gradients(net)[learned[-1]].any()))
    assert before[0]
    assert not before[-1]
