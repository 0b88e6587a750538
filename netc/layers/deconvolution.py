"""Deconvolution (transposed convolution, also "fractionally strided").

Computes:
    The adjoint of Convolution: each bottom value, times the kernel, is added to the top where Convolution with the same
    fields would have read it: y[n, o, q * stride - pad + k * dilation] += W[c, o, k] * x[n, c, q], then + b[o].
    With `group` and a bilinear filler it is bilinear upsampling.

Shapes:
    The channels at `axis` become `num_output`, each spatial axis stride * (size - 1) + dilation * (kernel - 1) + 1 -
    2 pad. Several bottoms of one shape give as many tops. Weights: channels x num_output / group x kernel.

Gradient:
    dx = W im2col(dy), dW = x im2col(dy)^T, db = the sum of dy over batch and space.

Caffe notes:
    Weights keep the bottom's channels first, unlike Convolution's. `num_output` and the channels must both be multiples
    of `group`.
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
from netc.kernels.windows import WindowError, convolution_axes, positions
from netc.layer import (
    ANY,
    BAD_FIELD,
    KERNEL_TOO_LARGE,
    MISSING_FIELD,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
    same_shape,
)
from netc.role import Role
from netc.setups.convolution import check_groups, convolved


def setup(site: Site) -> Setup:
    p, bottom = site.p, same_shape(site)
    axis = site.axis(p.axis)
    channels, spatial = bottom[axis], bottom[axis + 1 :]
    check_groups(site, channels, p.group)
    try:
        axes = convolution_axes(p, spatial, transposed=True)
    except WindowError as error:
        site.refuse(BAD_FIELD, str(error), error.field)
    top = (*bottom[:axis], p.num_output, *(a.size for a in axes))
    if any(a.size < 1 for a in axes):
        message = f"pad leaves nothing of the top: it would be {format_shape(top)}"
        site.refuse(KERNEL_TOO_LARGE, message, "pad", "pad_h", "pad_w")
    g = ConvolutionGeometry(prod(bottom[:axis]), p.group, channels, Columns(p.num_output, axes))
    return convolved(site, g, top, transposed=True)


def forward(call: Call) -> None:
    g = call.known(ConvolutionGeometry)
    weights, scratch = call.params[0].reshape(g.weights), call.buffers.get("columns")
    for bottom, top in zip(call.bottoms, call.tops, strict=True):
        x = bottom.reshape(g.batch, g.filters, positions(g.columns.axes))
        correlate_back(x, weights, top.reshape(g.batch, -1), g.columns, scratch)
        if len(call.params) > 1:
            y = top.reshape(g.batch, g.columns.channels, -1)
            np.add(y, call.params[1][:, None], out=y)


def backward(call: Call) -> None:
    g = call.known(ConvolutionGeometry)
    weights, scratch = call.params[0].reshape(g.weights), call.buffers.get("columns")
    dw = call.param_diffs[0]
    db = call.param_diffs[1] if len(call.params) > 1 else None
    shape = (g.batch, g.filters, positions(g.columns.axes))
    for bottom, dx, top_diff in zip(call.bottoms, call.bottom_diffs, call.top_diffs, strict=True):
        dy = top_diff.reshape(g.batch, -1)
        if db is not None:
            db += dy.reshape(g.batch, g.columns.channels, -1).sum((0, 2))
        if dw is not None:
            correlate_weights(dy, bottom.reshape(shape), dw.reshape(g.weights), g.columns, scratch)
        if dx is not None:
            correlate(dy, weights, dx.reshape(shape), g.columns, scratch)


_FILL = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.3 }'
_SMALL = (Input((2, 4, 3, 4)),)


def _example(fields: str, inputs: tuple[Input, ...] = _SMALL, tops: int = 1) -> Example:
    return Example(f"convolution_param {{ {fields} {_FILL} }}", inputs=inputs, tops=tops)


def _refused(fields: str) -> Refused:
    return Refused(BAD_FIELD, f"convolution_param {{ {fields} }}", bottoms=((2, 4, 3, 4),))


DECONVOLUTION = LayerType(
    "Deconvolution",
    __doc__,
    setup,
    forward,
    backward,
    param="convolution_param",
    bottoms=ANY,
    tops="same",
    role=Role(
        "convolution",
        space="transposed",
        called=dict.fromkeys(("convtranspose", "deconv", "transposedconvolution", "upsampling"), ""),
    ),
    examples=(
        _example("num_output: 3 kernel_size: 3 stride: 2 pad: 1"),
        Example(
            "convolution_param { num_output: 4 group: 4 kernel_size: 4 stride: 2 pad: 1 bias_term: false "
            'weight_filler { type: "bilinear" } }',
            inputs=_SMALL,
        ),
        _example("num_output: 6 kernel_size: 2 group: 2 dilation: 2"),
        _example("num_output: 3 kernel_size: 1"),
        _example("num_output: 2 kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 1 bias_term: false"),
        _example("num_output: 2 kernel_size: 3 stride: 2", inputs=(Input((2, 3, 4)), Input((2, 3, 4))), tops=2),
        _example("num_output: 2 kernel_size: 2 pad: 1 stride: 2", inputs=(Input((2, 2, 3, 2, 3)),)),
    ),
    refuses=(
        Refused(MISSING_FIELD, "convolution_param { kernel_size: 3 }"),
        Refused(KERNEL_TOO_LARGE, "convolution_param { num_output: 2 kernel_size: 2 pad: 3 }", bottoms=((2, 4, 3, 4),)),
        _refused("num_output: 2"),
        _refused("num_output: 2 kernel_size: 3 padding: SAME"),
        _refused("num_output: 4 kernel_size: 3 group: 3"),
        _refused("num_output: 3 kernel_size: 3 group: 2"),
    ),
)
