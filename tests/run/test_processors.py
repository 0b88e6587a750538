"""The fast executor on other machines: with fewer vector instructions, and with more threads than cores."""

from __future__ import annotations

import pytest

from netc.jit.host import FEATURES, features
from tests.run.processes import FEED, process

LESS = FEATURES[FEATURES.index(features()) + 1 :]  # what this machine has is what all other tests use
COMPARE = FEED + "compare(CAFFENET)\ncompare(residual('false'))\nprint('same')\n"
CROWD = FEED + "a, b = (run(make(LENET, threads=n)[1]) for n in (1, 33))\n"
CROWD += "print('same' if all(np.array_equal(a[k], b[k]) for k in a) else 'differs')\n"


@pytest.mark.parametrize("features", LESS)
def test_any_processor(features: str) -> None:
    """As on a machine that has no more than these instructions."""
    assert process(COMPARE, NETC_FEATURES=features) == ["same"]


def test_more_threads_than_cores() -> None:
    assert process(CROWD) == ["same"]
