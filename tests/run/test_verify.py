"""The program of a net against its arena: programs that are right pass, programs that were broken on purpose do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netc.api import planning
from netc.api.definition import loads
from netc.errors import NetError
from netc.fast.precision import Precision
from netc.fast.program import copies
from netc.fast.program.lower import Lowered, lower
from netc.fast.program.lowered import Item
from netc.fast.program.verify import verify, verify_placement
from netc.run import Net
from tests.plan.random_nets import random_net
from tests.run.common import planned

GALLERY = sorted(Path(__file__).parents[2].joinpath("nets").glob("*.net"))

LENET = """
data = Input() { shape { dim: [3, 1, 16, 16] } }
label = Input() { shape { dim: 3 } }
conv1 = Convolution(data) { num_output: 20 kernel_size: 5 }
pool1 = Pooling(conv1) { pool: MAX kernel_size: 2 stride: 2 }
conv2 = Convolution(pool1) { num_output: 16 kernel_size: 3 pad: 1 }
conv2 = ReLU(conv2)
ip = InnerProduct(conv2) { num_output: 10 }
loss = SoftmaxWithLoss(ip, label)
"""


def program(text: str = LENET, training: bool = True) -> Lowered:
    return lower(planning.plan(loads(text), "TRAIN", training=training), threads=2)


def code(broken: Lowered, check: Callable[[Lowered], None] = verify) -> str:
    with pytest.raises(NetError) as caught:
        check(broken)
    (found,) = caught.value.diagnostics
    return found.code.id


# ---------------------------------------------------------------- what is right


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("net", [p for p in GALLERY if p.stem not in ("resnet101", "resnet152")], ids=lambda p: p.stem)
def test_the_gallery_holds(net: Path, phase: str) -> None:
    plan = planning.plan(net, phase, batch=1)  # type: ignore[arg-type]
    verify(lower(plan, threads=2))


@pytest.mark.parametrize("seed", range(60))
def test_random_nets_hold(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "bf16", lambda: "emulated")
    ways: list[tuple[int, Precision]] = [(1, "exact"), (3, "fast"), (2, "bf16")]
    for threads, precision in ways:
        verify(lower(planned(random_net(seed)), threads, precision))
        verify(lower(planned(random_net(seed), keep=True), threads, precision))


# ---------------------------------------------------------------- what was broken on purpose


def test_a_row_that_starts_elsewhere() -> None:
    found = program()
    at, item = next((i, x) for i, x in enumerate(found.forward) if x.launch and x.launch.label == "convolution")
    assert item.launch is not None
    moved = item.launch.shift(lambda ref: ref + 64 * 300)
    assert code(with_items(found, {at: replace(item, launch=moved)})) == "RUN021"


def test_memory_that_is_moved_onto_another() -> None:
    found = program()
    one = max((m for m in found.memory if m.external is None), key=lambda m: m.last - m.first)
    other = next(m for m in found.memory if m.external is None and m is not one and m.first > one.first)
    other.offset = one.offset
    assert code(found, verify_placement) == "RUN022"


def test_memory_beyond_the_arena() -> None:
    found = program()
    assert code(replace(found, planned_bytes=found.planned_bytes - 64), verify_placement) == "RUN021"


def test_memory_that_dies_too_early() -> None:
    found = program()
    launch = found.backward[-1].launch
    assert launch is not None
    array = next(a.array for a in launch.refs if found.memory[a.array].external is None)
    found.memory[array].last -= 1
    assert code(found, verify_placement) == "RUN021"


def test_rows_in_the_wrong_order() -> None:
    found = apart(program())
    before, after = labelled(found, "first convolution"), labelled(found, "maximum")
    first, second = found.forward[before], found.forward[after]
    swapped = {before: replace(first, launch=second.launch), after: replace(second, launch=first.launch)}
    assert code(with_items(found, swapped)) == "RUN023"


def test_a_halo_that_nobody_clears() -> None:
    found = program()
    rest = tuple(x for x in found.forward if not x.launch or x.launch.label != "halo")
    assert len(rest) < len(found.forward)
    assert code(replace(found, forward=rest)) == "RUN023"


def test_a_barrier_that_is_missing() -> None:
    found = apart(program())
    before, after = labelled(found, "first convolution"), labelled(found, "maximum")
    wave = found.forward[before].wave
    together = {at: replace(found.forward[at], wave=wave) for at in range(before, after + 1)}
    assert code(with_items(found, together)) in ("RUN023", "RUN024")


def test_two_rows_that_write_the_same_side_by_side() -> None:
    found = program()
    at = labelled(found, "maximum")
    items = (*found.forward[: at + 1], found.forward[at], *found.forward[at + 1 :])
    assert code(replace(found, forward=items)) == "RUN024"


def test_a_gradient_that_nobody_computes() -> None:
    found = program()
    rest = tuple(x for x in found.backward if not x.launch or x.launch.label != "data gradient")
    assert len(rest) < len(found.backward)
    assert code(replace(found, backward=rest)) == "RUN023"


def test_no_net_is_made_of_a_program_that_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = program()
    broken = replace(broken, forward=tuple(x for x in broken.forward if not x.launch or x.launch.label != "maximum"))
    monkeypatch.setattr("netc.run.fast.lower", lambda *_: broken)
    with pytest.raises(NetError) as caught:
        Net(planning.plan(loads(LENET), "TRAIN"), executor="fast", threads=2)
    assert caught.value.diagnostics[0].code.id == "RUN023"


def labelled(found: Lowered, label: str) -> int:
    return next(i for i, x in enumerate(found.forward) if x.launch and x.launch.label == label)


def with_items(found: Lowered, changed: dict[int, Item]) -> Lowered:
    return replace(found, forward=tuple(changed.get(i, x) for i, x in enumerate(found.forward)))


def apart(found: Lowered) -> Lowered:
    """Every array lives all the time in memory of its own, so that only the order of launches matters."""
    total = 0
    for memory in found.memory:
        memory.first, memory.last = 0, 1 << 30
        memory.offset, total = total, total + -(-memory.nbytes // 64) * 64
    return replace(found, planned_bytes=total)


def test_a_sum_in_place_of_the_convolution_s_own_bottom_is_a_step_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the convolution's windows would see sums that are there already."""
    text = """
    data = Input() { shape { dim: [2, 16, 12, 12] } }
    x = Convolution(data) { num_output: 16 kernel_size: 1 }
    c = Convolution(x) { num_output: 16 kernel_size: 3 pad: 1 }
    e = Eltwise(x, c)
    f = ReLU(e)
    g = Pooling(f) { pool: AVE global_pooling: true }
    """
    monkeypatch.setenv("NETC_PRECISION", "exact")
    plan = planning.plan(loads(text), "TEST")
    verify(lower(plan, threads=2, precision="exact"))
    nets, random = [Net(plan, seed=1), Net(plan, seed=1, executor="fast", threads=2)], np.random.default_rng(0)
    data = random.standard_normal((2, 16, 12, 12))
    weights = [0.1 * random.standard_normal(b.data.shape) for b in nets[0].parameters.all]
    for net in nets:
        net.set_input("data", data)
        for blob, values in zip(net.parameters.all, weights, strict=True):
            blob.data[...] = values
    reference, fast = (net.forward()["g"] for net in nets)
    np.testing.assert_allclose(fast, reference, atol=1e-5)
