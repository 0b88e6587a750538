import numpy as np
import pytest

from netc.fast import softmax
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Halo, blocked, plain
from netc.fast.machine.moves import clear_halo, pack, unpack

from .harness import Bench


def expected(x, dy):
    power = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    y = power / power.sum(axis=1, keepdims=True)
    return y, y * (dy - (y * dy).sum(axis=1, keepdims=True))


def forward(bench, few, flat, x, y, threads=3):
    """The launch of a kernel for few classes, or of that for any number."""
    if not few:
        return softmax.forward_of(flat)(x=x, y=y)
    scratch = bench.region(bench.new(softmax.scratch_bytes(x.c, threads) // 4))
    return softmax.few_of(flat)(x=x, y=y, scratch=scratch)


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("classes", "width"), [(1, 5), (5, 16), (16, 37), (37, 5), (48, 17)])
def test_across_channels(classes, width, threads, few):
    shape = (2, classes, 3, width)
    rng = np.random.default_rng(classes)
    x, dy = (5 * rng.normal(size=shape).astype(np.float32) for _ in range(2))
    x[0, 0, 0, :3] = -200, 1e30, 300
    bench = Bench()
    sources = [plain(bench.put(a), shape) for a in (x, dy)]
    blobs = [blocked(2 + i, shape, halo) for i, halo in enumerate((Halo(), Halo(1, 1, 1, 1), Halo(0, 2), Halo()))]
    for blob in blobs:
        bench.new(blob.n * blob.image // 4)
    xb, dyb, y, dx = blobs
    launches = [r for blob in blobs for r in clear_halo(blob)] + [pack(sources[0], xb), pack(sources[1], dyb)]
    launches += [forward(bench, few, False, xb, y), softmax.gradient_of(False)(y=y, dy=dyb, dx=dx)]
    outs = [bench.new(x.size), bench.new(x.size)]
    launches += [unpack(y, plain(outs[0], shape)), unpack(dx, plain(outs[1], shape))]
    bench.run(launches, threads)
    for out, wanted, off in zip(outs, expected(x, dy), (2e-6, 1e-5), strict=True):  # diffs are up to 20
        np.testing.assert_allclose(bench.arrays[out].reshape(shape), wanted, rtol=2e-6, atol=off)
    if classes % 16:
        assert not bench.full(y)[:, -1, ..., classes % 16 :].any()


@pytest.mark.parametrize(
    ("lines", "classes", "few"),
    [*((7, n, False) for n in (1, 3, 16, 40, 1000)), (7, 1, True), (53, 2, True), (33, 16, True), (20, 40, True)],
)
def test_along_lines(lines, classes, few):
    rng = np.random.default_rng(classes)
    x, dy = (3 * rng.normal(size=(lines, classes)).astype(np.float32) for _ in range(2))
    bench = Bench()
    places = Ref(bench.put(x)), Ref(bench.put(dy)), Ref(bench.new(x.size)), Ref(bench.new(x.size))
    given, diff, made, back = (softmax.matrix(place, lines, classes) for place in places)
    bench.run([forward(bench, few, True, given, made), softmax.gradient_of(True)(y=made, dy=diff, dx=back)], 2)
    *_, y, dx = places
    for at, wanted in zip((y, dx), expected(x, dy), strict=True):
        np.testing.assert_allclose(bench.arrays[at.array].reshape(x.shape), wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 37), (3, 20, 5), (1, 1, 16), (1, 70, 33)])
def test_along_an_axis_in_the_middle(shape, in_place):
    x = 5 * np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[0, 0, :3] = -200, 1e30, 300
    bench = Bench()
    given = bench.region(bench.put(x))
    made = given if in_place else bench.region(bench.new(x.size))
    groups, classes, inner = shape
    bench.run([softmax.planes(x=given, y=made, groups=groups, classes=classes, inner=inner)], 2)
    wanted = expected(x, x)[0]
    np.testing.assert_allclose(bench.arrays[made.array].reshape(shape), wanted, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("few", [False, True])
def test_nan_spreads_to_all_classes(few):
    x = np.zeros((2, 20), np.float32)
    x[1, 7] = np.nan
    bench = Bench()
    given, y = Ref(bench.put(x)), Ref(bench.new(x.size))
    bench.run([forward(bench, few, True, softmax.matrix(given, 2, 20), softmax.matrix(y, 2, 20))])
    found = bench.arrays[y.array].reshape(x.shape)
    np.testing.assert_allclose(found[0], 0.05, rtol=1e-6)
    assert np.isnan(found[1]).all()
