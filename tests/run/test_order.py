"""Which rows need not wait for those before them: none that touches what these write, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from netc.api import planning
from netc.api.definition import loads
from netc.fast.machine.launch import Launch, Start, in_waves
from netc.fast.machine.operands import touched
from netc.fast.program import order
from netc.fast.program.lower import lower
from netc.fast.program.lowered import Item, Lowered
from tools.attack._nets import RandomNet

BRANCHES = """
data = Input() { shape { dim: [1, 16, 9, 9] } }
x = Convolution(data) { num_output: 32 kernel_size: 1 }
a = Convolution(x) { num_output: 16 kernel_size: 1 }
b = Convolution(x) { num_output: 32 kernel_size: 3 pad: 1 }
c = Pooling(x) { pool: MAX kernel_size: 3 stride: 1 pad: 1 }
d = Concat(a, b, c)
e = Convolution(d) { num_output: 16 kernel_size: 1 }
"""


def runs(items: Sequence[Item]) -> list[list[Launch]]:
    """Launches that follow one another."""
    found: list[list[Launch]] = [[]]
    for item in items:
        if item.launch is None:
            found.append([])
        else:
            found[-1].append(item.launch)
    return [run for run in found if run]


def marks(program: Lowered, launch: Launch, write: bool) -> set[int]:
    """The words of the arena that a launch touches (or writes)."""
    words = np.zeros(program.planned_bytes // 4 + 1, np.bool_)
    for one in touched(launch):
        memory = program.memory[one.at.array]
        if memory.external is None and (not write or one.mode != "read"):
            start = (memory.offset + one.at.offset) // 4
            shape = (*(count for count, _ in one.dims), -(-one.width // 4))
            as_strided(words[start:], shape, (*(step // 4 for _, step in one.dims), 1))[...] = True
    return set(np.flatnonzero(words).tolist())


def check(program: Lowered, launches: Sequence[Launch], found: Sequence[Start]) -> int:
    """How many rows may begin before the one in front of them has ended, though they are of another wave."""
    waves, early = in_waves(launches), 0
    assert all(one.after <= other.after for one, other in pairwise(found))
    for number, (start, wave) in enumerate(zip(found, waves, strict=True)):
        assert start.after <= wave.after
        early += start.after < wave.after
        for other in range(start.after, wave.after):
            first, second = launches[other], launches[number]
            assert not marks(program, first, True) & marks(program, second, False), (first.label, second.label)
            assert not marks(program, first, False) & marks(program, second, True), (first.label, second.label)
    return early


def test_branches_do_not_wait_for_each_other() -> None:
    program = lower(planning.plan(loads(BRANCHES), "TEST"), 2)
    (launches,) = runs(program.forward)[-1:]
    starts = order.starts(program, launches)
    assert check(program, launches, starts) > 0
    labels = [launch.label for launch in launches]
    pool, last = labels.index("maximum"), len(labels) - 1 - labels[::-1].index("convolution")
    assert starts[pool].after < pool  # the convolution in front of it may still be written
    assert starts[last].after >= pool + 1


@pytest.mark.parametrize("seed", range(6))
def test_random_nets(seed: int) -> None:
    net = RandomNet(Random(seed))
    phase = "TRAIN" if seed % 2 else "TEST"
    program = lower(planning.plan(loads(net.text), phase), 3)
    for launches in (*runs(program.forward), *runs(program.backward)):
        check(program, launches, order.starts(program, launches))


def test_what_touches_little_is_done_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "ALONE_BYTES", 1 << 14)
    program = lower(planning.plan(loads(BRANCHES), "TEST"), 2)
    (launches,) = runs(program.forward)[-1:]
    alone = {launch.label: start.alone for launch, start in zip(launches, order.starts(program, launches), strict=True)}
    assert alone["unpack"]
    assert not alone["maximum"]
