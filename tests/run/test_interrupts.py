"""An interrupt anywhere in a pass, caught by the caller: later passes compute what they would have without it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from netc.fast.machine.walk import Team
from netc.run import Net
from netc.run.held import Held
from tests.fast.test_walk import run as run_rows
from tests.fast.test_walk import table
from tests.run import torn
from tests.run.common import make
from tests.run.test_fast import CAFFENET, LENET
from tools.attack.interrupts import interrupted

PASS = ("run/net.py", "run/fast.py", "run/reference.py", "machine/walk.py")


@pytest.fixture(autouse=True)
def raising() -> Iterator[None]:
    """Ctrl-C (which a shell's background jobs ignore) and the timer's signal raise KeyboardInterrupt."""
    before = {s: signal.signal(s, signal.default_int_handler) for s in (signal.SIGINT, signal.SIGALRM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def filled(text: str, phase: str = "TRAIN", **options: object) -> Net:
    net = make(text, phase, seed=2, executor="fast", threads=2, **options)  # type: ignore[arg-type]
    fill(net)
    return net


def fill(net: Net) -> None:
    """Random inputs and parameters."""
    drawn = np.random.default_rng(1)
    for blob in net.parameters.all:
        blob.data[...] = drawn.standard_normal(blob.data.shape) * 0.3
    for name, array in net.inputs.items():
        array[...] = drawn.integers(0, 3, array.shape) if name == "label" else drawn.standard_normal(array.shape)


def results(net: Net) -> dict[str, bytes]:
    net.iteration = 0
    if net.plan.backward_planned:
        net.zero_param_diffs()
    found = {name: array.tobytes() for name, array in net.forward().items()}
    if net.plan.backward_planned:
        net.backward()
        found |= {f"{b.owner} {b.param.position}": b.diff.tobytes() for b in net.learned if b.diff is not None}
    return found


def test_a_team_that_is_interrupted_at_any_instruction() -> None:
    """The pass is whole or not there, and the next one is right; also with a fresh team, whose threads start then."""
    team = Team(3)
    count = 0
    for _ in torn.everywhere(lambda: run_rows(team), ("machine/walk.py",)):
        assert np.all(run_rows(team) == 32)
        count += 1
    for at in range(1, count, 5):
        fresh = Team(3)
        torn.run(lambda fresh=fresh: run_rows(fresh), ("machine/walk.py",), at)
        assert np.all(run_rows(fresh) == 32)
        fresh.close()
    assert count > 50
    team.close()


def test_an_interrupted_pass_has_run_all_rows_or_none() -> None:
    team, seen = Team(3), set[float]()
    array = np.ones(2 * 16 * 64, np.float32)
    rows = table(array)
    for _ in torn.everywhere(lambda: team.run(rows), ("machine/walk.py",)):
        assert np.unique(array).size == 1
        seen.add(float(array[0]))
        array[:] = 1
    assert seen == {1.0, 32.0}
    team.close()


@pytest.mark.parametrize(
    ("text", "phase", "step"), [(LENET, "TRAIN", 37), (CAFFENET, "TEST", 23), (CAFFENET, "TRAIN", 61)]
)
def test_a_net_that_is_interrupted_at_any_instruction(text: str, phase: str, step: int) -> None:
    net = filled(text, phase)
    wanted = results(net)
    for _ in torn.everywhere(lambda: results(net), PASS, step):
        assert results(net) == wanted


def test_values_of_a_torn_pass_are_gone() -> None:
    """Nobody takes what half a pass left for the blobs of a whole one."""
    net = filled(LENET, "TEST")
    wanted = net.forward()["loss"]
    net.forward()
    for at in torn.everywhere(net.forward, ("run/fast.py", "machine/walk.py"), 5):
        value = net.executor.value(net.graph.outputs[-1])
        assert value is None or np.array_equal(value, wanted), at


def test_real_signals_at_random_moments() -> None:
    net, chance, hits = filled(LENET), random.Random(3), 0
    wanted = results(net)
    start = time.perf_counter()
    results(net)
    seconds = time.perf_counter() - start
    while hits < 40:
        hits += interrupted(lambda: results(net), chance.uniform(0, seconds))
        assert results(net) == wanted


# ---------------------------------------------------------------- holding


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - what comes before it is the test
        with Held():
            with Held():
                interrupt()
                done.append(1)
            done.append(2)
        done.append(3)
    assert done == [1, 2]


def test_the_second_interrupt_does_not_wait() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), Held():  # noqa: PT012
        interrupt()
        done.append(1)
        interrupt()
        done.append(2)
    assert done == [1]


def test_handlers_that_raise_nothing_run_at_once_and_are_put_back() -> None:
    seen = []

    def handler(number: int, _: object) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with Held():
            os.kill(os.getpid(), signal.SIGUSR1)
            assert seen == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGUSR1) is handler
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_handler_that_is_set_inside_stays() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        with Held():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_the_block_raises_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, Held():  # noqa: PT012
        interrupt()
        raise ValueError("the block's own")
    assert isinstance(caught.value.__context__, ValueError)


def test_other_threads_have_nothing_to_hold() -> None:
    found: list[object] = []

    def use() -> None:
        with Held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
