"""Budgets of memory: plans that fit, the same bits, and what is said when nothing fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.api import memory, planning
from netc.api.definition import loads
from netc.api.session import Net, Solver
from netc.errors import NetError
from netc.plan.budget import fit
from netc.plan.model import Plan

ROOT = Path(__file__).parents[2]
PLAIN = """
data = Input() { shape { dim: [16, 3, 40, 40] } }
label = Input() { shape { dim: 16 } }
h = Convolution(data) { num_output: 32 kernel_size: 3 pad: 1 }
h = ReLU(h)
h = LRN(h)
h = Convolution(h) { num_output: 32 kernel_size: 3 pad: 1 }
h = ReLU(h)
h = Pooling(h) { pool: MAX kernel_size: 2 stride: 2 }
h = LRN(h)
h = Convolution(h) { num_output: 48 kernel_size: 3 pad: 1 }
h = Sigmoid(h)
h = Dropout(h)
h = Convolution(h) { num_output: 48 kernel_size: 3 pad: 1 }
h = ReLU(h)
h = Pooling(h) { pool: AVE kernel_size: 3 stride: 2 }
s = InnerProduct(h) { num_output: 5 }
loss = SoftmaxWithLoss(s, label)
"""
RESIDUAL = """
data = Input() { shape { dim: [4, 16, 16, 16] } }
label = Input() { shape { dim: 4 } }
def unit(x) -> y {
  a = Convolution(x) { num_output: 32 kernel_size: 3 pad: 1 bias_term: false }
  a = BatchNorm(a)
  a = Scale(a) { bias_term: true }
  a = ReLU(a)
  b = Convolution(a) { num_output: 32 kernel_size: 3 pad: 1 bias_term: false }
  b = BatchNorm(b)
  b = Scale(b) { bias_term: true }
  y = Eltwise(b, x)
  y = ReLU(y)
}
h = Convolution(data) { num_output: 32 kernel_size: 1 }
for i in 1..4 { h = unit(h) }
s = InnerProduct(h) { num_output: 5 }
loss = SoftmaxWithLoss(s, label)
"""
BRANCHES = """
data = Input() { shape { dim: [4, 16, 16, 16] } }
label = Input() { shape { dim: 4 } }
def inception(x) -> y {
  a = Convolution(x) { num_output: 16 kernel_size: 1 }
  a = ReLU(a)
  r = Convolution(x) { num_output: 24 kernel_size: 1 }
  r = ReLU(r)
  b = Convolution(r) { num_output: 32 kernel_size: 3 pad: 1 }
  b = ReLU(b)
  p = Pooling(x) { pool: MAX kernel_size: 3 stride: 1 pad: 1 }
  c = Convolution(p) { num_output: 16 kernel_size: 1 }
  c = ReLU(c)
  y = Concat(a, b, c)
}
h = data
for i in 1..3 { h = inception(h) }
h = Pooling(h) { pool: AVE global_pooling: true }
s = InnerProduct(h) { num_output: 5 }
loss = SoftmaxWithLoss(s, label)
"""
NETS = {"plain": PLAIN, "residual": RESIDUAL, "branches": BRANCHES}


def least(text: str, executor: str) -> tuple[int, int]:
    """What a net takes as it is, and the least that the message of a budget too small speaks of."""
    definition = loads(text)
    with pytest.raises(NetError) as caught:
        Net(definition, "TRAIN", budget=1000, executor=executor, threads=2)
    (found,) = caught.value.diagnostics
    assert found.code.id == "PLN010"
    number = float(found.message.partition("at least ")[2].partition(" MB")[0])
    plan = planning.plan(definition, "TRAIN")
    return memory.measure(executor, 2)(plan).total, int(number * 1e6)


def trained(text: str, executor: str, budget: int | None) -> tuple[Plan, list[bytes]]:
    """Parameters, gradients and outputs of three passes, each with a step along the gradient."""
    net = Net(loads(text), "TRAIN", seed=3, executor=executor, threads=2, budget=budget)
    random, found = np.random.default_rng(5), list[bytes]()
    for _ in range(3):
        for name, array in net.inputs.items():
            array[...] = random.integers(0, 5, array.shape) if name == "label" else random.normal(size=array.shape)
        net.zero_param_diffs()
        found += [a.tobytes() for a in net.forward().values()]
        net.backward()
        for blob in net.learned:
            assert blob.diff is not None
            found.append(blob.diff.tobytes())
            blob.data[...] -= 0.01 * blob.diff
    return net.plan, found + [b.data.tobytes() for b in net.parameters.all]


@pytest.mark.parametrize("executor", ["fast", "reference"])
@pytest.mark.parametrize("name", list(NETS))
def test_a_budget_changes_no_bit(name: str, executor: str) -> None:
    text = NETS[name]
    total, smallest = least(text, executor)
    assert smallest < total
    _, wanted = trained(text, executor, None)
    for budget in (smallest + 100_000, (smallest + total) // 2):
        plan, found = trained(text, executor, budget)
        assert plan.recomputed
        assert memory.measure(executor, 2)(plan).total <= budget
        assert found == wanted


def test_what_fits_stays_as_it_is() -> None:
    plan, _ = trained(PLAIN, "fast", 10**9)
    assert not plan.recomputed


def test_resnet_50_in_two_thirds_of_the_memory_of_its_blobs() -> None:
    """By running its Scale, ReLU and Eltwise layers again, which takes little time."""
    net = planning.load(ROOT / "nets/resnet50.net")
    found = fit(
        lambda layers: planning.plan(net, "TRAIN", batch=8, recompute=layers),
        memory.measure(threads=2),
        int(memory.measure(threads=2)(planning.plan(net, "TRAIN", batch=8)).total * 0.75),
    )
    nodes = found.plan.graph.nodes
    assert {nodes[i].type.name for i in found.plan.recomputed} <= {"Scale", "ReLU", "Eltwise", "Pooling"}
    assert found.macs == 0 < found.values
    assert found.slower < 0.1


def test_measuring_needs_neither_kernels_nor_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing is compiled or allocated here")

    monkeypatch.setattr("netc.jit.Entry.find", refuse)
    monkeypatch.setattr("netc.jit.Entry.compile", refuse)
    monkeypatch.setattr("netc.run.arena.aligned_bytes", refuse)
    definition = planning.load(ROOT / "nets/resnet18.net")
    solver = memory.solver_of(definition)
    assert memory.measure(solver=solver)(planning.plan(definition, "TRAIN", batch=2)).total > 0


def test_training_within_a_budget(tmp_path: Path) -> None:
    """Of a solver, the memory of its rule counts, too; a snapshot goes on the same with and without."""
    plain = Solver(ROOT / "nets/digits.net", changes={"max_iter": 3, "test_interval": 0}, keep_gradients=False)
    usage = memory.measure(solver=plain.p)(plain.net.plan)
    budget = int(usage.total * 0.97)
    less = Solver(
        ROOT / "nets/digits.net",
        changes={"max_iter": 3, "test_interval": 0},
        keep_gradients=False,
        budget=budget,
    )
    assert less.net.plan.recomputed
    for solver in (plain, less):
        solver.prefix = None
        solver.solve()
    for a, b in zip(plain.net.parameters.all, less.net.parameters.all, strict=True):
        assert a.data.tobytes() == b.data.tobytes()


@pytest.mark.parametrize(
    ("text", "count"), [("500MB", 500_000_000), ("1.5 GB", 1_500_000_000), ("2GiB", 2 << 30), (7, 7), ("64kB", 64_000)]
)
def test_sizes(text: int | str, count: int) -> None:
    assert memory.size(text) == count


@pytest.mark.parametrize("text", ["", "much", "-3MB", "0", "5 MB/s", "1e999"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(NetError) as caught:
        memory.size(text)
    assert [d.code.id for d in caught.value.diagnostics] == ["PLN011"]
