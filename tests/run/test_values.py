"""Whoever writes into parameters is noticed, by whatever he writes; nobody else costs a look at them."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.layer import Array
from netc.run import Net, load_weights, weights_of
from netc.run.fast import Fast
from netc.run.packed import Checksum
from netc.solve import Solver
from tests.run.common import fill, make, solver_record

TEXT = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 16 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 32 kernel_size: 3 pad: 1 } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
layer { name: "s" type: "Scale" bottom: "n" top: "s" scale_param { bias_term: true } }
layer { name: "d" type: "Convolution" bottom: "s" top: "d" convolution_param { num_output: 4 kernel_size: 1 } }
"""


class Counter:
    """Counts the checksums that are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = Checksum.__call__

        def counted(one: Checksum, array: Array) -> int:
            self.count += 1
            return original(one, array)

        monkeypatch.setattr(Checksum, "__call__", counted)

    def during(self, call: Callable[[], object]) -> int:
        before = self.count
        call()
        return self.count - before


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def net_of(text: str = TEXT, **options: Any) -> Net:
    net = make(text, "TEST", executor="fast", threads=2, **options)
    fill(net, 1)
    return net


def agrees(net: Net) -> bool:
    """Whether a pass gives what the parameters of now give."""
    other = make(TEXT, "TEST")
    for mine, theirs in zip(net.parameters.all, other.parameters.all, strict=True):
        theirs.data[...] = mine.array
    other.set_input("x", net.inputs["x"])
    return bool(np.allclose(net.forward()["d"], other.forward()["d"], rtol=1e-3, atol=1e-3))


def write_bytes(view: Any) -> None:
    view[:4] = np.float32(50).tobytes()


def in_place(array: Array) -> None:
    array += 1


WRITES: dict[str, Callable[[Array], object]] = {
    "item": lambda a: a.__setitem__((0, 0, 0, 0), 50),
    "all": lambda a: a.__setitem__(..., 0.5),
    "in place": in_place,
    "out=": lambda a: np.multiply(a, 3, out=a),
    "copyto": lambda a: np.copyto(a, 0.3),
    "a view of a view": lambda a: a[1:][:, ::2].__setitem__(..., 2),
    "transposed": lambda a: a.T.__setitem__(0, 2),
    "flat": lambda a: a.flat.__setitem__(slice(3, 9), 7),
    "ravel": lambda a: a.ravel().__setitem__(5, 70),
    "reshape": lambda a: a.reshape(-1).__setitem__(5, 70),
    "asarray": lambda a: np.asarray(a).__setitem__(0, 4),
    "a subclass": lambda a: a.view(np.recarray).__setitem__(0, 4),
    "other dtype": lambda a: a.view(np.int32).__setitem__(0, 0x42000000),
    "sort": lambda a: a.sort(),
    "fill": lambda a: a.fill(0.1),
    "put": lambda a: np.put(a, [0, 1], 9),
    "memoryview": lambda a: write_bytes(memoryview(a).cast("B")),
    "frombuffer": lambda a: np.frombuffer(a, np.float32).__setitem__(0, 9),
    "ctypes": lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)).__setitem__(0, 90.0),
    "as_ctypes": lambda a: np.ctypeslib.as_ctypes(a.reshape(-1)).__setitem__(0, 90.0),
    "from_buffer": lambda a: (ctypes.c_float * a.size).from_buffer(a).__setitem__(0, 90.0),
    "DLPack": lambda a: np.from_dlpack(a, copy=False).__setitem__(0, 9),
    "as_strided": lambda a: np.lib.stride_tricks.as_strided(a, (2,), (4,)).__setitem__(0, 90),
    "nditer": lambda a: [x.__setitem__(..., 0.25) for x in np.nditer(a, op_flags=[["readwrite"]])],
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_counts_from_the_next_pass_on(name: str) -> None:
    net = net_of()
    net.forward()
    before = net.forward()["d"]
    WRITES[name](net.params["c"][0])
    assert agrees(net)
    assert not np.array_equal(net.forward()["d"], before)


KEPT: dict[str, Callable[[Array], Any]] = {
    "array": lambda a: a,
    "view": lambda a: a[0, 0, 0],
    "flat": lambda a: a.flat,
    "memoryview": lambda a: memoryview(a).cast("B").cast("f"),
    "ctypes": lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
    "buffer": lambda a: (ctypes.c_float * a.size).from_buffer(a),
    "DLPack": lambda a: np.from_dlpack(a.reshape(-1), copy=False),
    "frombuffer": lambda a: np.frombuffer(a, np.float32),
    "method": lambda a: Setter(a.reshape(-1).__setitem__),
}


class Setter:
    def __init__(self, method: Callable[[int, float], None]) -> None:
        self.method = method

    def __setitem__(self, place: int, value: float) -> None:
        self.method(place, value)


@pytest.mark.parametrize("name", KEPT)
def test_what_was_kept_may_be_written_at_any_time(name: str, counter: Counter) -> None:
    net = net_of()
    net.forward()
    kept = KEPT[name](net.params["c"][0])
    for value in (5.0, 9.0, -40.0):
        net.forward()
        kept[0] = value
        assert agrees(net)
    kept[1] = 30.0
    del kept
    assert agrees(net)
    gc.collect()
    net.forward()
    assert counter.during(net.forward) == 0


def test_nobody_looks_at_what_nobody_holds(counter: Counter) -> None:
    net = net_of()
    assert counter.during(net.forward) > 0  # it was filled
    assert counter.during(net.forward) == 0
    held = net.params["c"][1]
    assert counter.during(net.forward) == 2  # the weights, too, were lent for a moment
    assert counter.during(net.forward) == 1
    del held
    assert counter.during(net.forward) == 1
    assert counter.during(net.forward) == 0


def test_reading_costs_a_look_and_no_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of()
    assert isinstance(net.executor, Fast)
    packed = net.executor._packed
    for expected in (True, False, False):
        before = packed.made_of
        _ = net.params["c"][0].mean()
        net.forward()
        assert (packed.made_of is not before) == expected or packed.made_of == before


def test_an_address_kept_as_a_number_needs_a_word() -> None:
    net = net_of()
    net.forward()
    address = net.params["c"][0].ctypes.data
    net.forward()
    before = net.forward()["d"]
    ctypes.c_float.from_address(address).value = 80.0
    np.testing.assert_array_equal(net.forward()["d"], before)
    net.touch()
    assert agrees(net)


def test_nets_that_share_parameters_notice_each_others_writes() -> None:
    net = net_of()
    twin, other = net.replica(), make(TEXT, "TEST", executor="fast", params=net)
    other.set_input("x", net.inputs["x"])
    for one, writer in ((net, twin), (twin, other), (other, net)):
        one.forward()
        writer.params["d"][0][...] *= 2
        assert agrees(one)


def test_loaded_weights_count() -> None:
    net, other = net_of(), net_of()
    other.params["c"][0][...] += 1
    weights = weights_of(other)
    net.forward()
    load_weights(net, weights)
    assert agrees(net)
    weights.layers[1].blobs[0][...] = 7  # those are the other net's own
    assert agrees(other)


LEARNING = (
    TEXT
    + """
layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "d" bottom: "t" top: "loss" }
"""
)
SOLVERS = {
    "after backward": ("base_lr: 0.01 lr_policy: 'fixed'", True),
    "in backward": ("base_lr: 0.01 lr_policy: 'fixed' momentum: 0.9", False),
    "Adam": ("base_lr: 0.01 lr_policy: 'fixed' type: 'Adam'", True),
}


@pytest.mark.parametrize("executor", ["fast", "reference"])
@pytest.mark.parametrize("name", SOLVERS)
def test_a_test_net_follows_its_solver(name: str, executor: str) -> None:
    """Learned blobs by updates, statistics by forward passes."""
    text, keep = SOLVERS[name]
    net = make(LEARNING, "TRAIN", executor=executor)
    fill(net, 2)
    solver = Solver(solver_record(text), net, keep_gradients=keep)
    test = make(TEXT, "TEST", executor="fast", params=net)
    test.set_input("x", net.inputs["x"])
    for _ in range(3):
        solver.step(1)
        assert agrees(test)
        net.forward()
        assert agrees(test)
