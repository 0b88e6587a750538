"""Scale: a product with a learned or given blob, and optionally a bias.

Computes:
    y = s x (+ b), with s (and b) spread over the axes of x that it does not have. s is a learned blob of the bottom's
    shape from `axis` on, `num_axes` axes long (-1: to the end, 0: one number), or the second bottom, matched from
    `axis` on.

Shapes:
    The top has the first bottom's shape. Blobs: scale (if there is one bottom), then bias with `bias_term`.

Gradient:
    dx = s dy; ds = the sum of dy x, and db = the sum of dy, over the axes that s does not have.

Caffe notes:
    Learned scales start at 1, biases at 0, unless there are fillers. With two bottoms `num_axes` is ignored and the
    bias has the second bottom's shape. The bottom is kept for the gradient of s.
"""

import numpy as np

from netc.kernels.channels import channel_dots, channel_sums
from netc.kernels.geometry import Folded
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
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
    p, bottom = site.p, site.bottoms[0]
    shape, view = scaled(site)
    params = []
    if len(site.bottoms) == 1:
        params.append(ParamBlob("scale", shape, p.filler if p.has("filler") else 1.0))
    if p.bias_term:
        params.append(ParamBlob("bias", shape, p.bias_filler))
    return Setup(
        tops=(bottom,),
        params=tuple(params),
        reads=("x",),
        in_place=True,
        geometry=view,
    )


def _scale(call: Call) -> Array:
    return (call.params[0] if len(call.bottoms) == 1 else call.bottoms[1]).reshape(1, -1, 1)


def forward(call: Call) -> None:
    view = call.known(Folded)
    x, y = call.bottoms[0].reshape(view), call.tops[0].reshape(view)
    np.multiply(x, _scale(call), out=y)
    if call.p.bias_term:
        y += call.params[-1].reshape(1, -1, 1)


def backward(call: Call) -> None:
    view = call.known(Folded)
    x, dy = call.bottoms[0].reshape(view), call.top_diffs[0].reshape(view)
    learned = len(call.bottoms) == 1
    total = np.empty(view.middle)
    if call.p.bias_term and (db := call.param_diffs[-1]) is not None:
        channel_sums(dy, total)
        db += total.reshape(db.shape)
    ds = call.param_diffs[0] if learned else call.bottom_diffs[1]
    if ds is not None:
        channel_dots(dy, x, total)
        if learned:
            ds += total.reshape(ds.shape)
        else:
            ds[...] = total.reshape(ds.shape)
    if (dx := call.bottom_diffs[0]) is not None:
        np.multiply(dy, _scale(call), out=dx.reshape(view))


_UNIFORM = 'type: "uniform" min: 0.5 max: 1.5'

SCALE = LayerType(
    "Scale",
    __doc__,
    setup,
    forward,
    backward,
    param="scale_param",
    bottoms=Arity(1, 2),
    role=Role("normalization", space="same"),
    examples=(
        Example(f"scale_param {{ filler {{ {_UNIFORM} }} bias_term: true bias_filler {{ value: 0.1 }} }}"),
        Example(f"scale_param {{ axis: 2 num_axes: 2 filler {{ {_UNIFORM} }} }}"),
        Example(f"scale_param {{ num_axes: -1 bias_term: true filler {{ {_UNIFORM} }} }}"),
        Example(f"scale_param {{ axis: -1 filler {{ {_UNIFORM} }} }}"),
        Example(f"scale_param {{ num_axes: 0 bias_term: true filler {{ {_UNIFORM} }} }}"),
        Example("scale_param { axis: 1 }", inputs=(Input((2, 3, 4, 5)), Input((3, 4)))),
        Example("scale_param { axis: 0 bias_term: true }", inputs=(Input((2, 3, 4)), Input((2,)))),
        Example("scale_param { axis: 0 }", inputs=(Input((2, 3)), Input((2, 3)))),
        Example(inputs=(Input((2, 3)), Input(()))),
    ),
    refuses=(
        Refused(BAD_FIELD, "scale_param { num_axes: -2 }"),
        Refused(BAD_FIELD, "scale_param { axis: 3 num_axes: 2 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (4,))),
    ),
)
