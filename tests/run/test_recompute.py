"""Layers that run again in backward instead of keeping their values: less memory, the same bits."""

from __future__ import annotations

from random import Random

import pytest

from netc.run import Net
from tests.plan.random_nets import random_net
from tests.run.common import planned
from tests.run.test_random_nets import passes


def some_layers(text: str, seed: int) -> set[int]:
    """Any layers that may run again."""
    nodes, random = planned(text).graph.nodes, Random(seed)
    possible = [n.index for n in nodes if not n.type.source and not n.type.loss]
    return set(random.sample(possible, random.randint(1, len(possible))))


@pytest.mark.parametrize("group", range(10))
def test_any_layers_of_random_nets(group: int) -> None:
    """On the reference executor; in its debug mode also nothing reads or writes what is not alive."""
    steps = 0
    for seed in range(6 * group, 6 * group + 6):
        text = random_net(seed)
        wanted = passes(Net(planned(text), seed=seed), seed)
        plan = planned(text, recompute=some_layers(text, seed))
        steps += len(plan.recomputed)
        for debug in (False, True):
            found = passes(Net(plan, seed=seed, debug=debug), seed)
            for a, b in zip(wanted, found, strict=True):
                assert a.tobytes() == b.tobytes(), seed
    assert steps > 5
