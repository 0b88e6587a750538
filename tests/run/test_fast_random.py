"""Random nets on the fast executor: the numbers of the reference executor, and the same bits for any number of threads.

`NETC_NETS=500 pytest tests/run/test_fast_random.py` runs 500 of them.
"""

from __future__ import annotations

import os
import re
from random import Random

import numpy as np
import pytest

from netc.fast.program.verify import verify
from netc.layer import Array, Phase
from netc.plan.model import Plan
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import planned
from tests.run.random_nets import RandomNet

NETS = int(os.environ.get("NETC_NETS", "100"))
TOLERANCE = {"exact": 2e-5, "fast": 2e-4}  # of an array's largest value
Found = dict[str, Array]


def fill(nets: list[Net], seed: int) -> None:
    """The same random inputs and parameters for all nets, of sizes that keep values near 1 from layer to layer."""
    random = np.random.default_rng(seed)
    for name, array in nets[0].inputs.items():
        classes = re.match(r"labels(\d+)_", name)
        given = random.integers(0, int(classes[1]), array.shape) if classes else random.normal(size=array.shape)
        for net in nets:
            net.set_input(name, given)
    for i, parameter in enumerate(nets[0].parameters.all):
        shape = parameter.data.shape
        if len(shape) > 1:
            given = random.normal(size=shape) / np.sqrt(max(1, parameter.data.size / shape[0]))
        else:
            given = random.uniform(0.5, 1.5, shape)
        for net in nets:
            net.parameters.all[i].data[...] = given


def run(net: Net) -> Found:
    """Outputs, gradients and changed parameters of two passes."""
    found: Found = {}
    for turn in range(2):
        found |= {f"output {k} of pass {turn}": v for k, v in net.forward().items()}
        if net.plan.backward_planned:
            net.backward()
            for name in net.inputs:
                if name in net.diffs:
                    found[f"gradient of {name}"] = net.diffs[name].copy()
    for i, parameter in enumerate(net.parameters.all):
        found[f"parameter {i}"] = parameter.data.copy()
        if parameter.diff is not None:
            found[f"gradient of parameter {i}"] = parameter.diff.copy()
    return found


def differences(plan: Plan, seed: int, threads: int, tolerance: float) -> list[str]:
    """What differs between the executors. Also holds the fast one to the same bits with another number of threads."""
    nets = [
        Net(plan, seed=seed),
        Net(plan, seed=seed, executor="fast", threads=threads),
        Net(plan, seed=seed, executor="fast", threads=threads % 3 + 1),
    ]
    assert isinstance(nets[1].executor, Fast)
    verify(nets[1].executor.program)
    fill(nets, seed)
    wanted, found, again = (run(net) for net in nets)
    assert wanted.keys() == found.keys() == again.keys()
    wrong, gradients = [], [a for name, a in wanted.items() if name.startswith("gradient")]
    largest = max((float(np.abs(a).max(initial=0)) for a in gradients), default=0.0)
    for name, array in wanted.items():
        assert found[name].tobytes() == again[name].tobytes(), f"{name}: other bits with another number of threads"
        # Sums that come to nothing (of a bias in front of BatchNorm, say) are as exact as their terms.
        scale = max(1e-3, float(np.abs(array).max(initial=0)), largest / 50 if name.startswith("gradient") else 0)
        error = np.abs(found[name].astype(np.float64) - array).max(initial=0) / scale
        if not error <= tolerance:
            wrong.append(f"{name}: {error:.1e} off")
    return wrong


@pytest.mark.parametrize("seed", range(NETS))
def test_agrees_with_the_reference(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value next to the corner of a ReLU, or to another maximum, may fall to the other side, which changes gradients:
    a net that differs is tried with other numbers, where a mistake shows again."""
    random = Random(seed)
    text = RandomNet(random).text
    precision, phase = random.choice(("exact", "fast")), random.choice(("TRAIN", "TRAIN", "TEST"))
    monkeypatch.setenv("NETC_PRECISION", precision)
    plan = plan_of(text, phase, random)
    threads = random.randint(1, 3)
    wrong: list[str] = []
    for turn in range(3):
        wrong = differences(plan, 1000 * seed + turn, threads, TOLERANCE[precision])
        if not wrong:
            return
    pytest.fail("\n".join([f"{precision}, {phase}, {threads} threads", text, *wrong]))


def plan_of(text: str, phase: Phase, random: Random) -> Plan:
    """Trained, or used, with and without every blob kept."""
    return planned(text, phase, training=phase == "TRAIN" or random.random() < 0.2, keep=random.random() < 0.2)
