"""200 random nets with branches: shared memory changes no bit, nothing reads or writes what is not alive."""

import numpy as np
import pytest

from netc.layer import Array
from netc.run import Net
from tests.plan.random_nets import random_net
from tests.run.common import planned


def passes(net: Net, seed: int) -> list[Array]:
    """Outputs, gradients and parameters of two passes over random inputs."""
    random, found = np.random.default_rng(seed), []
    for _ in range(2):
        for name, array in net.inputs.items():
            labels = array.ndim == 1
            net.set_input(name, random.integers(0, 3, array.shape) if labels else random.standard_normal(array.shape))
        found += list(net.forward().values())
        net.backward()
        found += [p.diff.copy() for p in net.learned if p.diff is not None]
    return found + [p.data for p in net.parameters.all]


@pytest.mark.parametrize("group", range(10))
def test_sharing_changes_no_bit(group: int) -> None:
    for seed in range(20 * group, 20 * group + 20):
        text = random_net(seed)
        kept = passes(Net(planned(text, keep=True, share=False), seed=seed), seed)
        apart = passes(Net(planned(text, share=False), seed=seed), seed)
        shared = passes(Net(planned(text), seed=seed), seed)
        watched = passes(Net(planned(text), seed=seed, debug=True), seed)
        assert len(kept) == len(shared) > 0
        for a, b, c, d in zip(kept, apart, shared, watched, strict=True):
            assert np.isfinite(a).all(), seed
            assert a.tobytes() == b.tobytes() == c.tobytes() == d.tobytes(), seed
