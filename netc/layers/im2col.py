"""Windows as channels: what Convolution multiplies by its weights, as a top of its own.

Computes:
    y[n, (c, k), q] = x[n, c, q * stride - pad + k * dilation], 0 in the padding, for every kernel cell k and window q.

Shapes:
    The channels at `axis` are multiplied by the number of kernel cells; each spatial axis becomes its number of
    windows, as in Convolution.

Gradient:
    dx is the sum of dy over the windows that see a cell (col2im).

Caffe notes:
    The fields are Convolution's; `num_output`, `group` and the fillers mean nothing here.
"""

from dataclasses import dataclass
from math import prod

from netc.kernels.im2col import Columns
from netc.kernels.windows import WindowError, convolution_axes, overhang
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    KERNEL_TOO_LARGE,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    Window,
)
from netc.role import Role


@dataclass(frozen=True, slots=True)
class Geometry:
    """Batch size and the columns of one image."""

    batch: int
    columns: Columns


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    axis = site.axis(site.p.axis)
    if axis + 1 == len(bottom):
        site.refuse(BAD_BOTTOM_SHAPE, "needs at least one spatial axis after the channel axis", "axis")
    try:
        axes = convolution_axes(site.p, bottom[axis + 1 :])
    except WindowError as error:
        site.refuse(KERNEL_TOO_LARGE if error.too_large else BAD_FIELD, str(error), error.field)
    if message := overhang(axes):
        site.warn(KERNEL_TOO_LARGE, message, "kernel_size", "kernel_h", "kernel_w")
    columns = Columns(bottom[axis], axes)
    return Setup(
        tops=((*bottom[:axis], columns.shape[0], *(a.out for a in axes)),),
        reads=(),
        window=Window(
            tuple(a.kernel for a in axes),
            tuple(a.stride for a in axes),
            tuple(a.before for a in axes),
            tuple(a.dilation for a in axes),
        ),
        geometry=Geometry(prod(bottom[:axis]), columns),
    )


def forward(call: Call) -> None:
    g = call.known(Geometry)
    for x, y in zip(call.bottoms[0].reshape(g.batch, -1), call.tops[0].reshape(g.batch, -1), strict=True):
        columns = g.columns.gather(x, y)
        if g.columns.same:
            y[:] = columns.ravel()


def backward(call: Call) -> None:
    g = call.known(Geometry)
    if (diff := call.bottom_diffs[0]) is None:
        return
    for dx, dy in zip(diff.reshape(g.batch, -1), call.top_diffs[0].reshape(g.batch, -1), strict=True):
        g.columns.spread(dy, dx)


IM2COL = LayerType(
    "Im2col",
    __doc__,
    setup,
    forward,
    backward,
    param="convolution_param",
    role=Role("convolution", space="window"),
    examples=(
        Example("convolution_param { kernel_size: 3 pad: 1 stride: 2 }"),
        Example("convolution_param { kernel_h: 2 kernel_w: 3 dilation: 1 dilation: 2 }", inputs=(Input((2, 2, 4, 6)),)),
        Example("convolution_param { kernel_size: 1 }"),
        Example("convolution_param { kernel_size: 2 axis: 0 }", inputs=(Input((2, 3, 3, 2)),)),
    ),
    refuses=(
        Refused(BAD_FIELD, "convolution_param { pad: 1 }"),
        Refused(KERNEL_TOO_LARGE, "convolution_param { kernel_size: 6 }"),
        Refused(BAD_BOTTOM_SHAPE, "convolution_param { kernel_size: 1 axis: 3 }"),
    ),
)
