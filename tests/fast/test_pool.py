"""Pooling against loops over windows; ties, clipped and empty windows included."""

import numpy as np
import pytest

from netc.fast import pooling
from netc.fast.machine.launch import NOTHING
from netc.fast.machine.layout import Halo, blocked, plain
from netc.fast.machine.moves import clear_halo, pack, unpack
from netc.kernels.windows import convolved, pooled

from .harness import Bench


def axes(sizes, kernel, stride, pad, rounding="CEIL"):
    return tuple(pooled(s, kernel, stride, pad, rounding=rounding, any_pad=pad > 0) for s in sizes)


CASES = [
    (axes((7, 8), 3, 2, 0), True),
    (axes((7, 8), 3, 2, 1), True),
    (axes((5, 5), 2, 2, 0), True),
    (axes((6, 4), 3, 1, 1), True),
    (axes((7, 7), 1, 3, 0), True),
    (tuple(convolved(s, 3, 2, 0, 1, "SAME") for s in (6, 7)), False),
]


def window(axis, o, count_pad):
    """First and last cell inside, and how many count in an average."""
    start = o * axis.stride - axis.before
    first, last = max(start, 0), min(start + axis.kernel, axis.size)
    return (
        first,
        max(first, last),
        min(start + axis.kernel, axis.size + axis.after) - start if count_pad else last - first,
    )


def loops(x, dy, height, width, count_pad, largest):
    y, dx = np.empty_like(dy), np.zeros_like(x)
    for at in np.ndindex(dy.shape):
        top, bottom, lines = window(height, at[2], count_pad)
        left, right, columns = window(width, at[3], count_pad)
        plane = (at[0], at[1], slice(top, bottom), slice(left, right))
        cells = x[plane]
        if largest:
            y[at] = cells.max() if cells.size else pooling.LOWEST
            if cells.size:
                i, j = np.unravel_index(cells.argmax(), cells.shape)
                dx[at[0], at[1], top + i, left + j] += dy[at]
        else:
            y[at] = cells.sum() / max(lines * columns, 1)
            dx[plane] += dy[at] / max(lines * columns, 1)
    return y, dx


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_pooling_and_its_gradient(case, largest, threads):
    (height, width), count_pad = case
    shape, top = (2, 21, height.size, width.size), (2, 21, height.out, width.out)
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=shape), 0).round(1).astype(np.float32)  # zeros and ties
    dy = rng.normal(size=top).astype(np.float32)
    y_, dx_ = loops(x, dy, height, width, count_pad, largest)
    bench = Bench()
    source, given = plain(bench.put(x), shape), plain(bench.put(dy), top)
    halo = Halo(1, 0, 0, 2)
    small = [blocked(i, top, halo) for i in (2, 3)]
    large = [blocked(i, shape, halo) for i in (4, 5)]
    for blob in (*small, *large):
        bench.new(blob.n * blob.image // 4)
    (y, dyb), (xb, dx) = small, large
    index = bench.region(bench.new(y.values // 4))
    outs = [bench.new(dy.size), bench.new(x.size)]
    launches = [r for blob in (*small, *large) for r in clear_halo(blob)] + [pack(source, xb), pack(given, dyb)]
    axes_of = {"height": height, "width": width}
    if largest:
        launches.append(pooling.maxima(x=xb, y=y, index=index, **axes_of, count_pad=True))
        launches.append(pooling.chosen(x=dx, y=dyb, index=index, **axes_of, count_pad=True))
    else:
        launches.append(pooling.averages(x=xb, y=y, index=NOTHING, **axes_of, count_pad=count_pad))
        launches.append(pooling.shares(x=dx, y=dyb, index=NOTHING, **axes_of, count_pad=count_pad))
    launches += [unpack(y, plain(outs[0], top)), unpack(dx, plain(outs[1], shape))]
    bench.run(launches, threads)
    np.testing.assert_allclose(bench.arrays[outs[0]].reshape(top), y_, rtol=1e-6)
    np.testing.assert_allclose(bench.arrays[outs[1]].reshape(shape), dx_, rtol=1e-6, atol=1e-6)
