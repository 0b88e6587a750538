"""The model of a step on several ranks."""

from __future__ import annotations

import pytest

from netc.solve.scaling import Measured, Network, doubling, predicted

STEP = Measured(images=32, passes=0.9, update=0.1, gradients=240_000_000, memory=0.05)
NETWORK = Network(bandwidth=3e9, latency=1e-5)


def test_one_rank_is_what_was_measured() -> None:
    found = predicted(STEP, NETWORK, 1)
    assert (found.step, found.exchange, found.efficiency, found.batch) == (1.0, 0.0, 1.0, 1)
    assert found.images_per_second == 32


def test_exchange_by_latency_and_bandwidth() -> None:
    found = predicted(STEP, NETWORK, 4)
    assert found.exchange == pytest.approx(2 * 3 * 1e-5 + 2 * 0.75 * 240e6 / 3e9)
    assert found.step == pytest.approx(0.9 + found.exchange + 0.05 + 0.1 / 4)
    assert found.efficiency == pytest.approx(1.0 / found.step)
    assert found.images_per_second == pytest.approx(4 * 32 / found.step)


def test_the_batch_is_the_least_that_is_efficient_enough() -> None:
    wanted = predicted(STEP, NETWORK, 16).batch
    for images, enough in ((wanted, True), (wanted - 1, False)):
        step = Measured(images, STEP.passes / STEP.images * images, STEP.update, STEP.gradients, STEP.memory)
        assert (predicted(step, NETWORK, 16).efficiency >= 0.9) == enough


def test_a_faster_network_takes_no_longer() -> None:
    slow, fast = (predicted(STEP, Network(rate, 1e-6), 8).step for rate in (1e9, 1e10))
    assert fast < slow


def test_doubling() -> None:
    assert list(doubling(1, 8)) == [1, 2, 4, 8]
    assert list(doubling(3, 10)) == [3, 6, 10]
    assert list(doubling(5, 5)) == [5]
