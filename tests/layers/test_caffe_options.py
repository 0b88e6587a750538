"""Options of the other layers: shapes from a table, numbers from formulas written out, as Caffe has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.layer import Example, Input, Phase
from tests.layers.harness import Bench, known

Shape = tuple[int, ...]


def ran(name: str, fields: str, *inputs: Input, tops: int = 1, phase: Phase = "TRAIN") -> tuple[Bench, Any, Any, Any]:
    """A layer after forward and backward: the bench, its tops, its bottom diffs, its top diffs."""
    bench = Bench.of(known().types[name], Example(fields, inputs, tops, phase))
    run = bench.backward(bench.forward().call)
    return bench, run.tops, run.bottom_diffs, run.call.top_diffs


# ---------------------------------------------------------------- shapes

TABLE: list[tuple[str, str, tuple[Shape, ...], tuple[Shape, ...]]] = [
    ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }", ((2, 3, 4),), ((2, 12),)),
    ("Reshape", "reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 }", ((2, 3, 4, 5),), ((2, 12, 5),)),
    ("Reshape", "reshape_param { shape { dim: 5 dim: 1 } axis: -2 num_axes: 1 }", ((3, 2, 5),), ((3, 2, 5, 1),)),
    ("Reshape", "reshape_param { shape { dim: 1 } axis: -1 }", ((2, 3),), ((2, 3, 1),)),
    ("Reshape", "reshape_param { shape { dim: 1 } num_axes: 0 }", ((2, 3),), ((1, 2, 3),)),
    ("Reshape", "reshape_param { shape { } axis: 1 num_axes: 1 }", ((2, 1, 3),), ((2, 3),)),
    ("Flatten", "", ((2, 3, 4, 5),), ((2, 60),)),
    ("Flatten", "flatten_param { axis: 0 }", ((2, 3),), ((6,),)),
    ("Flatten", "flatten_param { axis: -3 end_axis: 2 }", ((2, 3, 4, 5),), ((2, 12, 5),)),
    ("InnerProduct", "inner_product_param { num_output: 7 axis: -1 }", ((2, 3, 4),), ((2, 3, 7),)),
    ("InnerProduct", "inner_product_param { num_output: 7 axis: 0 }", ((2, 3, 4),), ((7,),)),
    ("Concat", "concat_param { axis: -2 }", ((2, 3, 4), (2, 1, 4)), ((2, 4, 4),)),
    ("Concat", "concat_param { concat_dim: 0 }", ((2, 3), (1, 3)), ((3, 3),)),
    ("Slice", "slice_param { axis: -1 slice_point: 1 slice_point: 4 }", ((2, 6),), ((2, 1), (2, 3), (2, 2))),
    ("Slice", "slice_param { slice_dim: 0 }", ((4, 3),), ((2, 3), (2, 3))),
    ("Crop", "crop_param { axis: 0 offset: 0 }", ((4, 5), (2, 3)), ((2, 3),)),
    ("Crop", "crop_param { axis: 1 offset: 1 offset: 2 }", ((4, 5, 6), (9, 3, 4)), ((4, 3, 4),)),
    ("Crop", "crop_param { axis: -1 offset: 2 }", ((4, 5), (1, 3, 9)), ((4, 3),)),
    ("Tile", "tile_param { axis: -2 tiles: 3 }", ((2, 3, 4),), ((2, 9, 4),)),
    ("Reduction", "reduction_param { axis: -1 }", ((2, 3, 4),), ((2, 3),)),
    ("Reduction", "", ((2, 3),), ((),)),
    ("ArgMax", "", ((3, 4),), ((3, 1, 1),)),
    ("ArgMax", "argmax_param { top_k: 2 out_max_val: true }", ((3, 4, 5, 6, 2),), ((3, 2, 2, 1, 1),)),
    ("Embed", "embed_param { num_output: 5 input_dim: 9 }", ((2, 3),), ((2, 3, 5),)),
    ("BatchReindex", "", ((4, 3, 2), (6,)), ((6, 3, 2),)),
    ("Split", "", ((2, 3),), ((2, 3), (2, 3))),
    (
        "DummyData",
        "dummy_data_param { num: 2 num: 3 channels: 1 height: 4 width: 5 }",
        (),
        ((2, 1, 4, 5), (3, 1, 4, 5)),
    ),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", (), ((2, 3),)),
]


@pytest.mark.parametrize(("name", "fields", "bottoms", "tops"), TABLE)
def test_shapes(name: str, fields: str, bottoms: tuple[Shape, ...], tops: tuple[Shape, ...]) -> None:
    example = Example(fields, tuple(Input(shape, "uniform", 0, 1) for shape in bottoms), len(tops))
    assert Bench.of(known().types[name], example).setup.tops == tops


BLOBS: list[tuple[str, str, tuple[Shape, ...], tuple[Shape, ...]]] = [
    (
        "Convolution",
        "convolution_param { num_output: 6 kernel_h: 3 kernel_w: 2 group: 2 }",
        ((1, 4, 5, 5),),
        ((6, 2, 3, 2), (6,)),
    ),
    (
        "Deconvolution",
        "convolution_param { num_output: 6 kernel_size: 3 group: 2 }",
        ((1, 4, 5, 5),),
        ((4, 3, 3, 3), (6,)),
    ),
    ("InnerProduct", "inner_product_param { num_output: 6 }", ((2, 3, 4),), ((6, 12), (6,))),
    (
        "InnerProduct",
        "inner_product_param { num_output: 6 transpose: true bias_term: false }",
        ((2, 3, 4),),
        ((12, 6),),
    ),
    ("Embed", "embed_param { num_output: 5 input_dim: 9 }", ((4,),), ((9, 5), (5,))),
    ("Scale", "scale_param { axis: -2 num_axes: 1 bias_term: true }", ((2, 3, 4),), ((3,), (3,))),
    ("Scale", "scale_param { num_axes: 0 }", ((2, 3, 4),), ((),)),
    ("Scale", "scale_param { axis: 0 num_axes: -1 }", ((2, 3),), ((2, 3),)),
    ("Scale", "scale_param { axis: 1 bias_term: true }", ((2, 3, 4), (3, 4)), ((3, 4),)),
    ("Bias", "bias_param { axis: 1 num_axes: 2 }", ((2, 3, 4),), ((3, 4),)),
    ("PReLU", "", ((2, 3, 4),), ((3,),)),
    ("PReLU", "prelu_param { channel_shared: true }", ((2, 3),), ((),)),
    ("BatchNorm", "", ((2, 3, 4),), ((3,), (3,), (1,))),
    ("BatchNorm", "", ((5,),), ((1,), (1,), (1,))),
    ("LSTM", "recurrent_param { num_output: 2 }", ((4, 3, 5, 2), (4, 3), (3, 6)), ((8, 10), (8,), (8, 6), (8, 2))),
    ("RNN", "recurrent_param { num_output: 2 }", ((4, 3, 5), (4, 3)), ((2, 5), (2,), (2, 2), (2, 2), (2,))),
]


@pytest.mark.parametrize(("name", "fields", "bottoms", "blobs"), BLOBS)
def test_parameter_blobs(name: str, fields: str, bottoms: tuple[Shape, ...], blobs: tuple[Shape, ...]) -> None:
    bench = Bench.of(known().types[name], Example(fields, tuple(map(Input, bottoms))))
    assert tuple(p.shape for p in bench.setup.params) == blobs


# ---------------------------------------------------------------- values

POSITIVE = Input((2, 3, 4), "uniform", 0.2, 3)
LADDER = Input((2, 3, 4), "distinct")


def swish_slope(x: Any) -> Any:
    s = 1 / (1 + np.exp(-2 * x))
    return s + 2 * x * s * (1 - s)


POINTWISE: list[tuple[str, str, Input, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (
        "ReLU",
        "relu_param { negative_slope: 0.25 }",
        LADDER,
        lambda x: np.where(x > 0, x, x / 4),
        lambda x: np.where(x > 0, 1, 0.25),
    ),
    (
        "ELU",
        "elu_param { alpha: 2 }",
        LADDER,
        lambda x: np.where(x > 0, x, 2 * np.expm1(x)),
        lambda x: np.where(x > 0, 1, 2 * np.exp(x)),
    ),
    ("Power", "power_param { power: 3 }", LADDER, lambda x: x**3, lambda x: 3 * x**2),
    (
        "Power",
        "power_param { power: 2 scale: -2 shift: 1 }",
        LADDER,
        lambda x: (1 - 2 * x) ** 2,
        lambda x: -4 * (1 - 2 * x),
    ),
    (
        "Power",
        "power_param { power: -0.5 scale: 2 }",
        POSITIVE,
        lambda x: (2 * x) ** -0.5,
        lambda x: -((2 * x) ** -1.5),
    ),
    ("Power", "power_param { power: 0 shift: 7 }", LADDER, lambda x: x * 0 + 1, lambda x: 0 * x),
    ("Power", "power_param { power: 2 scale: 0 shift: 3 }", LADDER, lambda x: x * 0 + 9, lambda x: 0 * x),
    ("Power", "power_param { scale: 0 shift: 3 }", LADDER, lambda x: x * 0 + 3, lambda x: 0 * x),
    (
        "Exp",
        "exp_param { base: 2 scale: 0.5 shift: -1 }",
        LADDER,
        lambda x: 2 ** (x / 2 - 1),
        lambda x: 2 ** (x / 2 - 1) * np.log(2) / 2,
    ),
    ("Exp", "exp_param { scale: -1 shift: 2 }", LADDER, lambda x: np.exp(2 - x), lambda x: -np.exp(2 - x)),
    (
        "Log",
        "log_param { base: 10 scale: 2 shift: 1 }",
        POSITIVE,
        lambda x: np.log10(2 * x + 1),
        lambda x: 2 / np.log(10) / (2 * x + 1),
    ),
    ("Log", "log_param { base: 0.5 }", POSITIVE, lambda x: -np.log2(x), lambda x: -1 / x / np.log(2)),
    ("Swish", "swish_param { beta: 2 }", LADDER, lambda x: x / (1 + np.exp(-2 * x)), swish_slope),
    (
        "Clip",
        "clip_param { min: -0.5 max: 0.25 }",
        LADDER,
        lambda x: np.clip(x, -0.5, 0.25),
        lambda x: (x >= -0.5) & (x <= 0.25),
    ),
    ("BNLL", "", LADDER, lambda x: np.log1p(np.exp(x)), lambda x: 1 / (1 + np.exp(-x))),
    ("AbsVal", "", LADDER, np.abs, np.sign),
]


@pytest.mark.parametrize(("name", "fields", "given", "value", "slope"), POINTWISE)
def test_pointwise(
    name: str, fields: str, given: Input, value: Callable[[Any], Any], slope: Callable[[Any], Any]
) -> None:
    bench, tops, diffs, dy = ran(name, fields, given)
    np.testing.assert_allclose(tops[0], value(bench.bottoms[0]), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(diffs[0], slope(bench.bottoms[0]) * dy[0], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("stable", ["true", "false"])
def test_products_have_one_gradient_either_way(stable: str) -> None:
    fields = f"eltwise_param {{ operation: PROD stable_prod_grad: {stable} }}"
    bench, tops, diffs, dy = ran("Eltwise", fields, POSITIVE, LADDER, POSITIVE)
    a, b, c = bench.bottoms
    np.testing.assert_allclose(tops[0], a * b * c, rtol=1e-12)
    for dx, others in zip(diffs, (b * c, a * c, a * b), strict=True):
        np.testing.assert_allclose(dx, others * dy[0], rtol=1e-10)


def test_the_largest_ignores_coefficients() -> None:
    bench, tops, diffs, dy = ran("Eltwise", "eltwise_param { operation: MAX coeff: 3 coeff: -1 }", LADDER, LADDER)
    a, b = bench.bottoms
    np.testing.assert_array_equal(tops[0], np.maximum(a, b))
    np.testing.assert_array_equal(diffs[0], np.where(a > b, dy[0], 0))


@pytest.mark.parametrize(
    ("operation", "value", "slope"),
    [
        ("SUM", lambda x: x.sum(-1), np.ones_like),
        ("ASUM", lambda x: np.abs(x).sum(-1), np.sign),
        ("SUMSQ", lambda x: (x * x).sum(-1), lambda x: 2 * x),
        ("MEAN", lambda x: x.mean(-1), lambda x: np.full_like(x, 1 / 12)),
    ],
)
def test_reductions(operation: str, value: Callable[[Any], Any], slope: Callable[[Any], Any]) -> None:
    fields = f"reduction_param {{ operation: {operation} axis: -2 coeff: -1.5 }}"
    bench, tops, diffs, dy = ran("Reduction", fields, Input((2, 3, 4), "distinct"))
    x = bench.bottoms[0].reshape(2, 12)
    np.testing.assert_allclose(tops[0], -1.5 * value(x), rtol=1e-12)
    np.testing.assert_allclose(diffs[0].reshape(2, 12), -1.5 * dy[0][:, None] * slope(x), rtol=1e-12)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("variance", [False, True])
def test_mvn(across: bool, variance: bool) -> None:
    said = f"across_channels: {str(across).lower()} normalize_variance: {str(variance).lower()} eps: 0.5"
    bench, tops, diffs, dy = ran("MVN", f"mvn_param {{ {said} }}", Input((2, 3, 4, 2)))
    rows = (2, 24) if across else (6, 8)
    x, g = bench.bottoms[0].reshape(rows), dy[0].reshape(rows)
    centred = x - x.mean(1, keepdims=True)
    by = np.sqrt((centred**2).mean(1, keepdims=True)) + 0.5 if variance else 1.0
    y = centred / by
    np.testing.assert_allclose(tops[0].reshape(rows), y, rtol=1e-10)
    dx = g - g.mean(1, keepdims=True) - (y * (g * y).mean(1, keepdims=True) if variance else 0)
    np.testing.assert_allclose(diffs[0].reshape(rows), dx / by, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("axis", "shape", "spread"), [(1, (3,), (1, 3, 1)), (-2, (3, 4), (1, 3, 4)), (0, (2,), (2, 1, 1))]
)
@pytest.mark.parametrize("name", ["Scale", "Bias"])
def test_a_second_bottom_is_spread(name: str, axis: int, shape: Shape, spread: Shape) -> None:
    bench, tops, diffs, dy = ran(name, f"{name.lower()}_param {{ axis: {axis} }}", Input((2, 3, 4)), Input(shape))
    x, s = bench.bottoms[0], bench.bottoms[1].reshape(spread)
    axes = tuple(i for i, size in enumerate(spread) if size == 1)
    product, total = (x * s, dy[0] * s, (dy[0] * x).sum(axes)), (x + s, dy[0], dy[0].sum(axes))
    expected = product if name == "Scale" else total
    for got, value in zip((tops[0], *diffs), expected, strict=True):
        np.testing.assert_allclose(got, value.reshape(got.shape), rtol=1e-10)


def test_crop_gives_its_gradient_to_the_part() -> None:
    fields = "crop_param { axis: 1 offset: 1 offset: 0 offset: 2 }"
    bench, tops, diffs, dy = ran("Crop", fields, Input((2, 3, 4, 5)), Input((7, 2, 3, 3)))
    np.testing.assert_array_equal(tops[0], bench.bottoms[0][:, 1:3, :3, 2:])
    whole = np.zeros((2, 3, 4, 5))
    whole[:, 1:3, :3, 2:] = dy[0]
    np.testing.assert_array_equal(diffs[0], whole)


def test_selected_items_give_their_gradient_back() -> None:
    selector = Input((4, 1), "values", values=(0, 2, 0, -1))
    bench, tops, diffs, dy = ran("Filter", "", Input((4, 3)), Input((4,)), selector, tops=2)
    np.testing.assert_array_equal(tops[0], bench.bottoms[0][[1, 3]])
    np.testing.assert_array_equal(diffs[0][[1, 3]], dy[0])
    assert not diffs[0][[0, 2]].any()


def test_an_item_taken_twice_gets_both_gradients() -> None:
    index = Input((4,), "values", values=(2, 0, 2, 2))
    bench, tops, diffs, dy = ran("BatchReindex", "", Input((3, 2)), index)
    np.testing.assert_array_equal(tops[0], bench.bottoms[0][[2, 0, 2, 2]])
    np.testing.assert_allclose(diffs[0], [dy[0][1], np.zeros(2), dy[0][[0, 2, 3]].sum(0)], rtol=1e-12)
