"""The model of a step on several ranks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netc.solve.scaling import Measured, Network, doubling, predicted

MB = 1 << 20
DONE = ((0.1, 100 * MB), (0.2, 60 * MB), (0.5, 3 * MB), (0.6, 1 * MB))
STEP = Measured(
    images=32, forward=0.3, backward=0.6, update=0.1, step=0.99, done=DONE, clear=0.02, memory=0.05, overlaps=True
)
NETWORK = Network(bandwidth=1000 * MB, latency=1e-5)
SLOW = Network(bandwidth=100 * MB, latency=1e-5)


def test_one_rank_is_what_was_measured() -> None:
    found = predicted(STEP, NETWORK, 1)
    assert (found.step, found.exchange, found.efficiency, found.batch) == (0.99, 0, 1, 1)
    assert found.images_per_second == pytest.approx(32 / 0.99)


def test_buckets_are_of_some_megabytes_and_of_more_for_many_ranks() -> None:
    assert list(STEP.buckets(2)) == [(0.1, 100 * MB), (0.2, 60 * MB), (0.6, 4 * MB)]
    assert list(STEP.buckets(64)) == [(0.2, 160 * MB), (0.6, 4 * MB)]


def test_what_is_done_early_is_hidden() -> None:
    """Only the last bucket comes after backward."""
    found = predicted(STEP, NETWORK, 2)
    assert found.exchange == pytest.approx(3 * 2e-5 + 0.164)
    last = 2e-5 + 0.004 + (0.05 + 0.1 / 2) * 4 / 164
    assert found.step == pytest.approx(0.02 + 0.3 + 0.6 + last)
    assert found.hidden == pytest.approx(1 - (2e-5 + 0.004) / found.exchange)
    assert found.efficiency == pytest.approx(0.99 / found.step)
    assert found.images_per_second == pytest.approx(2 * 32 / found.step)


def test_a_slow_network_is_what_a_step_waits_for() -> None:
    """From the moment on at which the first bucket is ready, one is exchanged after the other."""
    found = predicted(STEP, SLOW, 4)
    assert found.exchange == pytest.approx(3 * 6e-5 + 1.5 * 1.64)
    assert found.step == pytest.approx(0.02 + 0.3 + 0.1 + found.exchange + 0.05 + 0.1 / 4)
    assert 0 < found.hidden < 0.3


def test_where_no_core_is_left_all_of_it_comes_after_backward() -> None:
    found = predicted(replace(STEP, overlaps=False), NETWORK, 2)
    assert found.step == pytest.approx(0.02 + 0.9 + found.exchange + 0.05 + 0.1 / 2)
    assert found.hidden == pytest.approx(0)


def test_the_batch_is_the_least_that_is_efficient_enough() -> None:
    wanted = predicted(STEP, SLOW, 16).batch
    assert wanted > 32
    assert predicted(STEP.of(wanted), SLOW, 16).efficiency >= 0.9
    assert predicted(STEP.of(wanted - 1), SLOW, 16).efficiency < 0.9


def test_a_faster_network_takes_no_longer() -> None:
    assert predicted(STEP, NETWORK, 8).step < predicted(STEP, SLOW, 8).step


def test_doubling() -> None:
    assert list(doubling(1, 8)) == [1, 2, 4, 8]
    assert list(doubling(3, 10)) == [3, 6, 10]
    assert list(doubling(5, 5)) == [5]
