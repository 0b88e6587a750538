"""Random branching nets: every step of their plans reads what it should, with and without sharing."""

from __future__ import annotations

import pytest

from tests.plan.helpers import Run, planned
from tests.plan.random_nets import random_net


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_plans_hold_what_their_steps_read(first: int) -> None:
    for seed in range(first, first + 20):
        text = random_net(seed)
        plans = [planned(text), planned(text, share=False), planned(text, keep=True), planned(text, training=False)]
        for each in plans:
            Run(each).check()
        shared, apart, kept, test = (p.reference_arena for p in plans)
        assert shared.lower_bound_bytes <= shared.planned_bytes <= 1.25 * shared.lower_bound_bytes
        assert shared.planned_bytes <= kept.planned_bytes <= apart.planned_bytes == apart.unshared_bytes
        assert test.lower_bound_bytes <= shared.lower_bound_bytes


def test_the_same_seed_gives_the_same_text() -> None:
    assert random_net(7) == random_net(7)
    assert random_net(7) != random_net(8)
