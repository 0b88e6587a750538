"""BN: batch normalization with scale and shift in one layer, as SegNet has it (Ioffe & Szegedy 2015).

Computes:
    LEARN: y = scale * (x - mean) / sqrt(variance + 1e-9) + shift for each channel, mean and variance taken over the
    batch and space (the biased variance). INFERENCE: y = scale * x + shift.

Shapes:
    The top has the bottom's shape; a second and third top get the batch's mean and variance, 1 x channels x 1 x 1.
    Both parameters are 1 x channels x 1 x 1.

Gradient:
    With x' = (x - mean) / std: dshift = the sum of dy, dscale = the sum of dy x',
    dx = scale / std * (dy - (dshift + x' dscale) / cells); INFERENCE: dx = scale * dy, dscale = the sum of dy x.

Caffe notes:
    A layer of the SegNet fork. It keeps no moving statistics: SegNet's tools compute them afterwards, put them into
    scale and shift, and set `bn_mode: INFERENCE`. The second and third top get no gradient.
"""

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    ParamBlob,
    Refused,
    Setup,
    Site,
    flat,
)
from netc.schema.declare import Enum, Message, optional

ORIGIN = "SegNet (alexgkendall/caffe-segnet)"
EPSILON = 1e-9
PARAMETER = Message(
    "BNParameter",
    (
        optional("scale_filler", 1, "FillerParameter", doc="How the scale starts; zero if unset."),
        optional("shift_filler", 2, "FillerParameter", doc="How the shift starts; zero if unset."),
        optional("bn_mode", 3, "BNParameter.BNMode", "LEARN", "Normalize by the batch, or only scale and shift."),
    ),
    (Enum("BNMode", {"LEARN": 0, "INFERENCE": 1}),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    if len(bottom) < 2 or 0 in bottom:
        site.refuse(BAD_BOTTOM_SHAPE, "needs at least num and channels, and none of them empty", "bottom")
    blob = (1, bottom[1], 1, 1)
    return Setup(
        tops=(bottom, blob, blob)[: site.top_count],
        params=(ParamBlob("scale", blob, site.p.scale_filler), ParamBlob("shift", blob, site.p.shift_filler)),
        buffers=(Buffer("normalized", bottom), Buffer("std", (bottom[1],))),
        reads=(),
        in_place=True,
    )


def forward(call: Call) -> None:
    x, y, normalized = (flat(a, 1) for a in (call.bottoms[0], call.tops[0], call.buffers["normalized"]))
    mean, variance = x.mean((0, 2)), x.var((0, 2))
    std = call.buffers["std"]
    if call.p.bn_mode == "LEARN":
        np.sqrt(variance + std.dtype.type(EPSILON), out=std)
        np.subtract(x, mean[:, None], out=normalized)
        np.divide(normalized, std[:, None], out=normalized)
    else:
        std[...] = 1
        normalized[...] = x
    np.multiply(normalized, _column(call.params[0]), out=y)
    np.add(y, _column(call.params[1]), out=y)
    for top, value in zip(call.tops[1:], (mean, variance), strict=False):
        top.reshape(-1)[...] = value


def backward(call: Call) -> None:
    dy, normalized = flat(call.top_diffs[0], 1), flat(call.buffers["normalized"], 1)
    shift = dy.sum((0, 2))
    scale = np.einsum("ncs,ncs->c", dy, normalized)
    for diff, value in zip(call.param_diffs, (scale, shift), strict=True):
        if diff is not None:
            diff.reshape(-1)[...] += value
    if (bottom_diff := call.bottom_diffs[0]) is None:
        return
    dx = flat(bottom_diff, 1)
    np.copyto(dx, dy)
    if call.p.bn_mode == "LEARN":
        cells = dy.dtype.type(dy.shape[0] * dy.shape[2])
        dx -= (shift / cells)[:, None]
        dx -= normalized * (scale / cells)[:, None]
    dx *= _column(call.params[0]) / call.buffers["std"][:, None]


def _column(blob: Array) -> Array:
    return blob.reshape(-1, 1)


_FILL = 'scale_filler { type: "uniform" min: 0.5 max: 1.5 } shift_filler { type: "gaussian" }'

BN = LayerType(
    "BN",
    __doc__,
    setup,
    forward,
    backward,
    param="bn_param",
    own=Param(optional("bn_param", 2137, "BNParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    tops=Arity(1, 3),
    examples=(
        Example(f"bn_param {{ {_FILL} }}"),
        Example(f"bn_param {{ bn_mode: INFERENCE {_FILL} }}"),
        Example(f"bn_param {{ {_FILL} }}", tops=3, gradient=False, note="Mean and variance get no gradient."),
        Example(f"bn_param {{ {_FILL} }}", inputs=(Input((5, 3)),)),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),),
)
