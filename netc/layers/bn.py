"""BN: batch normalization with a factor and a shift in one layer (Ioffe & Szegedy 2015); two forks have one.

Computes:
    SegNet's, LEARN: y = scale * (x - mean) / sqrt(variance + 1e-9) + shift for each channel, mean and variance taken
    over the batch and space (the biased variance). INFERENCE: y = scale * x + shift.
    TSN's and PSPNet's: y = slope * (x - mean) / sqrt(variance + `eps`) + bias. While training mean and variance are the
    batch's, and the stored ones become `momentum` * stored + (1 - `momentum`) * the batch's; at test, and always with
    `frozen`, they are the stored ones.

Shapes:
    The top has the bottom's shape. All blobs are 1 x channels x 1 x 1: scale and shift, or slope, bias, mean and
    variance. SegNet's second and third top get the batch's mean and variance, in this shape.

Gradient:
    With x' = (x - mean) / std: dshift = the sum of dy, dscale = the sum of dy x',
    dx = scale / std * (dy - (dshift + x' dscale) / cells); INFERENCE: dx = scale * dy, dscale = the sum of dy x;
    frozen: dx = slope / std * dy.

Caffe notes:
    A layer is TSN's if it has one of the fields `slope_filler`, `bias_filler`, `momentum`, `eps` and `frozen`, SegNet's
    otherwise. SegNet's keeps no moving statistics: SegNet's tools compute them afterwards, put them into scale and
    shift, and set `bn_mode: INFERENCE`; the second and third top get no gradient. TSN's stored mean and variance are
    never learned, with `frozen` nothing is; the variance starts at 1 then, else at 0. In a TEST net that is not frozen,
    dx is the formula of training all the same, as there.
"""

from typing import Any

import numpy as np

from netc.kernels.geometry import BnGeometry
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    UNSUPPORTED,
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
from netc.role import Role
from netc.schema.declare import Enum, Message, optional

ORIGIN, TSN = "SegNet (alexgkendall/caffe-segnet)", "TSN and PSPNet (yjxiong/caffe)"
EPSILON = 1e-9
AS_TRAINING = "BN of TSN and PSPNet gives in a TEST net the gradient of training"
_TSN_FIELDS = ("slope_filler", "bias_filler", "momentum", "eps", "frozen")
PARAMETER = Message(
    "BNParameter",
    (
        optional("scale_filler", 1, "FillerParameter", doc="How the scale starts; zero if unset."),
        optional("shift_filler", 2, "FillerParameter", doc="How the shift starts; zero if unset."),
        optional("bn_mode", 3, "BNParameter.BNMode", "LEARN", "Normalize by the batch, or only scale and shift."),
        optional("slope_filler", 2001, "FillerParameter", doc="How the slope starts; zero if unset.", origin=TSN),
        optional("bias_filler", 2002, "FillerParameter", doc="How the bias starts; zero if unset.", origin=TSN),
        optional("momentum", 2003, "float", 0.9, "Share of the stored statistics that stays.", origin=TSN),
        optional("eps", 2004, "float", 1e-5, "Added to the variance.", origin=TSN),
        optional(
            "frozen", 2005, "bool", False, "Use the stored statistics in training too; learn nothing.", origin=TSN
        ),
    ),
    (Enum("BNMode", {"LEARN": 0, "INFERENCE": 1}),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) < 2 or 0 in bottom[1:]:
        site.refuse(BAD_BOTTOM_SHAPE, "needs at least num and channels, and no empty axis after num", "bottom")
    blob = (1, bottom[1], 1, 1)
    own = next((name for name in _TSN_FIELDS if p.has(name)), None)
    if own is None:
        if site.phase == "TEST" and not p.has("bn_mode"):
            message = "normalizes by the batch, as SegNet's BN with LEARN"
            help = "for stored statistics write `bn_mode: INFERENCE` (SegNet), or `eps: 1e-5` (TSN, PSPNet)"
            site.warn(BAD_FIELD, message, "bn_param", help=help)
        params: tuple[ParamBlob, ...] = (
            ParamBlob("scale", blob, p.scale_filler),
            ParamBlob("shift", blob, p.shift_filler),
        )
        learn = p.bn_mode == "LEARN"
        g, exempt = BnGeometry("batch" if learn else "none", EPSILON, None, learn), ""
    else:
        _only_tsn(site, own)
        params = (
            ParamBlob("slope", blob, p.slope_filler, learned=not p.frozen),
            ParamBlob("bias", blob, p.bias_filler, learned=not p.frozen),
            ParamBlob("mean", blob, 0.0, learned=False),
            ParamBlob("variance", blob, float(p.frozen), learned=False),
        )
        stored = p.frozen or site.phase == "TEST"
        g = BnGeometry("stored" if stored else "batch", p.eps, None if stored else p.momentum, not p.frozen)
        exempt = AS_TRAINING if stored and not p.frozen else ""
    buffers = (Buffer("normalized", bottom), Buffer("std", (bottom[1],)))
    return Setup((bottom, blob, blob)[: site.top_count], params, buffers, (), True, geometry=g, own_gradient=exempt)


def _only_tsn(site: Site, own: str) -> None:
    p = site.p
    other = next((name for name in ("scale_filler", "shift_filler", "bn_mode") if p.has(name)), None)
    if other is not None:
        site.refuse(BAD_FIELD, f"{own} is a field of TSN's and PSPNet's BN, {other} one of SegNet's", other)
    if site.top_count > 1:
        site.refuse(UNSUPPORTED, f"with {own} (TSN's and PSPNet's BN) there is one top", "top", index=1)
    if p.eps < 0 or not 0 <= p.momentum <= 1:
        site.refuse(BAD_FIELD, "eps must not be negative, and momentum between 0 and 1", "momentum", "eps")


def forward(call: Call) -> None:
    x, y, normalized = (flat(a, 1) for a in (call.bottoms[0], call.tops[0], call.buffers["normalized"]))
    g, std = call.known(BnGeometry), call.buffers["std"]
    mean, variance = _statistics(call, x)
    if g.statistics == "none":
        std[...] = 1
        normalized[...] = x
    else:
        np.sqrt(variance + std.dtype.type(g.epsilon), out=std)
        np.subtract(x, mean[:, None], out=normalized)
        np.divide(normalized, std[:, None], out=normalized)
    if g.momentum is not None:
        keep = std.dtype.type(g.momentum)
        for stored, value in zip(call.params[2:], (mean, variance), strict=True):
            stored.reshape(-1)[...] = keep * stored.reshape(-1) + (1 - keep) * value
    np.multiply(normalized, _column(call.params[0]), out=y)
    np.add(y, _column(call.params[1]), out=y)
    for top, value in zip(call.tops[1:], (mean, variance), strict=False):
        top.reshape(-1)[...] = value


def _statistics(call: Call, x: Array) -> tuple[Array, Array]:
    if call.known(BnGeometry).statistics == "stored":
        return call.params[2].reshape(-1), call.params[3].reshape(-1)
    return x.mean((0, 2)), x.var((0, 2))


def backward(call: Call) -> None:
    dy, normalized = flat(call.top_diffs[0], 1), flat(call.buffers["normalized"], 1)
    shift = dy.sum((0, 2))
    scale = np.einsum("ncs,ncs->c", dy, normalized)
    for diff, value in zip(call.param_diffs, (scale, shift), strict=False):
        if diff is not None:
            diff.reshape(-1)[...] += value
    if (bottom_diff := call.bottom_diffs[0]) is None:
        return
    dx = flat(bottom_diff, 1)
    np.copyto(dx, dy)
    if call.known(BnGeometry).centred:
        cells = dy.dtype.type(dy.shape[0] * dy.shape[2])
        dx -= (shift / cells)[:, None]
        dx -= normalized * (scale / cells)[:, None]
    dx *= _column(call.params[0]) / call.buffers["std"][:, None]


def _column(blob: Array) -> Array:
    return blob.reshape(-1, 1)


def _kept(p: Any, setup: Setup) -> dict[int, float]:
    momentum = setup.known(BnGeometry).momentum
    return {} if momentum is None else {2: momentum, 3: momentum}


_FILL = 'scale_filler { type: "uniform" min: 0.5 max: 1.5 } shift_filler { type: "gaussian" }'
_SLOPE = 'slope_filler { type: "uniform" min: 0.5 max: 1.5 } bias_filler { type: "gaussian" }'

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
    role=Role("normalization", space="same", running=_kept),
    examples=(
        Example(f"bn_param {{ {_FILL} }}"),
        Example(f"bn_param {{ bn_mode: INFERENCE {_FILL} }}"),
        Example(f"bn_param {{ {_FILL} }}", tops=3, gradient=False, note="Mean and variance get no gradient."),
        Example(f"bn_param {{ {_FILL} }}", inputs=(Input((5, 3)),)),
        Example(f"bn_param {{ {_SLOPE} momentum: 0.8 }}"),
        Example(f"bn_param {{ {_SLOPE} frozen: true eps: 0.1 }}"),
        Example(f"bn_param {{ {_SLOPE} eps: 0.1 }}", phase="TEST"),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),
        Refused(BAD_FIELD, "bn_param { frozen: true bn_mode: LEARN }"),
        Refused(BAD_FIELD, "bn_param { momentum: 2 }"),
        Refused(UNSUPPORTED, "bn_param { frozen: true }", tops=2),
    ),
)
