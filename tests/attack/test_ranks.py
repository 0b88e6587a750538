"""A short run of each campaign against ranks."""

import pytest

from tools.attack import equal_ranks, ranks
from tools.attack._launched import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def test_ranks() -> None:
    tally = ranks.run(2, seed=191, iterations=8, timeout=3)
    assert not tally.failures
    assert tally.counts["launches"] == 2


def test_equal_ranks() -> None:
    tally = equal_ranks.run(1, seed=1, iterations=2)
    assert not tally.failures
    assert tally.counts["snapshot files compared"] == 4
