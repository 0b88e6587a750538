"""Updates in backward give the bits of updates after it, and keep no gradients."""

from dataclasses import replace

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.planning import plan
from netc.errors import NetError
from netc.fast.program.verify import verify
from netc.run import Net
from netc.run.fast import Fast
from netc.solve import Solver
from netc.solve.rules import rules
from netc.solve.update import Updater
from tests.run.common import solver_record

NET = """
data = Input() { shape { dim: [6, 20, 9, 8] } }
label = Input() { shape { dim: 6 } }
a = Convolution(data) { num_output: 24 kernel_size: 3 pad: 1 param { name: "w" } weight_filler { type: "xavier" } }
a = ReLU(a)
b = BatchNorm(a)
b = Scale(b) { bias_term: true }
b = ReLU(b)
c = Convolution(data) { num_output: 24 kernel_size: 3 pad: 1 param { name: "w" } weight_filler { type: "xavier" } }
d = Eltwise(b, c)
d = PReLU(d)
e = Convolution(d) { num_output: 20 kernel_size: 5 pad: 2 weight_filler { type: "xavier" } }
f = Pooling(e) { pool: MAX kernel_size: 2 stride: 2 }
g = InnerProduct(f) { num_output: 37 weight_filler { type: "xavier" } }
g = ReLU(g)
h = InnerProduct(g) { num_output: 5 param { lr_mult: 2 decay_mult: 0.5 } param { lr_mult: 0 }
  weight_filler { type: "xavier" } }
i = InnerProduct(f) { num_output: 7 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(h, label)
"""
SOLVERS = {
    **{name: f'type: "{name}"' for name in rules()},
    "L1": 'regularization_type: "L1"',
    "L1L2 and clipped values": 'regularization_type: "L1L2" weight_decay_l1: 0.003 clip_gradients_value: 0.002',
}


def trained(extra: str, iterations: int = 4, threads: int = 2, **options: bool) -> tuple[Solver, list[float]]:
    momentum = "" if any(name in extra for name in ("AdaGrad", "RMSProp")) else "momentum: 0.9"
    text = f'base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 2 {momentum} weight_decay: 0.01 {extra}'
    net = Net(plan(loads(NET), "TRAIN"), seed=3, executor="fast", threads=threads)
    assert isinstance(net.executor, Fast)
    random = np.random.default_rng(0)
    net.set_input("data", random.standard_normal((6, 20, 9, 8)))
    net.set_input("label", random.integers(0, 5, 6))
    solver, losses = Solver(solver_record(text), net, **options), []
    for _ in range(iterations):
        solver.step(1)
        losses.append(solver.loss)
    return solver, losses


def same(one: Solver, other: Solver) -> None:
    for name, blobs in one.net.params.items():
        for ours, theirs in zip(blobs, other.net.params[name], strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
    for ours, theirs in zip(one.updater.history, other.updater.history, strict=True):
        for index, blob in ours.items():
            np.testing.assert_array_equal(blob, theirs[index])


@pytest.mark.parametrize("extra", SOLVERS.values(), ids=list(SOLVERS))
def test_the_same_bits(extra: str) -> None:
    kept, losses = trained(extra)
    updating, others = trained(extra, keep_gradients=False)
    assert updating.updater.updates_in_backward
    assert not kept.updater.updates_in_backward
    assert losses == others
    same(kept, updating)


def test_any_number_of_threads() -> None:
    one, three = (trained("", threads=n, keep_gradients=False)[0] for n in (1, 3))
    same(one, three)


@pytest.mark.parametrize("extra", ["clip_gradients: 0.1", "iter_size: 2", "snapshot_diff: true"])
def test_where_gradients_are_needed_together_they_are_kept(extra: str) -> None:
    kept, updating = trained(extra)[0], trained(extra, keep_gradients=False)[0]
    assert not updating.updater.updates_in_backward
    same(kept, updating)


def test_an_iteration_that_is_looked_into() -> None:
    """debug_info runs an iteration on the reference executor, by gradients; those around it update in backward."""
    updating, _ = trained("display: 3 debug_info: true", keep_gradients=False)
    kept, _ = trained("display: 3 debug_info: true")
    same(kept, updating)


def test_gradients_that_were_not_kept_are_not_shown() -> None:
    solver, _ = trained("", keep_gradients=False)
    with pytest.raises(NetError) as caught:
        solver.net.param_diffs  # noqa: B018 - it raises
    assert caught.value.diagnostics[0].code.id == "RUN025"


def test_backward_still_gives_gradients() -> None:
    """A program with updates in it has the ordinary backward, too."""
    one, other = trained("")[0].net, trained("", keep_gradients=False)[0].net
    for net in (one, other):
        net.zero_param_diffs()
        net.forward()
        net.backward()
    for name, blobs in one.param_diffs.items():
        for ours, theirs in zip(blobs, other.param_diffs[name], strict=True):
            if ours is not None and theirs is not None:
                np.testing.assert_array_equal(ours, theirs)


def test_the_program_holds_and_needs_less_memory() -> None:
    net = Net(plan(loads(NET), "TRAIN"), executor="fast", threads=2)
    plain = net.executor
    Updater(solver_record('base_lr: 0.01 lr_policy: "fixed"'), net, update_in_backward=True)
    assert isinstance(plain, Fast)
    assert isinstance(net.executor, Fast)
    program = net.executor.program
    assert program.updating
    assert not plain.program.updating
    verify(program)
    without = tuple(x for x in program.updating if not x.launch or "data gradient" not in x.launch.label)
    assert len(without) < len(program.updating)
    with pytest.raises(NetError) as caught:
        verify(replace(program, updating=without))
    assert caught.value.diagnostics[0].code.id == "RUN023"
    gradients = sum(b.data.nbytes for b in net.learned)
    assert program.planned_bytes - plain.program.planned_bytes < gradients
