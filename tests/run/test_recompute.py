"""Layers that run again in backward instead of keeping their values: less memory, the same bits."""

from __future__ import annotations

from random import Random

import pytest

from netc.fast.program.verify import verify
from netc.layer import Array
from netc.plan.model import Plan
from netc.run import Net
from netc.run.fast import Fast
from tests.plan.random_nets import random_net
from tests.run.common import fill, planned, run
from tests.run.test_random_nets import passes
from tools.attack._nets import RandomNet


def some_layers(plan: Plan, random: Random) -> set[int]:
    """Any layers that may run again."""
    possible = [n.index for n in plan.graph.nodes if not n.type.source and not n.type.loss]
    return set(random.sample(possible, random.randint(1, len(possible))))


@pytest.mark.parametrize("group", range(10))
def test_any_layers_of_random_nets(group: int) -> None:
    """On the reference executor; in its debug mode also nothing reads or writes what is not alive."""
    steps = 0
    for seed in range(6 * group, 6 * group + 6):
        text = random_net(seed)
        wanted = passes(Net(planned(text), seed=seed), seed)
        plan = planned(text, recompute=some_layers(planned(text), Random(seed)))
        steps += len(plan.recomputed)
        for debug in (False, True):
            found = passes(Net(plan, seed=seed, debug=debug), seed)
            for a, b in zip(wanted, found, strict=True):
                assert a.tobytes() == b.tobytes(), seed
    assert steps > 0


@pytest.mark.parametrize("seed", [*range(12), 37, 41, 45, 57])
def test_any_layers_of_random_nets_on_the_fast_executor(seed: int) -> None:
    random = Random(seed)
    text = RandomNet(random).text
    plan = planned(text)
    every = {n.index for n in plan.graph.nodes if not n.type.source}
    wanted = fast_run(plan, seed)
    for layers in (every, some_layers(plan, random)):
        found = fast_run(planned(text, recompute=layers), seed)
        for name, array in wanted.items():
            assert array.tobytes() == found[name].tobytes(), (seed, name)


def fast_run(plan: Plan, seed: int) -> dict[str, Array]:
    net = Net(plan, seed=seed, executor="fast", threads=2)
    fill(net, seed)
    if isinstance(net.executor, Fast):
        verify(net.executor.program)
    return run(net)


@pytest.mark.parametrize("stored", ["true", "false"])
def test_any_of_the_layers_that_are_done_together(stored: str) -> None:
    """A BatchNorm does the Scale and the ReLU that follow; each of them may have to run again without the others."""
    text = f"""
    layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [2, 4, 5, 5] }} }} }}
    layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ num_output: 20 kernel_size: 3
             weight_filler {{ type: "xavier" }} }} }}
    layer {{ name: "n" type: "BatchNorm" bottom: "c" top: "n" batch_norm_param {{ use_global_stats: {stored} }} }}
    layer {{ name: "s" type: "Scale" bottom: "n" top: "s" scale_param {{ bias_term: true }} }}
    layer {{ name: "r" type: "ReLU" bottom: "s" top: "r" }}
    layer {{ name: "t" type: "Scale" bottom: "r" top: "t" }}
    layer {{ name: "d" type: "Convolution" bottom: "t" top: "d" convolution_param {{ num_output: 3 kernel_size: 3
             weight_filler {{ type: "xavier" }} }} }}
    layer {{ name: "loss" type: "Reduction" bottom: "d" top: "loss" loss_weight: 1 }}
    """
    wanted = fast_run(planned(text), 1)
    for number in range(1, 16):
        layers = {layer for bit, layer in enumerate((2, 3, 4, 5)) if number >> bit & 1}
        found = fast_run(planned(text, recompute=layers), 1)
        assert all(array.tobytes() == found[name].tobytes() for name, array in wanted.items()), layers
