"""Convolution (cross-correlation, as in every deep-learning framework).

Computes:
    y[n, o, q] = b[o] + sum over c, k of W[o, c, k] * x[n, c, q * stride - pad + k * dilation], with x 0 in the pad;
    q and k run over all spatial axes (1-d, 2-d, 3-d...). With `group` G, output o of group g sees only the channels of
    group g, so W has channels / G of them. Computed as columns of each image times W (im2col and a matrix product).
    `padding: SAME` and `VALID` are TensorFlow's rules: SAME gives ceil(size / stride) outputs, padded by
    max(stride * (out - 1) + dilation * (kernel - 1) + 1 - size, 0) in all, the odd cell at the end.

Shapes:
    The channels at `axis` become `num_output`, each spatial axis after it
    (size + 2 pad - dilation * (kernel - 1) - 1) / stride + 1, the fraction cut off; the axes before `axis` are the
    batch. Several bottoms of one shape give as many tops, with the same parameters. Weights: num_output x
    channels / group x kernel.

Gradient:
    dx = col2im(W^T dy), dW = dy im2col(x)^T, db = the sum of dy over batch and space.

Caffe notes:
    The kernel is not flipped. Output sizes round down here but up in Pooling; a kernel that is less than a stride
    larger than its padded input still has one window, cut at the end (a warning). `engine` and `force_nd_im2col` change
    nothing in the numbers.
"""

from math import prod

import numpy as np

from netc.kernels.gemm_convolution import (
    ConvolutionGeometry,
    correlate,
    correlate_back,
    correlate_weights,
)
from netc.kernels.im2col import Columns
from netc.kernels.windows import WindowError, convolution_axes, overhang, positions
from netc.layer import (
    ANY,
    BAD_FIELD,
    KERNEL_TOO_LARGE,
    MISSING_FIELD,
    SHAPES_DIFFER,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Shape,
    Site,
    same_shape,
)
from netc.role import Role
from netc.setups.convolution import check_groups, convolved


def setup(site: Site) -> Setup:
    p, bottom = site.p, same_shape(site)
    axis = site.axis(p.axis)
    check_groups(site, bottom[axis], p.group)
    return _setup(site, bottom, axis, p.group)


def setup_depthwise(site: Site) -> Setup:
    p, bottom = site.p, same_shape(site)
    axis = site.axis(p.axis)
    channels = bottom[axis]
    if p.group not in {1, channels}:
        message = f"each of the {channels} channels is a group here, but group is {p.group}"
        site.refuse(BAD_FIELD, message, "group", help="use Convolution for other groups")
    check_groups(site, channels, channels)
    return _setup(site, bottom, axis, channels)


def _setup(site: Site, bottom: Shape, axis: int, groups: int) -> Setup:
    p, channels, spatial = site.p, bottom[axis], bottom[axis + 1 :]
    try:
        axes = convolution_axes(p, spatial)
    except WindowError as error:
        site.refuse(KERNEL_TOO_LARGE if error.too_large else BAD_FIELD, str(error), error.field)
    if message := overhang(axes):
        site.warn(KERNEL_TOO_LARGE, message, "kernel_size", "kernel_h", "kernel_w")
    g = ConvolutionGeometry(prod(bottom[:axis]), groups, p.num_output, Columns(channels, axes))
    return convolved(site, g, (*bottom[:axis], p.num_output, *(a.out for a in axes)))


def forward(call: Call) -> None:
    g = call.known(ConvolutionGeometry)
    weights, scratch = call.params[0].reshape(g.weights), call.buffers.get("columns")
    for bottom, top in zip(call.bottoms, call.tops, strict=True):
        y = top.reshape(g.batch, g.filters, positions(g.columns.axes))
        correlate(bottom.reshape(g.batch, -1), weights, y, g.columns, scratch)
        if len(call.params) > 1:
            np.add(y, call.params[1][:, None], out=y)


def backward(call: Call) -> None:
    g = call.known(ConvolutionGeometry)
    weights, scratch = call.params[0].reshape(g.weights), call.buffers.get("columns")
    dw = call.param_diffs[0]
    db = call.param_diffs[1] if len(call.params) > 1 else None
    for bottom, dx, top_diff in zip(call.bottoms, call.bottom_diffs, call.top_diffs, strict=True):
        dy = top_diff.reshape(g.batch, g.filters, positions(g.columns.axes))
        if db is not None:
            db += dy.sum((0, 2))
        if dw is not None:
            correlate_weights(bottom.reshape(g.batch, -1), dy, dw.reshape(g.weights), g.columns, scratch)
        if dx is not None:
            correlate_back(dy, weights, dx.reshape(g.batch, -1), g.columns, scratch)


DEPTHWISE = """Depthwise convolution: each channel by itself (MobileNet, Howard et al. 2017).

Computes:
    What Convolution computes with `group` equal to the number of channels.

Shapes:
    As Convolution; `num_output` is a multiple of the channels (mostly the channels themselves). Weights are
    num_output x 1 x kernel.

Gradient:
    As Convolution.

Caffe notes:
    BVLC has no such type; a Convolution with `group` is the same. Forks call it DepthwiseConvolution (with `group` as
    in Convolution) and ConvolutionDepthwise (`group` left out); both are taken either way.
"""

_FILL = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.3 }'
_SMALL = (Input((2, 4, 5, 6)),)


def _example(fields: str, inputs: tuple[Input, ...] = _SMALL, tops: int = 1) -> Example:
    return Example(f"convolution_param {{ {fields} {_FILL} }}", inputs=inputs, tops=tops)


def _refused(fields: str, bottoms: tuple[Shape, ...] = ((2, 4, 5, 6),)) -> Refused:
    return Refused(BAD_FIELD, f"convolution_param {{ {fields} }}", bottoms=bottoms)


CONVOLUTION = LayerType(
    "Convolution",
    __doc__,
    setup,
    forward,
    backward,
    param="convolution_param",
    bottoms=ANY,
    tops="same",
    role=Role(
        "convolution",
        space="window",
        called={
            "conv": "",
            "depthwise": "with `convolution_param { group: ... }`",
            "depthwiseconv": "with `convolution_param { group: ... }`",
            "separableconv": "twice: with `convolution_param { group: ... }`, then with kernel_size: 1",
        },
    ),
    examples=(
        _example("num_output: 3 kernel_size: 3 stride: 2 pad: 1"),
        _example("num_output: 3 kernel_size: 1 bias_term: false"),
        _example("num_output: 4 kernel_size: 1 stride: 2 group: 2"),
        _example("num_output: 4 kernel_size: 3 pad: 1 group: 4"),
        _example("num_output: 2 kernel_h: 3 kernel_w: 2 pad_h: 1 pad_w: 0 stride_h: 1 stride_w: 2"),
        _example("num_output: 2 kernel_size: 2 kernel_size: 3 pad: 2 dilation: 2"),
        _example("num_output: 2 kernel_size: 3 stride: 2 padding: SAME"),
        _example("num_output: 2 kernel_size: 3 stride: 2 padding: VALID"),
        _example("num_output: 2 kernel_size: 2", inputs=(Input((2, 3, 4)), Input((2, 3, 4))), tops=2),
        _example("num_output: 2 kernel_size: 2 pad: 1 stride: 2", inputs=(Input((2, 2, 3, 4, 3)),)),
        _example("num_output: 2 kernel_size: 2 pad: 1", inputs=(Input((1, 2, 2, 3, 2, 3)),)),
        _example("num_output: 3 kernel_size: 3 axis: 2", inputs=(Input((2, 2, 3, 5)),)),
        _example("num_output: 3 kernel_size: 2 axis: -2", inputs=(Input((2, 2, 3, 5)),)),
        _example("num_output: 3 kernel_size: 1 axis: -1"),
    ),
    refuses=(
        Refused(MISSING_FIELD, "convolution_param { kernel_size: 3 }"),
        Refused(KERNEL_TOO_LARGE, "convolution_param { num_output: 2 kernel_size: 8 pad: 1 }"),
        Refused(SHAPES_DIFFER, "convolution_param { num_output: 2 kernel_size: 1 }", ((2, 3), (2, 4)), tops=2),
        _refused("num_output: 2"),
        _refused("num_output: 2 kernel_size: 0"),
        _refused("num_output: 2 kernel_h: 3"),
        _refused("num_output: 2 kernel_size: 3 kernel_h: 3 kernel_w: 3"),
        _refused("num_output: 2 kernel_size: 3 kernel_size: 3 kernel_size: 3"),
        _refused("num_output: 2 kernel_h: 3 kernel_w: 3", ((2, 4, 5),)),
        _refused("num_output: 2 kernel_size: 3 stride: 0"),
        _refused("num_output: 2 kernel_size: 3 dilation: 0"),
        _refused("num_output: 2 kernel_size: 3 pad: 1 padding: SAME"),
        _refused("num_output: 4 kernel_size: 3 group: 3"),
        _refused("num_output: 3 kernel_size: 3 group: 2"),
        _refused("num_output: 3 kernel_size: 3 group: 0"),
    ),
)

DEPTHWISE_CONVOLUTION = LayerType(
    "DepthwiseConvolution",
    DEPTHWISE,
    setup_depthwise,
    forward,
    backward,
    param="convolution_param",
    bottoms=ANY,
    tops="same",
    origin="MobileNet forks",
    aliases=("ConvolutionDepthwise", "ConvolutionDepthWise", "DepthwiseConv"),
    role=Role("convolution", space="window"),
    examples=(
        _example("num_output: 4 kernel_size: 3 pad: 1 stride: 2"),
        _example("num_output: 4 kernel_size: 3 group: 4 bias_term: false"),
        _example("num_output: 8 kernel_h: 3 kernel_w: 2 dilation: 2"),
        _example("num_output: 4 kernel_size: 2", inputs=(Input((2, 4, 5)),)),
    ),
    refuses=(
        Refused(MISSING_FIELD, "convolution_param { kernel_size: 3 }"),
        _refused("num_output: 6 kernel_size: 3"),
        _refused("num_output: 4 kernel_size: 3 group: 2"),
    ),
)
