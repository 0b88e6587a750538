"""Softmax with focal loss (Lin et al. 2017): cross-entropy that counts easy examples less.

Computes:
    p = softmax of the scores along `softmax_param { axis }`; loss = -1/M sum of alpha w (1 - p_label)^gamma
    log max(p_label, 1.2e-38) over the positions whose label is not `ignore_label`. M, and the weight w of a class by
    `class_weighting`, are as in SoftmaxWithLoss (`loss_param`). Labels count along `focal_loss_param { axis }`.

Shapes:
    Bottoms: scores, and as many labels as positions. Tops: a scalar; the probabilities, in the shape of the scores.

Gradient:
    dx_c = weight alpha w (gamma p (1 - p)^(gamma - 1) log p - (1 - p)^gamma) ([c = label] - p_c) / M with p = p_label,
    0 where the label is ignored. Labels take none.

Caffe notes:
    The layer is chuanqi305's, who registers it as FocalLoss. With gamma 0 and alpha 1 it is SoftmaxWithLoss. FocalLoss
    takes its two axes from two messages, as there, each 1 if left out; where they differ, the scores are normalized
    along one and labels count along the other, and the gradient is the formula above all the same. SoftmaxFocalLoss
    without `focal_loss_param { axis }` has one axis, that of the softmax. A label that is not a class is an error. The
    second top gives no gradient. NaN in a score makes the loss NaN.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.kernels.softmax import TINY, normalization, normalizer, picked, softmax
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    flat,
    format_shape,
)
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Field, Message, optional

ORIGIN = "FocalLoss (chuanqi305/FocalLoss)"
OWN = Param(
    Field("focal_loss_param", 2108, "FocalLossParameter", "Fields of SoftmaxFocalLoss layers.", origin=ORIGIN),
    (
        Message(
            "FocalLossParameter",
            (
                optional("gamma", 1, "float", 2.0, "How much less an easy example counts; 0: not at all."),
                optional("alpha", 2, "float", 0.25, "Factor of the loss."),
                optional("axis", 3, "int32", 1, "The axis along which labels count."),
            ),
            doc="Cross-entropy that counts easy examples less.",
            origin=ORIGIN,
        ),
    ),
)


TWO_AXES = "FocalLoss normalizes the scores along another axis than that of the labels"


@dataclass(frozen=True, slots=True)
class Geometry:
    """The axis of the classes and that of the softmax, what the loss is divided by, and the weights of the classes
    (empty: 1)."""

    axis: int
    normalized: int
    mode: str
    ignore: int | None
    weights: tuple[float, ...]


def setup(site: Site) -> Setup:
    p, loss, (scores, labels) = site.p, site.record.loss_param, site.bottoms
    own = "focal_loss_param" if site.record.type == "FocalLoss" or p.has("axis") else "softmax_param"
    axis, normalized = _axis(site, own), _axis(site, "softmax_param")
    if axis != normalized:
        site.warn(BAD_FIELD, f"labels count along axis {axis}, but the softmax is along axis {normalized}", own)
    positions = prod(scores) // scores[axis]
    if prod(labels) != positions:
        message = f"scores of shape {format_shape(scores)} need {positions} labels, one a position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom")
    if p.gamma < 0:
        site.refuse(BAD_FIELD, f"gamma is {p.gamma:g}: it must not be negative", "gamma")
    if loss.class_weighting and len(loss.class_weighting) != scores[axis]:
        message = f"class_weighting has {len(loss.class_weighting)} numbers for {scores[axis]} classes"
        site.refuse(BAD_FIELD, message, "loss_param")
    ignore = loss.ignore_label if loss.has("ignore_label") else None
    g = Geometry(axis, normalized, normalization(loss), ignore, tuple(loss.class_weighting))
    buffers = (Buffer("classes", (positions,), "int32"), Buffer("prob", scores))
    tops, exempt = ((), scores)[: max(1, site.top_count)], TWO_AXES if axis != normalized else ""
    return Setup(
        tops=tops, buffers=buffers, reads=(), holds=(ANYTHING, whole(scores[axis])), geometry=g, own_gradient=exempt
    )


def _axis(site: Site, param: str) -> int:
    """The axis that a message of the layer gives, counted from 0."""
    scores, axis = site.bottoms[0], int(getattr(site.record, param).axis)
    if not -len(scores) <= axis < len(scores):
        message = f"{param} {{ axis: {axis} }} is out of range for scores of shape {format_shape(scores)}"
        site.refuse(AXIS_OUT_OF_RANGE, message, param)
    return axis % len(scores)


def _factors(call: Call, classes: Array) -> Array:
    """alpha w / M for each position; 0 where the label is ignored."""
    g = call.known(Geometry)
    weights = np.array(g.weights)[classes] if g.weights else np.ones(classes.shape)
    divisor = normalizer(g.mode, classes.shape[0], classes.shape[1], int(np.count_nonzero(classes >= 0)))
    factors: Array = np.where(classes < 0, 0.0, weights) * (call.p.alpha / divisor)
    return factors


def forward(call: Call) -> None:
    g = call.known(Geometry)
    softmax(flat(call.bottoms[0], g.normalized), flat(call.buffers["prob"], g.normalized))
    prob = flat(call.buffers["prob"], g.axis)
    found = class_labels(call.record, call.bottoms[1], prob.shape[1], g.ignore)
    call.buffers["classes"][:] = found
    classes = found.reshape(prob.shape[0], prob.shape[2])
    own = picked(prob, classes)
    terms = (1 - own) ** call.p.gamma * np.log(np.maximum(own, TINY)) * _factors(call, classes)
    call.tops[0][...] = -terms[classes >= 0].sum(dtype=np.float64)
    if len(call.tops) > 1:
        np.copyto(call.tops[1], call.buffers["prob"])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    axis = call.known(Geometry).axis
    prob, gamma = flat(call.buffers["prob"], axis), call.p.gamma
    classes = call.buffers["classes"].reshape(prob.shape[0], prob.shape[2])
    own = np.maximum(picked(prob, classes), TINY)
    rest = np.maximum(1 - own, TINY)
    slope = gamma * own * rest ** (gamma - 1) * np.log(own) - rest**gamma
    slope *= _factors(call, classes) * call.top_diffs[0].item()
    label = np.arange(prob.shape[1])[:, None] == classes[:, None, :]
    diff = slope[:, None, :] * (label - prob)
    flat(dx, axis)[...] = np.where((classes >= 0)[:, None, :], diff, 0)


_IMAGE = (Input((2, 5, 3, 4)), Input((2, 1, 3, 4), "labels", 0, 5))
_ROWS = (Input((6, 3)), Input((6,), "labels", 0, 3))

SOFTMAX_FOCAL_LOSS = LayerType(
    "SoftmaxFocalLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="focal_loss_param",
    also=(
        "loss_param",
        "softmax_param",
    ),
    own=OWN,
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    origin=ORIGIN,
    aliases=("FocalLoss",),
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss", judges="Softmax"),
    examples=(
        Example(inputs=_ROWS),
        Example("focal_loss_param { gamma: 0 alpha: 1 } loss_param { ignore_label: 2 }", inputs=_IMAGE),
        Example("focal_loss_param { gamma: 0.5 } loss_param { normalization: BATCH_SIZE }", inputs=_IMAGE),
        Example("loss_param { class_weighting: [0.5, 2, 1] normalization: NONE }", inputs=_ROWS),
        Example("focal_loss_param { axis: -1 }", inputs=(Input((4, 2, 3)), Input((4, 2), "labels", 0, 3))),
        Example("softmax_param { axis: 0 }", inputs=(Input((4, 3)), Input((3,), "labels", 0, 4))),
        Example(inputs=_ROWS, tops=2, gradient=False, note="The second top gives no gradient, as in SoftmaxWithLoss."),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (5,))),
        Refused(AXIS_OUT_OF_RANGE, "softmax_param { axis: 2 }", bottoms=((4, 3), (4,))),
        Refused(AXIS_OUT_OF_RANGE, "focal_loss_param { axis: -3 }", bottoms=((4, 3), (4,))),
        Refused(BAD_FIELD, "focal_loss_param { gamma: -1 }", bottoms=((4, 3), (4,))),
        Refused(BAD_FIELD, "loss_param { class_weighting: 1 }", bottoms=((4, 3), (4,))),
    ),
)
