"""A pool's replicas: one set of weights, threads in turn, nothing mixed, and clear refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

import netc
from netc.errors import NetError
from netc.run.fast import Fast

TEXT = """
input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 300 weight_filler { type: "xavier" } } }
"""
TWO = 'input: "a" input_shape { dim: 1 dim: 2 } input: "b" input_shape { dim: 1 dim: 2 }' + (
    'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'
)


def net(text: str = TEXT, **options: Any) -> netc.Net:
    return netc.Net(netc.loads(text), **{"threads": 1, "seed": 3, **options})


def image(seed: int, size: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, 3, size, size)).astype(np.float32)


def code(error: pytest.ExceptionInfo[NetError]) -> str:
    return error.value.diagnostics[0].code.id


@pytest.mark.parametrize("executor", ["fast", "reference"])
def test_threads_get_their_own_answers(executor: str) -> None:
    single = net(executor=executor)
    sizes = [12, 9, 16]
    wanted = [single.forward(data=image(i, sizes[i % 3]))["fc"] for i in range(24)]
    with netc.Pool(single, 3) as pool, ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda i: pool.forward(data=image(i % 24, sizes[i % 3]))["fc"], range(240)))
        assert all(np.array_equal(answer, wanted[i % 24]) for i, answer in enumerate(answers))
    assert np.array_equal(single.forward(data=image(0))["fc"], wanted[0])


def test_replicas_share_the_weights_in_every_size() -> None:
    """By the arrays that there are, not by what they say of themselves."""
    single = net()
    single.forward(data=image(0))
    pool = netc.Pool(single, 4)
    for size in (12, 9, 16):
        with all_replicas(pool) as replicas:
            for each in replicas:
                each.forward(data=image(1, size))
            parameters = [blob.data for each in replicas for blob in each.parameters.all]
            assert len({array.ctypes.data for array in parameters}) == len(single.parameters.all)
            fast = [each.executor for each in replicas]
            assert all(isinstance(each, Fast) for each in fast)
            packed = {each._packed.memory.ctypes.data for each in fast if isinstance(each, Fast)}
            assert len(packed) == 1
            arenas = [each.arena for each in fast if isinstance(each, Fast)]
            assert len({array.ctypes.data for array in arenas}) == 4
    weights = sum(blob.data.nbytes for blob in single.parameters.all)
    assert weights < pool.memory.shared
    assert pool.memory.total == pool.memory.shared + pool.memory.own


@contextmanager
def all_replicas(pool: netc.Pool) -> Iterator[list[Any]]:
    with ExitStack() as stack:
        yield [stack.enter_context(pool.net()) for _ in range(pool.size)]


def test_memory_is_one_set_of_weights_and_a_set_of_blobs_each() -> None:
    single = net()
    shared, own = single.memory_held()
    for size in (1, 2, 8):
        held = netc.Pool(single, size).memory
        assert (held.shared, held.own) == (shared, size * own)


def test_new_weights_count_from_the_next_pass_on() -> None:
    single = net()
    pool = netc.Pool(single, 2)
    before = pool.forward(data=image(0))["fc"]
    for array in single.params["fc"]:
        array[...] = 2 * array
    with all_replicas(pool) as replicas:
        for each in replicas:
            np.testing.assert_allclose(each.forward(data=image(0))["fc"], 2 * before, rtol=1e-5)


def test_threads_are_served_in_the_order_in_which_they_came() -> None:
    pool, served = netc.Pool(net(), 1), list[int]()

    def ask(number: int) -> None:
        with pool.net():
            served.append(number)

    with pool.net():
        threads = []
        for number in range(8):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            wait_until(lambda wanted=number + 1: len(pool._queue) == wanted)
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def wait_until(holds: Any) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_thread_that_waits_too_long_is_told_so() -> None:
    pool = netc.Pool(net(), 1, timeout=0.01)
    with pool.net():
        with pytest.raises(NetError) as error:
            pool.forward(data=image(0))
        assert code(error) == "RUN031"
        with pytest.raises(NetError) as error, pool.net(timeout=0):
            pass
        assert code(error) == "RUN031"
    assert pool.forward(data=image(0))


def test_closing_refuses_those_that_wait_and_those_that_come() -> None:
    pool, errors = netc.Pool(net(), 1), list[str]()

    def ask() -> None:
        try:
            pool.forward(data=image(0))
        except NetError as error:
            errors.append(error.diagnostics[0].code.id)

    thread = threading.Thread(target=ask)
    with pool.net() as out:
        thread.start()
        wait_until(lambda: pool._queue)
        pool.close()
        thread.join()
        assert out.forward(data=image(0))  # who has one may finish
    with pytest.raises(NetError) as error:
        pool.forward(data=image(0))
    assert (errors, code(error)) == (["RUN030"], "RUN030")
    pool.close()


def test_what_a_thread_does_wrong_harms_nobody_else() -> None:
    pool = netc.Pool(net(), 1)
    wanted = pool.forward(data=image(0))["fc"]
    for bad in (np.zeros((1, 4, 12, 12)), np.zeros((1, 3, 2, 2))):
        with pytest.raises(NetError):
            pool.forward(data=bad)
    with pytest.raises(KeyError):
        fail_with_a_replica(pool)
    assert np.array_equal(pool.forward(data=image(0))["fc"], wanted)


def fail_with_a_replica(pool: netc.Pool) -> None:
    with pool.net() as out:
        out.set_input("data", image(1))
        raise KeyError("mine")


def test_all_inputs_are_given_at_once() -> None:
    pool = netc.Pool(net(TWO), 2)
    assert pool.forward(a=[[1, 2]], b=[[3, 4]])["sum"].tolist() == [[4, 6]]
    with pytest.raises(NetError) as error:
        pool.forward(a=[[1, 2]])
    assert code(error) == "RUN032"
    assert "b" in error.value.diagnostics[0].message


def test_up_to_a_layer() -> None:
    single = net()
    wanted = single.forward(end="conv", data=image(0))
    assert np.array_equal(netc.Pool(single, 2).forward(end="conv", data=image(0))["conv"], wanted["conv"])


@pytest.mark.parametrize("size", [0, -1])
def test_a_pool_has_a_replica(size: int) -> None:
    with pytest.raises(NetError) as error:
        netc.Pool(net(), size)
    assert code(error) == "RUN033"
