"""Winograd kernels against sums written out in float64."""

from dataclasses import replace

import numpy as np
import pytest

from netc.fast.convolution.weights import pack_bias
from netc.fast.machine.activation import IDENTITY, RELU, Activation
from netc.fast.machine.launch import NOTHING, Ref
from netc.fast.machine.layout import NO_BLOB, Halo, blocked, blocks, plain
from netc.fast.machine.moves import unpack
from netc.fast.winograd import cut, launches

from .harness import Bench
from .test_conv import blob, make, reference


def case(n, inputs, outputs, size, pad=(1, 1), groups=1, kernel=3, dilation=1):
    return n, make(inputs, outputs, size, (kernel, kernel), pad=pad, dilation=(dilation, dilation), groups=groups)


CASES = [
    case(1, 16, 16, (4, 4)),
    case(2, 19, 37, (6, 7)),
    case(9, 32, 5, (5, 3), pad=(0, 1)),
    case(3, 7, 48, (13, 9), pad=(2, 0)),
    case(1, 64, 32, (5, 6), groups=2),
    case(2, 16, 33, (3, 3), pad=(0, 0)),
    case(1, 16, 20, (1, 2), pad=(2, 1)),
    case(1, 16, 16, (5, 4), pad=(3, 4)),
    case(2, 20, 33, (7, 6), pad=(2, 2), kernel=5),
    case(3, 16, 7, (5, 8), pad=(0, 1), kernel=5),
    case(1, 32, 64, (9, 4), pad=(3, 5), groups=2, kernel=5),
    case(2, 20, 33, (7, 6), pad=(2, 2), kernel=4),
    case(3, 19, 16, (6, 9), pad=(0, 3), kernel=6),
    case(1, 32, 48, (11, 13), pad=(3, 3), kernel=7),
    case(2, 7, 37, (10, 9), pad=(1, 4), kernel=7),
    case(1, 16, 16, (1, 2), pad=(3, 3), kernel=7),
    case(2, 64, 32, (8, 5), pad=(3, 3), groups=2, kernel=7),
    case(1, 16, 16, (9, 12), pad=(4, 2), kernel=8),
    case(1, 16, 5, (10, 13), pad=(4, 6), kernel=9),
    case(1, 17, 16, (12, 11), pad=(5, 0), kernel=11),
    case(2, 20, 33, (11, 9), pad=(2, 2), dilation=2),
    case(1, 16, 16, (17, 8), pad=(1, 3), dilation=3),
    case(1, 16, 5, (4, 5), pad=(4, 4), dilation=4),
    case(2, 32, 64, (12, 15), pad=(0, 6), groups=2, kernel=5, dilation=2),
    case(1, 19, 16, (20, 19), pad=(5, 6), kernel=7, dilation=2),
]


def names(c):
    return (
        f"k{c[1].kernel[0]}d{c[1].dilation[0]}n{c[0]}x{c[1].inputs}-{c[1].outputs}@{c[1].size}p{c[1].pad}g{c[1].groups}"
    )


class Layer:
    """A layer's random values, and both its passes by Winograd (but a weight gradient only where there is one)."""

    def __init__(self, n, conv, threads=1):
        self.n, self.conv, self.threads = n, conv, threads
        rng = np.random.default_rng(1)
        self.bottom, self.top = (n, conv.inputs, *conv.size), (n, conv.outputs, *conv.out)
        self.x, self.dy = (rng.normal(size=s).astype(np.float32) for s in (self.bottom, self.top))
        weights = rng.normal(size=(conv.outputs, conv.inputs // conv.groups, *conv.kernel))
        self.w = (weights / np.sqrt(weights[0].size)).astype(np.float32)
        self.bias = rng.normal(size=conv.outputs).astype(np.float32)

    def wanted(self):
        y, dx, dw, *_ = reference(self.x, self.w, self.bias, self.dy, self.conv)
        return [y, dx, dw + 1] if cut.has_gradient(self.conv) else [y, dx]

    def found(self, bias=True, below=None, add=None, factor=None, repeat=False):
        """Top, bottom diff, weight diff (which starts at 1); the blobs that they were made in."""
        n, conv, bench, threads = self.n, self.conv, Bench(), self.threads
        x, launched = blob(bench, self.x, self.bottom, conv.halo)
        dy, more = blob(bench, self.dy, self.top, conv.gradient_halo)
        y, dx = (blocked(0, s, Halo(1, 0, 0, 2)) for s in (self.top, self.bottom))
        y, dx = (blocked(bench.new(b.n * b.image // 4), (b.n, b.c, b.h, b.w), b.halo) for b in (y, dx))
        other = replace(y, base=Ref(bench.new(y.n * y.image // 4, add or 0)))
        w = bench.region(bench.put(self.w))
        shift = bench.region(bench.new(conv.groups * blocks(conv.outputs // conv.groups) * 16))
        forward, backward = (bench.region(bench.new(launches.weight_bytes(conv) // 4)) for _ in range(2))
        scratch = bench.region(bench.new(launches.scratch_bytes(conv, threads) // 4))
        sizes = [launches.workspace_bytes(c, n, threads) for c in (conv, launches.turned(conv))]
        if cut.has_gradient(conv):
            sizes.append(launches.gradient_workspace_bytes(conv, n, threads))
        workspaces = [bench.region(bench.new(size // 4)) for size in sizes]
        shapes = self.top, self.bottom, *[self.w.shape for _ in sizes[2:]]
        outs = [bench.new(int(np.prod(s)), 1) for s in shapes]
        factors = NOTHING if factor is None else bench.region(bench.put(factor))
        launched += [*more, pack_bias(bench.region(bench.put(self.bias)), shift, conv)]
        launched += launches.transform_weights(w, forward, scratch, conv, factor=factors)
        launched += launches.transform_weights(w, backward, scratch, conv, backward=True)
        added = NO_BLOB if add is None else other
        slopes = bench.region(bench.put(np.full(shift.nbytes // 4, below or 0, np.float32)))
        activation = IDENTITY if below is None else Activation(slopes=slopes) if below else RELU
        launched += launches.forward(x, forward, shift if bias else NOTHING, y, conv, workspaces[0], activation, added)
        launched += launches.data_gradient(dy, backward, dx, conv, workspaces[1])
        launched += launches.data_gradient(dy, backward, dx, conv, workspaces[1], add=True) if repeat else []
        for dw in outs[2:]:
            launched += launches.weight_gradient(x, dy, bench.region(dw), conv, workspaces[2])
        launched += [unpack(y, plain(outs[0], self.top)), unpack(dx, plain(outs[1], self.bottom))]
        bench.run(launched, threads)
        return [bench.arrays[i].reshape(s) for i, s in zip(outs, shapes, strict=True)], bench, (y, dx)


def check(found, wanted):
    """Within 1e-4 of the largest value (a weight gradient sums many, so its values are large)."""
    scale = max(1, np.abs(wanted).max())
    np.testing.assert_allclose(found / scale, wanted / scale, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", CASES, ids=names)
def test_convolution_and_its_gradients(case):
    layer = Layer(*case, threads=2)
    assert cut.supported(layer.conv)
    found, bench, targets = layer.found()
    for a, b in zip(found, layer.wanted(), strict=True):
        check(a, b)
    for target in targets:
        full, halo = bench.full(target), target.halo
        inner = full[:, :, halo.top : halo.top + target.h, halo.left : halo.left + target.w]
        assert np.isnan(full).sum() == full.size - inner.size  # nothing is written to the halo
        assert not inner.transpose(0, 1, 4, 2, 3).reshape(target.n, -1, target.h, target.w)[:, target.c :].any()


@pytest.mark.parametrize("below", [None, 0, 0.25])
@pytest.mark.parametrize("add", [None, 0.75])
def test_the_epilogue(below, add):
    layer = Layer(*CASES[1])
    y = reference(layer.x, layer.w, layer.bias * 0, layer.dy, layer.conv)[0] + (add or 0)
    found = layer.found(bias=False, below=below, add=add)[0][0]
    check(found, y if below is None else np.where(y > 0, y, y * below))


def test_a_data_gradient_is_added_to_what_is_there():
    layer = Layer(*CASES[1])
    twice = layer.found(repeat=True)[0][1]
    check(twice, 2 * layer.wanted()[1])


def test_output_channels_are_multiplied_by_a_factor():
    layer = Layer(*CASES[1])
    factor = np.linspace(-1, 1, 48).astype(np.float32)
    y = reference(layer.x, layer.w * factor[:37, None, None, None], layer.bias, layer.dy, layer.conv)[0]
    check(layer.found(factor=factor)[0][0], y)


@pytest.fixture
def small_workspace(monkeypatch):
    monkeypatch.setattr(cut, "CHUNK_BYTES", (1 << 18, 1 << 18))
    monkeypatch.setattr(cut, "OWN_BYTES", 1 << 18)


MANY = [
    case(3, 16, 32, (19, 22)),
    case(3, 130, 48, (9, 13)),
    case(3, 16, 16, (13, 15), (2, 2), kernel=5),
    case(2, 20, 33, (19, 22), (3, 3), kernel=7),
    case(2, 16, 16, (39, 42), (2, 2), dilation=2),
    case(2, 130, 16, (19, 22), (3, 3), dilation=3),
]


@pytest.mark.usefixtures("small_workspace")
@pytest.mark.parametrize("case", MANY, ids=names)
def test_any_number_of_threads_gives_the_same_bits(case):
    n, conv = case
    plan = cut.cut(conv, n)
    assert plan.own == (conv.inputs == 16)
    assert plan.own or plan.chunk < cut.tiles(conv, n)
    assert cut.gradient_chunk(conv, n) < cut.tiles(conv, n)
    first, *rest = (Layer(n, conv, threads).found()[0] for threads in (1, 2, 3))
    for other in rest:
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(first, Layer(n, conv).wanted(), strict=True):
        check(a, b)


def test_what_is_not_supported():
    assert not cut.supported(make(16, 16, (8, 8), (3, 3), stride=(2, 2)))
    assert not cut.supported(make(16, 16, (8, 8), (3, 3), dilation=(2, 1)))
    assert not cut.supported(make(16, 16, (7, 9), (3, 3), pad=(2, 2), dilation=(4, 4)))
    assert not cut.has_gradient(make(16, 16, (8, 8), (3, 3), dilation=(2, 2)))
    assert not cut.supported(make(16, 16, (8, 8), (3, 5)))
    assert not cut.supported(make(16, 16, (8, 8), (2, 2)))
    assert not cut.supported(make(16, 16, (16, 16), (13, 13)))
    assert not cut.has_gradient(make(16, 16, (8, 8), (7, 7)))
    assert not cut.supported(make(16, 16, (8, 8), (3, 3), groups=2))


@pytest.mark.parametrize(
    ("n", "channels", "size", "each_step", "prepared"),
    [(8, 512, 7, True, True), (1, 512, 7, False, True), (4, 64, 56, True, True), (64, 256, 1, False, False)],
)
def test_deep_layers_on_few_pixels_stay_direct(n, channels, size, each_step, prepared):
    conv = make(channels, channels, (size, size), (3, 3), pad=(1, 1))
    assert cut.faster(conv, n) == each_step
    assert cut.faster(conv, n, prepared=True) == prepared
