"""Layers that slide windows over planes, and those that change their size.

Caffe's pooling rounds its size up as PyTorch does with `ceil_mode`; where the two differ (windows that start beyond the
plane, padding wider than half a window, TensorFlow's padding), the padding is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netc.convert.torch.code import Bottom, Expression, Items, call, literal, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, State, Write, Written, X, made, module, same
from netc.kernels.gemm_convolution import ConvolutionGeometry
from netc.kernels.geometry import UpsampleGeometry
from netc.kernels.pooling import Planes
from netc.kernels.windows import Axis
from netc.layer import LayerType
from netc.layers.convolution import CONVOLUTION, DEPTHWISE_CONVOLUTION
from netc.layers.deconvolution import DECONVOLUTION
from netc.layers.global_average_pooling import GLOBAL_AVERAGE_POOLING
from netc.layers.im2col import IM2COL
from netc.layers.im2col import Geometry as Im2colGeometry
from netc.layers.interp import INTERP
from netc.layers.pooling import POOLING
from netc.layers.psroi_pooling import PSROI_POOLING
from netc.layers.roi_pooling import ROI_POOLING
from netc.layers.spp import SPP, SppGeometry
from netc.layers.upsample import UPSAMPLE

MOST_AXES = 3
"""Spatial axes that PyTorch's convolutions have at most."""


def convolution(layer: LayerWriter) -> Written:
    g = layer.setup.known(ConvolutionGeometry)
    axes = g.columns.axes
    if all(a.before == a.after and _convolved(a) == a.out for a in axes):
        return _convolutions(layer, "Conv", same([a.before for a in axes]) if axes else 0, ())
    missing = [(a.out - 1) * a.stride + a.extent - a.size - a.before for a in axes]
    pads = [n for a, end in zip(reversed(axes), reversed(missing), strict=True) for n in (a.before, max(end, a.after))]
    return _convolutions(layer, "Conv", 0, tuple(pads))


def _convolved(a: Axis) -> int:
    """The windows that PyTorch makes of an axis."""
    return (a.size + 2 * a.before - a.extent) // a.stride + 1


def deconvolution(layer: LayerWriter) -> Written:
    axes = layer.setup.known(ConvolutionGeometry).columns.axes
    return _convolutions(layer, "ConvTranspose", same([a.before for a in axes]) if axes else 0, ())


def _convolutions(layer: LayerWriter, kind: str, padding: Any, pads: tuple[int, ...]) -> Written:
    """Each bottom with the same weights; axes before the channels are one batch, no spatial axes one of a cell."""
    g = layer.setup.known(ConvolutionGeometry)
    axes, weights = g.columns.axes, layer.params[0]
    if len(axes) > MOST_AXES:
        layer.refuse(f"PyTorch has no convolution over {len(axes)} axes", "kernel_size")
    at = len(layer.shape) - len(axes) - 1
    inputs, outputs = layer.shape[at], layer.top_shapes[0][at]
    if not axes:
        return _linear(layer, inputs, outputs)
    state = {"weight": State(weights.reshape(weights.shape[0], weights.shape[1], *([a.kernel for a in axes])), 0)}
    if len(layer.params) > 1:
        state["bias"] = State(layer.params[1].reshape(-1), 1)
    options = [
        Argument("stride", same([a.stride for a in axes]), 1),
        Argument("padding", padding, 0),
        Argument("dilation", same([a.dilation for a in axes]), 1),
        Argument("groups", g.groups, 1),
        Argument("bias", len(layer.params) > 1, True),
    ]
    tops: list[Expression] = []
    for bottom in layer.bottoms:
        x: Expression = bottom
        if pads:
            x = call("nn.functional.pad", x, literal(pads))
        if at == 0:
            x = raw(x, ".unsqueeze(0)")
        elif at > 1:
            x = raw(x, f".flatten(0, {at - 1})")
        y: Expression = call(OWN, x)
        if at == 0:
            y = raw(y, ".squeeze(0)")
        elif at > 1:
            y = raw(y, ".unflatten(0, ", bottom, f".shape[:{at}])")
        tops.append(y)
    kernel = Argument("kernel_size", same([a.kernel for a in axes]))
    return module(
        f"nn.{kind}{len(axes)}d",
        Argument("in_channels", inputs),
        Argument("out_channels", outputs),
        kernel,
        state=state,
        tops=tops,
        options=options,
    )


def _linear(layer: LayerWriter, inputs: int, outputs: int) -> Written:
    """Without spatial axes: a product over the last axis."""
    if layer.setup.known(ConvolutionGeometry).groups > 1:
        layer.refuse("PyTorch has no product by groups without spatial axes", "group")
    weights = layer.params[0].reshape(layer.params[0].shape[:2])
    turned = layer.node.type is DECONVOLUTION  # its weights have the inputs first
    state = {"weight": State(weights.T if turned else weights, 0, turned=turned)}
    state |= {"bias": State(layer.params[1].reshape(-1), 1)} if len(layer.params) > 1 else {}
    return module(
        "nn.Linear",
        Argument("in_features", inputs),
        Argument("out_features", outputs),
        options=[Argument("bias", len(layer.params) > 1, True)],
        state=state,
        tops=[call(OWN, bottom) for bottom in layer.bottoms],
    )


def im2col(layer: LayerWriter) -> Written:
    axes = layer.setup.known(Im2colGeometry).columns.axes
    at = len(layer.shape) - len(axes) - 1
    if len(axes) != 2 or at > 1:
        layer.refuse("PyTorch's unfold takes num x channels x height x width", "axis", "kernel_size")
    options = [
        Argument("dilation", same([a.dilation for a in axes]), 1),
        Argument("padding", same([a.before for a in axes]), 0),
        Argument("stride", same([a.stride for a in axes]), 1),
    ]
    top = raw(call(OWN, X), f".unflatten(-1, {literal(tuple(a.out for a in axes))})")
    return module("nn.Unfold", _kernel(axes), tops=(top,), options=options)


# ---------------------------------------------------------------- pooling


def pooling(layer: LayerWriter) -> Written:
    p, planes = layer.p, layer.setup.known(Planes)
    axes = (planes.height, planes.width)
    if p.pool == "STOCHASTIC":
        return module("StochasticPool", _kernel(axes), options=_padded(axes))
    mask = len(layer.top_shapes) > 1
    if p.global_pooling and not mask:
        kind = "nn.AdaptiveMaxPool2d" if p.pool == "MAX" else "nn.AdaptiveAvgPool2d"
        return module(kind, Argument("output_size", 1))
    if p.pool == "AVE":
        return _average(layer, axes)
    ceil = _plain(axes, p)
    if ceil is None:
        return _odd_maximum(layer, axes, mask)
    written = module("nn.MaxPool2d", _kernel(axes), options=_window(axes, ceil, mask=mask))
    return replace(written, tops=(call("pooled_with_mask", OWN, X),), together=True) if mask else written


def _kernel(axes: Sequence[Axis]) -> Argument:
    return Argument("kernel_size", same([a.kernel for a in axes]))


def _window(axes: Sequence[Axis], ceil: bool, mask: bool = False) -> list[Argument]:
    kernel = same([a.kernel for a in axes])
    return [
        Argument("stride", same([a.stride for a in axes]), kernel),
        Argument("padding", same([a.before for a in axes]), 0),
        Argument("dilation", same([a.dilation for a in axes]), 1),
        Argument("ceil_mode", ceil, False),
        Argument("return_indices", mask, False),
    ]


def _plain(axes: Sequence[Axis], p: Any) -> bool | None:
    """The `ceil_mode` with which PyTorch makes the same windows (the fields' own, if both do); None if neither does."""
    if any(a.before != a.after or 2 * a.before > (a.kernel if p.pool == "AVE" else a.extent) for a in axes):
        return None
    both = (False, True) if getattr(p, "round_mode", "CEIL") == "FLOOR" else (True, False)
    return next((ceil for ceil in both if all(_pooled(a, ceil) == a.out for a in axes)), None)


def _pooled(a: Axis, ceil: bool) -> int:
    """The windows that PyTorch makes of an axis (`pooling_output_shape` of ATen/native/Pool.h)."""
    room = a.size + 2 * a.before - a.extent
    out = (room + (a.stride - 1 if ceil else 0)) // a.stride + 1
    return out - 1 if ceil and (out - 1) * a.stride >= a.size + a.before else out


def _pads(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Cells before and after the last axis, then before and after the one before it, up to the end of all windows."""
    ends = [max(0, (a.out - 1) * a.stride + a.extent - a.size - a.before) for a in axes]
    height, width = axes
    return width.before, ends[1], height.before, ends[0]


def _odd_maximum(layer: LayerWriter, axes: Sequence[Axis], mask: bool) -> Written:
    """Windows that PyTorch would not make: the plane is padded with the smallest number, and then they fit."""
    if mask:
        layer.refuse("PyTorch gives no mask for such windows", "stride", "pad")
    padded = call("nn.functional.pad", X, literal(_pads(axes)), value=raw("torch.finfo(", X, ".dtype).min"))
    options = [o for o in _window(axes, ceil=False) if o.name not in ("padding", "ceil_mode", "return_indices")]
    return module("nn.MaxPool2d", _kernel(axes), tops=(call(OWN, padded),), options=options)


def _average(layer: LayerWriter, axes: Sequence[Axis]) -> Written:
    ceil = _plain(axes, layer.p)
    if ceil is None or layer.p.padding == "SAME" or any(a.dilation > 1 for a in axes):
        inside = layer.p.padding == "SAME"
        counted = Argument("counted", (0, 0, 0, 0) if inside else _counted(axes), (0, 0, 0, 0))
        return module("AveragePool", _kernel(axes), options=[*_padded(axes), counted])
    options = [o for o in _window(axes, ceil) if o.name not in ("dilation", "return_indices")]
    return module("nn.AvgPool2d", _kernel(axes), options=options)


def _padded(axes: Sequence[Axis]) -> list[Argument]:
    """Windows over a plane that is padded at each end as they need it."""
    return [
        Argument("stride", same([a.stride for a in axes]), 1),
        Argument("dilation", same([a.dilation for a in axes]), 1),
        Argument("padding", _pads(axes), (0, 0, 0, 0)),
    ]


def _counted(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The padded cells that count in Caffe's averages: as far as the padding that the file gives."""
    pads = _pads(axes)
    after = (min(pads[1], axes[1].after), min(pads[3], axes[0].after))
    return pads[0], after[0], pads[2], after[1]


def global_average(layer: LayerWriter) -> Written:
    axes = len(layer.shape) - 2
    if 1 <= axes <= MOST_AXES:
        return module(f"nn.AdaptiveAvgPool{axes}d", Argument("output_size", 1))
    return made(raw(X, f".mean({literal(tuple(range(2, 2 + axes)))}, keepdim=True)") if axes else X)


def spp(layer: LayerWriter) -> Written:
    """The levels one after the other; what windows they have depends on the plane's size, which is the planned one."""
    levels = layer.setup.known(SppGeometry).levels
    if layer.p.pool == "STOCHASTIC":  # windows without padding, side by side
        kernels = [(level.height.kernel, level.width.kernel) for level in levels]
        if len(kernels) > 1:
            return module("StochasticPyramid", tuple(kernels))
        kernel = same(kernels[0])
        return module("StochasticPool", Argument("kernel_size", kernel), options=[Argument("stride", kernel, 1)])
    pooled: list[Expression] = []
    for level in levels:
        axes = (level.height, level.width)
        name = "nn.functional.max_pool2d" if layer.p.pool == "MAX" else "nn.functional.avg_pool2d"
        x: Expression = X
        options: dict[str, Any] = {"stride": same([a.stride for a in axes])}
        if (ceil := _plain(axes, layer.p)) is not None:
            options |= {"padding": same([a.before for a in axes])} if any(a.before for a in axes) else {}
            options |= {"ceil_mode": True} if ceil else {}
        else:
            value = raw("torch.finfo(", X, ".dtype).min") if layer.p.pool == "MAX" else raw("0.0")
            x = call("nn.functional.pad", X, literal(_pads(axes)), value=value)
        pooled.append(call(name, x, literal(same([a.kernel for a in axes])), **options))
    if len(levels) == 1:
        return made(pooled[0])
    return made(call("torch.cat", Items(tuple(call("torch.flatten", p, "1") for p in pooled)), dim=1))


def roi_pooling(layer: LayerWriter) -> Written:
    size = (layer.p.pooled_h, layer.p.pooled_w)
    return made(call("roi_pool", *layer.bottoms, literal(size), literal(layer.p.spatial_scale)))


def psroi_pooling(layer: LayerWriter) -> Written:
    return made(
        call("position_sensitive_roi_pool", *layer.bottoms, literal(layer.p.group_size), literal(layer.p.spatial_scale))
    )


# ---------------------------------------------------------------- other sizes


def upsample(layer: LayerWriter) -> Written:
    g = layer.setup.known(UpsampleGeometry)
    if len(layer.bottoms) == 1:
        scale = raw(literal(tuple(map(float, g.scale))))
        return made(call("nn.functional.interpolate", X, scale_factor=scale, mode="nearest"))
    size = literal((g.top_height, g.top_width))
    if g.scale != (1, 1):
        height, width = (
            f"{n} * {{}}.shape[{i}]" + (f" - {pad}" if pad else "")
            for n, i, pad in (
                (g.scale[0], 2, g.height * g.scale[0] - g.top_height),
                (g.scale[1], 3, g.width * g.scale[1] - g.top_width),
            )
        )
        first, last = (part.split("{}") for part in (height, width))
        inner = raw("(", first[0], X, first[1], ", ", last[0], X, last[1], ")")
        return made(call("unpooled", *layer.bottoms, inner))
    return made(call("unpooled", *layer.bottoms, size))


def interp(layer: LayerWriter) -> Written:
    """Corners on corners; the size is the second bottom's, or the planned one."""
    begin, end = -layer.p.pad_beg, -layer.p.pad_end
    x: Expression = X
    if begin or end:
        cut = f"{begin or ''}:{-end if end else ''}"
        x = raw(X, f"[:, :, {cut}, {cut}]")
    size = raw(Bottom(1), ".shape[2:]") if len(layer.bottoms) > 1 else raw(literal(layer.top_shapes[0][2:]))
    return made(call("nn.functional.interpolate", x, size=size, mode="bilinear", align_corners=True))


WRITERS: dict[LayerType, Write] = {
    CONVOLUTION: convolution,
    DEPTHWISE_CONVOLUTION: convolution,
    DECONVOLUTION: deconvolution,
    IM2COL: im2col,
    POOLING: pooling,
    SPP: spp,
    GLOBAL_AVERAGE_POOLING: global_average,
    ROI_POOLING: roi_pooling,
    PSROI_POOLING: psroi_pooling,
    UPSAMPLE: upsample,
    INTERP: interp,
}
