"""Layers whose output size depends on values, in the middle of a net on the fast executor: what goes before them is
launches, what follows sees arrays of the true size, and the numbers are those of the reference executor.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netc.errors import NetError
from netc.fast.program.lower import lower
from netc.fast.program.verify import verify
from netc.layer import RefusalError
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import fill, make, planned

# A Filter in the middle: what follows has parameters, a window, another name for its values, and a loss.
SIFTED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 6 dim: 3 dim: 8 dim: 8 } } }
layer { name: "keep" type: "Input" top: "keep" input_param { shape { dim: 6 } } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "ar" type: "ReLU" bottom: "a" top: "a" }
layer { name: "few" type: "Filter" bottom: "a" bottom: "x" bottom: "keep" top: "few" top: "few_x" }
layer { name: "b" type: "Convolution" bottom: "few" top: "b" convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "br" type: "ReLU" bottom: "b" top: "b" }
layer { name: "f" type: "Flatten" bottom: "b" top: "f" }
layer { name: "i" type: "InnerProduct" bottom: "f" top: "i" inner_product_param { num_output: 4 } }
layer { name: "p" type: "Softmax" bottom: "i" top: "p" }
layer { name: "all" type: "InnerProduct" bottom: "a" top: "all" inner_product_param { num_output: 3 } }
layer { name: "sum" type: "Reduction" bottom: "i" top: "sum" loss_weight: 0.5 reduction_param { operation: SUMSQ } }
layer { name: "sum2" type: "Reduction" bottom: "all" top: "sum2" loss_weight: 0.1 }
"""
CHOICES = ((1, 0, 1, 1, 0, 0), (0, 0, 0, 0, 1, 0), (1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 0), (0, 1, 0, 1, 1, 1))


def two(training: bool = True, keep: bool = False, text: str = SIFTED) -> tuple[Net, Net]:
    """The same net on both executors, with the same numbers in it."""
    nets = tuple(make(text, training=training, keep=keep, executor=e, threads=2) for e in ("fast", "reference"))
    for net in nets:
        fill(net, 1)
    return nets[0], nets[1]


def compare(net: Net, other: Net) -> None:
    found, wanted = net.forward(), other.forward()
    assert {n: a.shape for n, a in found.items()} == {n: a.shape for n, a in wanted.items()}
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-4, err_msg=name)
    assert net.loss == pytest.approx(other.loss, rel=1e-4)
    if net.plan.backward_planned:
        net.backward()
        other.backward()
        for mine, theirs in zip(net.learned, other.learned, strict=True):
            assert mine.diff is not None
            assert theirs.diff is not None
            np.testing.assert_allclose(mine.diff, theirs.diff, rtol=1e-3, atol=1e-3, err_msg=mine.param.name)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_numbers_are_those_of_the_reference_executor_however_many_items_there_are(training: bool, keep: bool) -> None:
    net, other = two(training, keep)
    assert isinstance(net.executor, Fast)
    assert any(item.launch for item in net.executor.program.forward if item.layer == 2)  # the convolution before it
    for choice in CHOICES:
        for one in (net, other):
            one.set_input("keep", choice)
        compare(net, other)
        if keep:
            assert net.blobs["few_x"].shape == (sum(choice), 3, 8, 8)
            np.testing.assert_array_equal(net.blobs["few_x"], other.blobs["few_x"])
            np.testing.assert_allclose(net.blobs["b"], other.blobs["b"], rtol=1e-4, atol=1e-4)
            if training:
                assert net.diffs["few"].shape == net.blobs["few"].shape
                np.testing.assert_allclose(net.diffs["few"], other.diffs["few"], rtol=1e-4, atol=1e-4)


def test_a_part_of_a_pass_in_the_middle_of_what_follows() -> None:
    net, other = two(training=False, keep=True)
    for one in (net, other):
        one.set_input("keep", CHOICES[0])
        one.forward()
        one.blobs["b"][...] *= 2
        one.forward(start="f", end="i")
    np.testing.assert_allclose(net.blobs["i"], other.blobs["i"], rtol=1e-4, atol=1e-4)
    assert len(net.blobs["i"]) == 3


def test_replicas_have_sizes_of_their_own() -> None:
    net, other = two(training=False)
    twin, third = net.replica(), other.replica()
    for one, choice in ((net, 0), (other, 0), (twin, 1), (third, 1)):
        one.set_input("keep", CHOICES[choice])
    for _ in range(2):
        compare(net, other)
        compare(twin, third)


def test_a_size_that_a_later_layer_cannot_have_is_refused_each_time_and_nothing_else_is_lost() -> None:
    text = SIFTED + 'layer { name: "r" type: "Reshape" bottom: "i" top: "r" reshape_param { shape { dim: 4 dim: 6 } } }'
    for net in two(training=False, text=text):
        for choice in (2, 0, 0, 2, 1, 2):
            net.set_input("keep", CHOICES[choice])
            if choice == 2:
                assert net.forward()["r"].shape == (4, 6)
            else:
                with pytest.raises(RefusalError):
                    net.forward()


def test_a_launch_that_uses_what_is_sized_late_is_refused() -> None:
    program = lower(planned(SIFTED, keep=True), threads=2)
    verify(program)
    place = program.homes[next(iter(s for s in program.bounded & program.homes.keys()))].plain
    assert place is not None
    at, item = next((i, x) for i, x in enumerate(program.forward) if x.launch is not None)
    assert item.launch is not None
    wrong = item.launch.shift(lambda ref: replace(ref, array=place.base.array))
    items = (*program.forward[:at], replace(item, launch=wrong), *program.forward[at + 1 :])
    with pytest.raises(NetError, match="RUN029"):
        verify(replace(program, forward=items))
