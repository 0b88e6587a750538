"""Kernels of bfloat16 numbers, by each way that this processor has, against sums of rounded numbers in float64."""

from dataclasses import replace

import numpy as np
import pytest

from netc.fast.convolution import bf16, bf16_gradients
from netc.fast.convolution.weights import (
    BACKWARD,
    FORWARD,
    add_weight_gradient,
    bias_bytes,
    pack_bias,
    pack_pairs,
    packed_bytes,
    pair_bytes,
)
from netc.fast.machine.activation import RELU
from netc.fast.machine.bf16 import BLOCK, WAYS, copy_bytes, copy_of, halved
from netc.fast.machine.launch import NOTHING, Ref
from netc.fast.machine.layout import NO_BLOB, Halo, blocked, blocks, plain
from netc.fast.machine.moves import clear_halo, unpack

from .harness import BF16_WAYS, Bench
from .test_conv import below, blob, make, reference

NONE = Halo()
CASES = [
    (2, make(32, 37, (6, 7), (3, 3), pad=(1, 1))),
    (1, make(16, 16, (9, 8), (5, 3), pad=(2, 0))),
    (3, make(40, 70, (7, 7), (1, 1))),
    (1, make(20, 16, (9, 31), (3, 3), stride=(2, 2), pad=(1, 1))),
    (2, make(64, 33, (7, 7), (1, 1), stride=(2, 2))),
    (1, make(64, 64, (5, 6), (3, 3), pad=(1, 1), groups=2)),
    (1, make(35, 48, (9, 9), (3, 3), pad=(2, 1), dilation=(2, 2))),
    (2, make(96, 32, (1, 40), (1, 3), pad=(0, 1))),
    (1, make(32, 16, (4, 3), (1, 1), pad=(1, 2))),
]


def rounded(values):
    """float32s with the lower half of their bits rounded away, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def copy_in(bench, source, halo=NONE, step=(1, 1)):
    """Where the copy of a blob goes."""
    copy = copy_of(source, 0, bf16.copy_halo(halo), step)
    return replace(copy, base=Ref(bench.new(copy_bytes(copy) // 4)))


def pixels(bench, copy):
    """A copy as numbers: N x blocks x rows x columns x 32."""
    words = bench.full(copy).copy().view(np.uint16).astype(np.uint32) << 16
    return words.view(np.float32)


@pytest.mark.parametrize("way", BF16_WAYS)
def test_numbers_are_rounded_to_the_nearest_with_ties_to_even(way):
    values = np.random.default_rng(0).normal(size=(2, 40, 3, 5)).astype(np.float32)
    odd = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0xFF800000, 0x80000000, 0x7FFFFFFF], np.uint32)
    values[0, :7, 0, 0] = odd.view(np.float32)
    bench = Bench()
    source, launches = blob(bench, values, values.shape, Halo(0, 1, 1, 0))
    copy = copy_in(bench, source, Halo(1, 1, 1, 1))
    bench.run([*launches, *clear_halo(copy), halved(WAYS[way], source, copy)], 2)
    found = pixels(bench, copy)
    inner = found[:, :, 1:4, 1:6].transpose(0, 1, 4, 2, 3).reshape(2, 64, 3, 5)
    assert np.isnan(inner[0, 6, 0, 0])
    np.testing.assert_array_equal(np.delete(inner[:, :40], 6, 1), rounded(np.delete(values, 6, 1)))
    assert not inner[:, 40:].any()
    for zeros in (found[:, :, 0], found[:, :, 4:], found[:, :, :, 0]):
        assert not zeros.any()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("way", BF16_WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[1].inputs}-{c[1].outputs}k{c[1].kernel}s{c[1].stride}")
def test_convolution_and_its_gradients(case, way, threads):
    n, conv = case
    kind, (seen, step) = WAYS[way], bf16.thinned(conv)
    c, (h, w) = conv.inputs, conv.size
    rng = np.random.default_rng(1)
    top = (n, conv.outputs, *conv.out)
    x, dy = (rng.normal(size=s).astype(np.float32) for s in ((n, c, h, w), top))
    weights = rng.normal(size=(conv.outputs, c // conv.groups, *conv.kernel)).astype(np.float32)
    bias = rng.normal(size=conv.outputs).astype(np.float32)
    y_, dx_, dw_, _ = reference(rounded(x), rounded(weights), bias, rounded(dy), conv)
    bench = Bench()
    xb, launches = blob(bench, x, x.shape, Halo(0, 1, 0, 0))
    dyb, more = blob(bench, dy, top, Halo(1, 0, 0, 2))
    yb = blocked(bench.new(n * blocks(conv.outputs) * 16 * top[2] * top[3]), top, Halo())
    dxb = blocked(bench.new(n * blocks(c) * 16 * h * w), x.shape, Halo())
    xc, dyc = copy_in(bench, xb, seen.halo, step), copy_in(bench, dyb, conv.gradient_halo)
    yc = copy_in(bench, yb, Halo(1, 1, 1, 1)) if bf16.supports_copy(conv) else NO_BLOB
    plain_w, plain_b, packed_b = (
        bench.region(i) for i in (bench.put(weights), bench.put(bias), bench.new(bias_bytes(conv) // 4))
    )
    forward, backward = (bench.region(bench.new(pair_bytes(conv, order) // 4)) for order in (FORWARD, BACKWARD))
    scratch = bench.region(bench.new(threads * conv.cells * BLOCK // 4))
    outs = [bench.new(a.size, 0) for a in (y_, dx_, dw_)]
    activation, slopes = (RELU, 0) if threads == 1 else below(bench, conv)
    launches += [*more, *clear_halo(xc), halved(kind, xb, xc, step), *clear_halo(dyc), halved(kind, dyb, dyc)]
    launches += [
        pack_bias(plain_b, packed_b, conv),
        pack_pairs(kind, plain_w, forward, scratch, conv),
        pack_pairs(kind, plain_w, backward, scratch, conv, BACKWARD),
        *bf16.forward(kind, xc, forward, packed_b, yb, yc, seen, activation),
        *bf16.data_gradient(kind, dyc, backward, dxb, conv),
        unpack(yb, plain(outs[0], top)),
        unpack(dxb, plain(outs[1], x.shape)),
    ]
    if bf16_gradients.supported(conv):
        turned, pairs, dw = (
            bench.region(bench.new(size // 4))
            for size in (
                bf16_gradients.turned_bytes(n, conv), bf16_gradients.pairs_bytes(n, conv),
                packed_bytes(conv, FORWARD),
            )
        )  # fmt: skip
        launches += bf16_gradients.weight_gradient(kind, xb, dyb, turned, pairs, dw, conv)
        launches.append(add_weight_gradient(dw, bench.region(outs[2]), conv))
    else:
        outs.pop()
    bench.run(launches, threads)
    wanted = np.where(y_ > 0, y_, y_ * slopes)
    for index, array in zip(outs, (wanted, dx_, dw_), strict=False):
        np.testing.assert_allclose(bench.arrays[index].reshape(array.shape), array, rtol=1e-4, atol=1e-4)
    for padded in (yb, dxb):
        assert not np.isnan(bench.full(padded)).any()
    if yc.inner:
        found = pixels(bench, yc)[:, :, 1 : 1 + top[2], 1:].transpose(0, 1, 4, 2, 3).reshape(n, -1, *conv.out)
        made = bench.arrays[outs[0]].reshape(wanted.shape)
        np.testing.assert_array_equal(found[:, : conv.outputs], rounded(made))
        assert not found[:, conv.outputs :].any()


@pytest.mark.parametrize(
    ("conv", "forward", "weights"),
    [
        (make(16, 5, (9, 9), (3, 3)), True, True),
        (make(15, 32, (9, 9), (3, 3)), False, True),
        (make(64, 32, (9, 9), (3, 3), groups=2), True, True),
        (make(96, 32, (9, 9), (3, 3), groups=2), False, True),
        (make(64, 34, (9, 9), (3, 3), groups=2), False, True),
        (make(32, 32, (19, 19), (3, 3), stride=(4, 4)), True, False),
        (make(32, 32, (19, 19), (3, 3), stride=(5, 5)), False, False),
        (make(32, 32, (19, 19), (1, 1), stride=(5, 5)), True, True),
    ],
)
def test_what_is_rounded(conv, forward, weights):
    assert (bf16.supported(conv), bf16_gradients.supported(conv)) == (forward, weights)


@pytest.mark.parametrize("way", BF16_WAYS)
def test_a_sum_is_added_to_what_is_there(way):
    conv = make(32, 32, (5, 5), (1, 1))
    kind, rng = WAYS[way], np.random.default_rng(3)
    x, other = (rng.normal(size=(2, 32, 5, 5)).astype(np.float32) for _ in range(2))
    weights = rng.normal(size=(32, 32, 1, 1)).astype(np.float32)
    wanted, *_ = reference(rounded(x), rounded(weights), np.zeros(32), x, conv)
    bench = Bench()
    (xb, launches), (yb, more) = (blob(bench, a, a.shape, Halo()) for a in (x, other))
    xc, out = copy_in(bench, xb), bench.new(x.size)
    packed, scratch = (bench.region(bench.new(size // 4)) for size in (pair_bytes(conv), BLOCK))
    launches += [*more, halved(kind, xb, xc)]
    launches.append(pack_pairs(kind, bench.region(bench.put(weights)), packed, scratch, conv))
    launches += bf16.forward(kind, xc, packed, NOTHING, yb, NO_BLOB, conv, add=yb)
    bench.run([*launches, unpack(yb, plain(out, x.shape))])
    np.testing.assert_allclose(bench.arrays[out].reshape(x.shape), wanted + other, rtol=1e-4, atol=1e-4)
