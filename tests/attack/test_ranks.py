"""A short run of the campaign against ranks."""

from importlib.util import find_spec

import pytest

from tools.attack import ranks


@pytest.mark.skipif(find_spec("mpi4py") is None or not ranks.launcher(), reason="mpi4py or mpiexec is not there")
def test_ranks() -> None:
    tally = ranks.run(2, seed=191, iterations=8, timeout=3)
    assert not tally.failures
    assert tally.counts["launches"] == 2
