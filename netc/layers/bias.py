"""Bias: a sum with a learned or given blob.

Computes:
    y = x + b, with b spread over the axes of x that it does not have. b is a learned blob of the bottom's shape from
    `axis` on, `num_axes` axes long (-1: to the end, 0: one number), or the second bottom, matched from `axis`.

Shapes:
    The top has the first bottom's shape. Blob: bias, if there is one bottom.

Gradient:
    dx = dy; db = the sum of dy over the axes that b does not have.

Caffe notes:
    A learned bias starts at 0 unless there is a filler. With two bottoms `num_axes` is ignored.
"""

import numpy as np

from netc.kernels.channels import channel_sums
from netc.kernels.geometry import Folded
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    ParamBlob,
    Refused,
    Setup,
    Site,
)
from netc.role import Role
from netc.setups.scaled import scaled


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    learned = len(site.bottoms) == 1
    shape, view = scaled(site)
    return Setup(
        tops=(bottom,),
        params=(ParamBlob("bias", shape, site.p.filler),) if learned else (),
        reads=(),
        in_place=True,
        geometry=view,
    )


def forward(call: Call) -> None:
    view = call.known(Folded)
    bias = call.params[0] if len(call.bottoms) == 1 else call.bottoms[1]
    np.add(call.bottoms[0].reshape(view), bias.reshape(1, -1, 1), out=call.tops[0].reshape(view))


def backward(call: Call) -> None:
    view = call.known(Folded)
    dy = call.top_diffs[0].reshape(view)
    learned = len(call.bottoms) == 1
    db = call.param_diffs[0] if learned else call.bottom_diffs[1]
    if db is not None:
        total = np.empty(view.middle)
        channel_sums(dy, total)
        if learned:
            db += total.reshape(db.shape)
        else:
            db[...] = total.reshape(db.shape)
    if (dx := call.bottom_diffs[0]) is not None:
        np.copyto(dx.reshape(view), dy)


BIAS = LayerType(
    "Bias",
    __doc__,
    setup,
    forward,
    backward,
    param="bias_param",
    bottoms=Arity(1, 2),
    role=Role("normalization", space="same"),
    examples=(
        Example('bias_param { filler { type: "uniform" min: -1 max: 1 } }'),
        Example('bias_param { axis: 2 num_axes: 2 filler { type: "uniform" min: -1 max: 1 } }'),
        Example("bias_param { axis: -3 num_axes: -1 filler { value: 0.5 } }"),
        Example("bias_param { num_axes: 0 }"),
        Example("bias_param { axis: 1 }", inputs=(Input((2, 3, 4, 5)), Input((3, 4)))),
        Example("bias_param { axis: 0 }", inputs=(Input((2, 3)), Input((2, 3)))),
        Example(inputs=(Input((2, 3)), Input(()))),
    ),
    refuses=(
        Refused(BAD_FIELD, "bias_param { num_axes: -3 }"),
        Refused(BAD_FIELD, "bias_param { axis: 3 num_axes: 2 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (4,))),
    ),
)
