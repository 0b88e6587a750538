"""Layers with windows against loops over every output cell, written out from Caffe's rules, option by option."""

from __future__ import annotations

from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
import pytest

from netc.layer import Example, Input, Phase
from tests.layers.harness import Array, Bench, Run, known

FILL = 'weight_filler { type: "gaussian" } bias_filler { type: "gaussian" }'
LOWEST = -3.4028234663852886e38


def ran(name: str, fields: str, *shapes: tuple[int, ...], tops: int = 1, phase: Phase = "TRAIN") -> tuple[Bench, Run]:
    """A layer after forward and backward, with random values and top diffs."""
    example = Example(fields, tuple(Input(shape) for shape in shapes), tops, phase)
    bench = Bench.of(known().types[name], example)
    return bench, bench.backward(bench.forward().call)


# ---------------------------------------------------------------- convolution

Each = tuple[int, ...]


def windows(size: Each, out: Each, kernel: Each, stride: Each, pad: Each, dilation: Each) -> list[tuple[Each, ...]]:
    """(output position, kernel position, input position) of every pair of cells that meet inside of the input."""
    met = []
    for q in product(*map(range, out)):
        for k in product(*map(range, kernel)):
            at = tuple(a * s - p + b * d for a, s, p, b, d in zip(q, stride, pad, k, dilation, strict=True))
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                met.append((q, k, at))
    return met


def convolved(x: Any, w: Any, b: Array | None, group: int, stride: Each, pad: Each, dilation: Each) -> Array:
    """x (N, C, ...), w (O, C / group, ...)."""
    size, kernel = x.shape[2:], w.shape[2:]
    each = zip(size, kernel, stride, pad, dilation, strict=True)
    out = tuple(int((n + 2 * p - (d * (k - 1) + 1)) / s) + 1 for n, k, s, p, d in each)  # as C divides integers
    y: Any = np.zeros((x.shape[0], w.shape[0], *out)) + (0 if b is None else b.reshape(1, -1, *(1,) * len(out)))
    per, inner = w.shape[0] // group, w.shape[1]
    for q, k, at in windows(size, out, kernel, stride, pad, dilation):
        for o in range(w.shape[0]):
            g = o // per
            y[(slice(None), o, *q)] += (
                x[(slice(None), slice(g * inner, (g + 1) * inner), *at)] @ w[(o, slice(None), *k)]
            )
    return y


def deconvolved(x: Any, w: Any, b: Array | None, group: int, stride: Each, pad: Each, dilation: Each) -> Array:
    """x (N, C, ...), w (C, O / group, ...)."""
    kernel, outputs = w.shape[2:], w.shape[1] * group
    each = zip(x.shape[2:], kernel, stride, pad, dilation, strict=True)
    size = tuple(s * (n - 1) + d * (k - 1) + 1 - 2 * p for n, k, s, p, d in each)
    y: Any = np.zeros((x.shape[0], outputs, *size)) + (0 if b is None else b.reshape(1, -1, *(1,) * len(size)))
    per = w.shape[0] // group
    for q, k, at in windows(size, x.shape[2:], kernel, stride, pad, dilation):
        for c in range(w.shape[0]):
            g = c // per
            part = x[(slice(None), c, *q)][:, None] * w[(c, slice(None), *k)]
            y[(slice(None), slice(g * w.shape[1], (g + 1) * w.shape[1]), *at)] += part
    return y


CASES = [
    # fields, bottom, group, stride, pad, dilation
    ("num_output: 4 kernel_size: 3 pad: 2 stride: 2 dilation: 2", (2, 4, 7, 6), 1, (2, 2), (2, 2), (2, 2)),
    ("num_output: 6 kernel_size: [3, 2] stride: [2, 1] pad: [0, 1] group: 2", (2, 4, 6, 5), 2, (2, 1), (0, 1), (1, 1)),
    (
        "num_output: 4 kernel_h: 1 kernel_w: 3 pad_w: 1 dilation: [1, 2] group: 4",
        (1, 4, 4, 6),
        4,
        (1, 1),
        (0, 1),
        (1, 2),
    ),
    ("num_output: 3 kernel_h: 2 kernel_w: 2 stride_h: 1 stride_w: 3", (1, 2, 4, 6), 1, (1, 3), (0, 0), (1, 1)),
    ("num_output: 2 kernel_size: 2 stride: 2 force_nd_im2col: true", (2, 2, 4, 3, 5), 1, (2,) * 3, (0,) * 3, (1,) * 3),
    ("num_output: 4 kernel_size: 3 pad: 1 bias_term: false", (2, 2, 5), 1, (1,), (1,), (1,)),
    ("num_output: 4 kernel_size: 1 stride: 3 group: 2", (2, 4, 7, 4), 2, (3, 3), (0, 0), (1, 1)),
    ("num_output: 4 kernel_size: 1 pad: 1", (2, 3, 4, 5), 1, (1, 1), (1, 1), (1, 1)),
    ("num_output: 3 axis: 1", (2, 5), 1, (), (), ()),
    ("num_output: 3 kernel_size: 4 stride: 3", (2, 2, 2, 5), 1, (3, 3), (0, 0), (1, 1)),
    ("num_output: 2 kernel_size: 3 stride: 5 dilation: 2 pad: 1 group: 2", (1, 2, 2, 1), 2, (5, 5), (1, 1), (2, 2)),
]


@pytest.mark.parametrize(("fields", "bottom", "group", "stride", "pad", "dilation"), CASES)
@pytest.mark.parametrize("name", ["Convolution", "Deconvolution"])
def test_convolutions(
    name: str, fields: str, bottom: Each, group: int, stride: Each, pad: Each, dilation: Each
) -> None:
    bench, run = ran(name, f"convolution_param {{ {fields} {FILL} }}", bottom)
    w, b = bench.params[0], bench.params[1] if len(bench.params) > 1 else None
    formula, adjoint = (convolved, deconvolved) if name == "Convolution" else (deconvolved, convolved)
    x, y, dy = bench.bottoms[0], run.tops[0], run.call.top_diffs[0]
    expected = formula(x, w, b, group, stride, pad, dilation)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
    dx, dw = run.bottom_diffs[0], run.param_diffs[0]
    assert dx is not None
    assert dw is not None
    back = adjoint(dy, w, None, group, stride, pad, dilation)  # may miss cells at the end that no window reaches
    whole = np.zeros_like(x)
    whole[tuple(slice(min(n, m)) for n, m in zip(back.shape, x.shape, strict=True))] = back[
        tuple(slice(min(n, m)) for n, m in zip(back.shape, x.shape, strict=True))
    ]
    np.testing.assert_allclose(dx, whole, rtol=1e-10, atol=1e-12)
    probe = np.random.default_rng(1).standard_normal(w.shape)  # dw by its adjoint: <dw, v> = <dy, formula(x, v)>
    there = (dy * formula(x, probe, None, group, stride, pad, dilation)).sum()
    np.testing.assert_allclose((dw * probe).sum(), there, rtol=1e-10)
    if b is not None:
        db = run.param_diffs[1]
        assert db is not None
        np.testing.assert_allclose(db, dy.sum((0, *range(2, dy.ndim))), rtol=1e-10)


def test_axes_before_the_channels_are_the_batch() -> None:
    fields = "num_output: 4 kernel_size: 2 axis: -2"
    bench, run = ran("Convolution", f"convolution_param {{ {fields} {FILL} }}", (2, 3, 5, 6))
    x = bench.bottoms[0].reshape(6, 5, 6)
    expected = convolved(x, *bench.params, 1, (1,), (0,), (1,))
    np.testing.assert_allclose(run.tops[0], expected.reshape(2, 3, 4, 5), rtol=1e-10, atol=1e-12)


def test_columns_of_several_axes() -> None:
    fields = "kernel_size: [2, 1, 3] pad: [1, 0, 1] stride: [1, 2, 2] dilation: [1, 1, 2]"
    bench, run = ran("Im2col", f"convolution_param {{ {fields} }}", (2, 2, 3, 3, 6))
    kernel, out = (2, 1, 3), (4, 2, 2)
    y: Any = np.zeros((2, 2, *kernel, *out))
    for q, k, at in windows((3, 3, 6), out, kernel, (1, 2, 2), (1, 0, 1), (1, 1, 2)):
        y[(slice(None), slice(None), *k, *q)] = bench.bottoms[0][(slice(None), slice(None), *at)]
    np.testing.assert_array_equal(run.tops[0], y.reshape(2, 12, *out))


# ---------------------------------------------------------------- pooling


def pooled(x: Array, method: str, kernel: Each, stride: Each, pad: Each, floor_it: bool) -> tuple[Array, Array, Array]:
    """Tops, chosen cells, and the gradient for dy = 1, 2, 3... in reading order."""
    round_to = floor if floor_it else ceil
    size = x.shape[2:]
    out = [round_to((n + 2 * p - k) / s) + 1 for n, k, s, p in zip(size, kernel, stride, pad, strict=True)]
    if any(pad):
        out = [o - ((o - 1) * s >= n + p) for o, n, s, p in zip(out, size, stride, pad, strict=True)]
    y, mask, dx = np.zeros((*x.shape[:2], *out)), np.full((*x.shape[:2], *out), -1.0), np.zeros_like(x)
    dy = np.arange(1.0, y.size + 1).reshape(y.shape)
    for at in np.ndindex(*y.shape):
        start = [o * s - p for o, s, p in zip(at[2:], stride, pad, strict=True)]
        end = [min(a + k, n + p) for a, k, n, p in zip(start, kernel, size, pad, strict=True)]
        count = (end[0] - start[0]) * (end[1] - start[1])
        (top, left), (bottom, right) = [max(a, 0) for a in start], [min(e, n) for e, n in zip(end, size, strict=True)]
        part = x[at[0], at[1], top:bottom, left:right]
        if method == "AVE":
            y[at] = part.sum() / count
            dx[at[0], at[1], top:bottom, left:right] += dy[at] / count
        elif part.size:
            row, column = np.unravel_index(part.argmax(), part.shape)
            y[at], mask[at] = part.max(), (top + row) * size[1] + left + column
            dx[at[0], at[1], top + row, left + column] += dy[at]
        else:
            y[at] = LOWEST
    return y, mask, dx


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize(
    ("fields", "size", "kernel", "stride", "pad", "floor_it"),
    [
        ("kernel_size: 3 stride: 2", (8, 7), (3, 3), (2, 2), (0, 0), False),
        ("kernel_size: 3 stride: 2 round_mode: FLOOR", (8, 7), (3, 3), (2, 2), (0, 0), True),
        ("kernel_size: 3 stride: 2 ceil_mode: false", (8, 7), (3, 3), (2, 2), (0, 0), True),
        ("kernel_size: 2 stride: 2 pad: 1", (5, 6), (2, 2), (2, 2), (1, 1), False),
        ("kernel_size: 3 stride: 2 pad: 2", (6, 7), (3, 3), (2, 2), (2, 2), False),
        ("kernel_size: 3 stride: 3 pad: 1", (7, 9), (3, 3), (3, 3), (1, 1), False),
        ("kernel_h: 3 kernel_w: 1 pad_h: 2 pad_w: 0 stride_h: 2 stride_w: 1", (5, 4), (3, 1), (2, 1), (2, 0), False),
        ("kernel_h: 2 kernel_w: 4 pad: 1 stride_h: 3 stride_w: 2", (7, 8), (2, 4), (3, 2), (1, 1), False),
        ("kernel_size: 4 stride: 2 pad: 1", (3, 3), (4, 4), (2, 2), (1, 1), False),
        ("kernel_size: 4 stride: 3", (3, 8), (4, 4), (3, 3), (0, 0), False),
        ("kernel_size: 1 stride: 2", (5, 5), (1, 1), (2, 2), (0, 0), False),
        ("global_pooling: true", (4, 5), (4, 5), (1, 1), (0, 0), False),
    ],
)
def test_pooling(method: str, fields: str, size: Each, kernel: Each, stride: Each, pad: Each, floor_it: bool) -> None:
    tops = 2 if method == "MAX" else 1
    example = Example(f"pooling_param {{ pool: {method} {fields} }}", (Input((2, 2, *size)),), tops)
    bench = Bench.of(known().types["Pooling"], example)
    y, mask, dx = pooled(bench.bottoms[0], method, kernel, stride, pad, floor_it)
    bench.weights = {0: np.arange(1.0, y.size + 1).reshape(y.shape)}
    run = bench.backward(bench.forward().call)
    np.testing.assert_allclose(run.tops[0], y, rtol=1e-12)
    np.testing.assert_allclose(run.bottom_diffs[0], dx, rtol=1e-12)
    if method == "MAX":
        np.testing.assert_array_equal(run.tops[1], mask)


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize(("size", "height"), [((9, 8), 3), ((5, 7), 2), ((6, 6), 1)])
def test_pyramid(method: str, size: Each, height: int) -> None:
    bench, run = ran("SPP", f"spp_param {{ pool: {method} pyramid_height: {height} }}", (2, 3, *size))
    levels = []
    for level in range(height):
        kernel = tuple(ceil(n / 2**level) for n in size)
        pad = tuple((k * 2**level - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
        levels.append(pooled(bench.bottoms[0], method, kernel, kernel, pad, False)[0].reshape(2, -1))
    assert run.tops[0].ndim == (4 if height == 1 else 2)
    np.testing.assert_allclose(run.tops[0].reshape(2, -1), np.concatenate(levels, axis=1), rtol=1e-12)


# ---------------------------------------------------------------- local response normalization


@pytest.mark.parametrize(
    ("fields", "n", "alpha", "beta", "k"),
    [("", 5, 1.0, 0.75, 1.0), ("local_size: 3 alpha: 0.5 beta: 0.6 k: 2", 3, 0.5, 0.6, 2.0)],
)
@pytest.mark.parametrize("region", ["ACROSS_CHANNELS", "WITHIN_CHANNEL"])
def test_lrn(region: str, fields: str, n: int, alpha: float, beta: float, k: float) -> None:
    bench, run = ran("LRN", f"lrn_param {{ {fields} norm_region: {region} }}", (2, 6, 5, 4))
    x = bench.bottoms[0]
    reach = n // 2
    if region == "ACROSS_CHANNELS":
        square = np.pad(x * x, ((0, 0), (reach, reach), (0, 0), (0, 0)))
        scale = k + alpha / n * sum(square[:, i : i + 6] for i in range(n))
    else:
        square = np.pad(x * x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
        each = product(range(n), range(n))
        scale = 1 + alpha / n**2 * sum(square[:, :, i : i + 5, j : j + 4] for i, j in each)
    np.testing.assert_allclose(run.tops[0], x * scale**-beta, rtol=1e-6)  # beta is a float of 32 bits in the file
