"""The same parameters, bit by bit, after 20 iterations with 1, 2 and 3 threads, whatever the layers."""

from __future__ import annotations

import numpy as np
import pytest

from netc.run import Net, environment
from netc.run.fast import Fast
from netc.solve import Events, Solver, Step
from tests.run.common import planned, solver_record
from tests.run.test_fast import CAFFENET, INCEPTION, LENET, conv, data, ip, layer, loss, relu, residual

DETECTOR = (  # what face detectors, segmentation and gated nets have besides
    data(3, 20, 9, 11)
    + conv("data", "a", "num_output: 24 kernel_size: 3 pad: 1 group: 4")
    + layer("PReLU", "a", "a", name="a/prelu")
    + conv("a", "b", "num_output: 24 kernel_size: 3 pad: 1 group: 24")
    + layer("Sigmoid", "b", "b", name="b/sigmoid")
    + layer("Eltwise", ["a", "b"], "c", "eltwise_param { operation: PROD }")
    + layer("Eltwise", ["a", "c"], "d", "eltwise_param { operation: MAX }")
    + layer("Dropout", "d", "d", name="d/dropout")
    + layer("Pooling", "d", "means", "pooling_param { pool: AVE global_pooling: true }")
    + layer("Axpy", ["means", "a", "d"], "gated")
    + layer("Deconvolution", "gated", "up", "convolution_param { num_output: 17 kernel_size: 4 stride: 2 pad: 1 }")
    + layer("Crop", ["up", "data"], "crop", "crop_param { axis: 2 offset: 3 }")
    + layer("Concat", ["crop", "d"], "join")
    + layer("TanH", "join", "join", name="join/tanh")
    + layer("Upsample", "join", "large")
    + conv("large", "e", "num_output: 8 kernel_size: 3 stride: 2 dilation: 2")
    + loss("e")
)
SHARED = (
    data(9, 3, 10, 10)
    + conv("data", "a", "num_output: 18 kernel_size: 3 pad: 1").replace(
        "convolution_param", 'param { name: "w" } convolution_param'
    )
    + relu("a")
    + conv("data", "b", "num_output: 18 kernel_size: 3 pad: 1").replace(
        "convolution_param", 'param { name: "w" } convolution_param'
    )
    + layer("BatchNorm", "b", "b", name="b/norm")
    + layer("Eltwise", ["a", "b"], "c", "eltwise_param { coeff: 0.5 coeff: 2 }")
    + ip("c", "d", 33)
    + loss("d")
)
NETS = {
    "lenet": LENET, "caffenet": CAFFENET, "inception": INCEPTION, "residual": residual("false"),
    "detector": DETECTOR, "shared": SHARED,
}  # fmt: skip
SGD = 'base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001 max_iter: 20 snapshot_after_train: false'


class Batches(Events):
    """New random inputs before each iteration."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.random = np.random.default_rng(5)
        self.fill()

    def fill(self) -> None:
        for name, array in self.net.inputs.items():
            whole = name == "label"
            self.net.set_input(
                name, self.random.integers(0, 3, array.shape) if whole else self.random.normal(size=array.shape)
            )

    def stepped(self, step: Step) -> None:
        self.fill()


def trained(text: str, threads: int) -> list[bytes]:
    net = Net(planned(text), seed=2, executor="fast", threads=threads)
    assert isinstance(net.executor, Fast)
    random = np.random.default_rng(3)
    for parameter in net.parameters.all:
        shape = parameter.data.shape
        if len(shape) > 1:
            parameter.data[...] = random.normal(size=shape) / np.sqrt(max(1, parameter.data.size / shape[0]))
    Solver(solver_record(SGD), net, events=Batches(net), keep_gradients=False).solve()
    return [p.data.tobytes() for p in net.parameters.all]


@pytest.mark.parametrize("name", NETS)
def test_the_same_bits_after_20_iterations(name: str) -> None:
    one, two, three = (trained(NETS[name], threads) for threads in (1, 2, 3))
    assert one == two == three
    assert all(np.isfinite(np.frombuffer(blob, np.float32)).all() for blob in one)


def test_how_many_threads_a_net_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size alone; what is asked for is the most."""
    monkeypatch.undo()
    monkeypatch.setattr(environment, "THREAD_WORK", 1 << 25)
    small, large = planned(LENET, "TEST"), planned(LENET.replace("dim: 12 dim: 12", "dim: 160 dim: 160"), "TEST")
    macs = sum(one.setup.macs for one in large.layers)
    assert environment.useful_threads(small, 8) == 1
    assert 1 < environment.useful_threads(large, 99) <= 1 + 2 * macs // environment.THREAD_WORK
    assert environment.useful_threads(large, 2) == 2
    assert environment.useful_threads(planned(LENET.replace("dim: 12 dim: 12", "dim: 160 dim: 160")), 99) > (
        environment.useful_threads(large, 99)
    )
    for plan, threads in ((small, 1), (large, 2)):
        net = Net(plan, executor="fast", threads=2)
        assert isinstance(net.executor, Fast)
        assert (net.threads, net.executor.team.threads, net.executor.program.threads) == (2, threads, threads)
