"""Convolution kernels against sums written out in float64."""

import numpy as np
import pytest

from netc.fast.convolution import depthwise, gradients, lines
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.weights import (
    BACKWARD,
    FIRST,
    FORWARD,
    add_bias_gradient,
    add_weight_gradient,
    bias_bytes,
    pack_bias,
    pack_weights,
    packed_bytes,
)
from netc.fast.machine.activation import RELU, Activation
from netc.fast.machine.launch import NOTHING
from netc.fast.machine.layout import Halo, blocked, blocks, plain
from netc.fast.machine.moves import clear_halo, copy_padded, pack, unpack
from netc.kernels.windows import convolved

from .harness import Bench


def make(inputs, outputs, size, kernel, stride=(1, 1), pad=(0, 0), dilation=(1, 1), groups=1):
    per = zip(size, kernel, stride, pad, dilation, strict=True)
    return Conv.of(inputs, outputs, groups, tuple(convolved(*each) for each in per))


CASES = [
    (2, make(19, 37, (6, 7), (3, 3), pad=(1, 1))),
    (1, make(16, 16, (9, 8), (5, 3), pad=(2, 0))),
    (2, make(32, 70, (7, 7), (1, 1))),
    (1, make(20, 16, (9, 31), (3, 3), stride=(2, 2), pad=(1, 1))),
    (1, make(17, 5, (8, 9), (3, 2), stride=(3, 2), pad=(2, 1))),
    (2, make(16, 33, (7, 7), (1, 1), stride=(2, 2))),
    (1, make(64, 32, (5, 6), (3, 3), pad=(1, 1), groups=2)),
    (1, make(5, 6, (9, 9), (3, 3), pad=(2, 1), dilation=(2, 2))),
    (1, make(18, 9, (12, 11), (7, 7), stride=(4, 4), pad=(3, 3))),
    (1, make(3, 4, (4, 4), (2, 2), stride=(3, 3))),
    (1, Conv.of(4, 3, 1, tuple(convolved(n, 2, 1, 0, 1, "SAME") for n in (6, 5)))),
]


def reference(x, w, b, dy, conv):
    n, _, h, width = x.shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw_) = conv.kernel, conv.stride, conv.pad, conv.dilation
    oh, ow = conv.out
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (ph, ph + kh), (pw, pw + kw)))
    gi, go = conv.inputs // conv.groups, conv.outputs // conv.groups
    y = np.zeros((n, conv.outputs, oh, ow))
    dx, dw = np.zeros_like(padded), np.zeros(w.shape)
    for g in range(conv.groups):
        i, o = slice(g * gi, g * gi + gi), slice(g * go, g * go + go)
        for ky in range(kh):
            for kx in range(kw):
                ys = slice(ky * dh, ky * dh + (oh - 1) * sh + 1, sh)
                xs = slice(kx * dw_, kx * dw_ + (ow - 1) * sw + 1, sw)
                y[:, o] += np.einsum("nihw,oi->nohw", padded[:, i, ys, xs], w[o, :, ky, kx])
                dx[:, i, ys, xs] += np.einsum("nohw,oi->nihw", dy[:, o], w[o, :, ky, kx])
                dw[o, :, ky, kx] = np.einsum("nohw,nihw->oi", dy[:, o], padded[:, i, ys, xs])
    return y + b[None, :, None, None], dx[:, :, ph : ph + h, pw : pw + width], dw, dy.sum((0, 2, 3))


def blob(bench, values, shape, halo):
    source = plain(bench.put(values), shape)
    target = blocked(bench.new(0), shape, halo)
    bench.arrays[target.base.array] = bench.arrays[bench.new(target.image * shape[0] // 4)]
    return target, [*clear_halo(target), pack(source, target)]


def below(bench, conv):
    """An activation with a slope for each channel, and the slopes for numpy."""
    slopes = np.linspace(-0.5, 1.5, conv.outputs).astype(np.float32)
    each = conv.outputs // conv.groups
    packed = np.zeros((conv.groups, blocks(each) * 16), np.float32)
    packed[:, :each] = slopes.reshape(conv.groups, each)
    return Activation(slopes=bench.region(bench.put(packed))), slopes[:, None, None]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[1].inputs}-{c[1].outputs}k{c[1].kernel}s{c[1].stride}")
def test_convolution_and_its_gradients(case, threads):
    n, conv = case
    c, (h, w) = conv.inputs, conv.size
    rng = np.random.default_rng(1)
    top = (n, conv.outputs, *conv.out)
    x, dy = (rng.normal(size=s).astype(np.float32) for s in ((n, c, h, w), top))
    weights = rng.normal(size=(conv.outputs, c // conv.groups, *conv.kernel)).astype(np.float32)
    bias = rng.normal(size=conv.outputs).astype(np.float32)
    y_, dx_, dw_, db_ = reference(x, weights, bias, dy, conv)
    bench = Bench()
    xb, launches = blob(bench, x, x.shape, conv.halo)
    dyb, more = blob(bench, dy, top, conv.gradient_halo)
    yb = blocked(bench.new(n * blocks(conv.outputs) * 16 * top[2] * top[3]), top, Halo())
    dxb = blocked(bench.new(n * blocks(c) * 16 * h * w), x.shape, Halo())
    plain_w, plain_b = bench.region(bench.put(weights)), bench.region(bench.put(bias))
    forward, backward, dw = (bench.region(bench.new(packed_bytes(conv, FORWARD) // 4)) for _ in range(3))
    packed_b, db = (bench.region(bench.new(bias_bytes(conv) // 4)) for _ in range(2))
    outs = [bench.new(a.size, 0) for a in (y_, dx_, dw_, db_)]
    activation, slopes = (RELU, 0) if threads == 1 else below(bench, conv)
    launches += [*more, pack_weights(plain_w, forward, conv), pack_weights(plain_w, backward, conv, BACKWARD)]
    launches += [pack_bias(plain_b, packed_b, conv), *lines.forward(xb, forward, packed_b, yb, conv, activation)]
    launches += lines.data_gradient(dyb, backward, NOTHING, dxb, conv)
    launches += [*gradients.weight_gradient(xb, dyb, dw, conv), gradients.bias_gradient(dyb, db)]
    launches += [unpack(yb, plain(outs[0], top)), unpack(dxb, plain(outs[1], x.shape))]
    launches += [
        add_weight_gradient(dw, bench.region(outs[2]), conv),
        add_bias_gradient(db, bench.region(outs[3]), conv),
    ]
    bench.run(launches, threads)
    for index, wanted in zip(outs, (np.where(y_ > 0, y_, y_ * slopes), dx_, dw_, db_), strict=True):
        np.testing.assert_allclose(bench.arrays[index].reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
    for padded in (yb, dxb):
        assert not np.isnan(bench.full(padded)).any()


@pytest.mark.parametrize(
    "conv", [make(3, 20, (13, 15), (7, 5), (2, 3), (3, 2)), make(1, 35, (13, 15), (3, 3), pad=(1, 1))]
)
def test_the_first_layer_reads_a_plain_array(conv):
    n, (h, w) = 2, conv.size
    rng = np.random.default_rng(2)
    top = (n, conv.outputs, *conv.out)
    x, dy = (rng.normal(size=s).astype(np.float32) for s in ((n, conv.inputs, h, w), top))
    weights = rng.normal(size=(conv.outputs, conv.inputs, *conv.kernel)).astype(np.float32)
    y_, _, dw_, _ = reference(x, weights, np.zeros(conv.outputs), dy, conv)
    bench = Bench()
    source = plain(bench.put(x), x.shape)
    padded = plain(bench.new(0), x.shape, conv.halo)
    bench.arrays[padded.base.array] = bench.arrays[bench.new(n * padded.image // 4)]
    dyb, launches = blob(bench, dy, top, Halo(1, 0, 0, 1))
    yb = blocked(bench.new(n * blocks(conv.outputs) * 16 * top[2] * top[3]), top, Halo())
    packed, dw = (bench.region(bench.new(packed_bytes(conv, FIRST) // 4)) for _ in range(2))
    outs = [bench.new(a.size, 0) for a in (y_, dw_)]
    given = bench.region(bench.put(weights))
    launches += [*copy_padded(source, padded), pack_weights(given, packed, conv, FIRST)]
    activation, slopes = below(bench, conv)
    launches += lines.forward_first(padded, packed, NOTHING, yb, conv, activation)
    launches += gradients.weight_gradient_first(padded, dyb, dw, conv)
    launches += [unpack(yb, plain(outs[0], top)), add_weight_gradient(dw, bench.region(outs[1]), conv, FIRST)]
    bench.run(launches, 2)
    for index, wanted in zip(outs, (np.where(y_ > 0, y_, y_ * slopes), dw_), strict=True):
        np.testing.assert_allclose(bench.arrays[index].reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)


DEPTHWISE = [
    make(20, 20, (9, 21), (3, 3), pad=(1, 1), groups=20),
    make(35, 35, (7, 8), (3, 2), stride=(2, 2), pad=(1, 0), groups=35),
    make(16, 16, (6, 6), (5, 5), pad=(4, 2), dilation=(2, 1), groups=16),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("conv", DEPTHWISE)
def test_depthwise_convolution(conv, threads):
    assert depthwise.supported(conv)
    n, c, (h, w) = 2, conv.inputs, conv.size
    rng = np.random.default_rng(3)
    top = (n, c, *conv.out)
    x, dy = (rng.normal(size=s).astype(np.float32) for s in ((n, c, h, w), top))
    weights, bias = rng.normal(size=(c, 1, *conv.kernel)).astype(np.float32), rng.normal(size=c).astype(np.float32)
    y_, dx_, dw_, _ = reference(x, weights, bias, dy, conv)
    bench = Bench()
    xb, launches = blob(bench, x, x.shape, conv.halo)
    dyb, more = blob(bench, dy, top, conv.gradient_halo)
    yb = blocked(bench.new(n * blocks(c) * 16 * top[2] * top[3]), top, Halo())
    dxb = blocked(bench.new(n * blocks(c) * 16 * h * w), x.shape, Halo())
    laid = depthwise.packing(conv)
    packed, dw = (bench.region(bench.new(packed_bytes(laid, FIRST) // 4)) for _ in range(2))
    packed_b = bench.region(bench.new(bias_bytes(laid) // 4))
    outs = [bench.new(a.size, 0) for a in (y_, dx_, dw_)]
    launches += [*more, pack_weights(bench.region(bench.put(weights)), packed, laid, FIRST)]
    launches += [pack_bias(bench.region(bench.put(bias)), packed_b, laid)]
    activation, slopes = (RELU, 0) if threads == 1 else below(bench, laid)
    launches += [depthwise.forward(xb, packed, packed_b, yb, conv, activation)]
    launches += depthwise.data_gradient(dyb, packed, NOTHING, dxb, conv)
    launches += [
        depthwise.weight_gradient(xb, dyb, dw, conv),
        add_weight_gradient(dw, bench.region(outs[2]), laid, FIRST),
    ]
    launches += [unpack(yb, plain(outs[0], top)), unpack(dxb, plain(outs[1], x.shape))]
    bench.run(launches, threads)
    for index, wanted in zip(outs, (np.where(y_ > 0, y_, y_ * slopes), dx_, dw_), strict=True):
        np.testing.assert_allclose(bench.arrays[index].reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
