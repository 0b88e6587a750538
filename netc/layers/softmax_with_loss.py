"""Softmax with multinomial logistic loss (cross-entropy).

Computes:
    p = softmax of the scores along `softmax_param { axis }`; loss = -1/M sum of w log p_label over the positions whose
    label is not `ignore_label`, with p taken as at least 1.2e-38. M is the number of such positions (VALID), of all
    positions (FULL), the size of the batch (BATCH_SIZE: the axes before the classes), or 1 (NONE), and at least 1.
    With `label_smoothing` e the target is (1 - e) at the label plus e / C at every class (Szegedy et al. 2016).

Shapes:
    Bottoms: scores, and as many labels as positions. Tops: a scalar; the probabilities, in the shape of the scores.

Gradient:
    dx = weight w (p - target) / M, zero where the label is ignored. Labels take none.

Caffe notes:
    `normalize` is the legacy form: true is VALID, false BATCH_SIZE. The second top gives no gradient. Labels are
    floats, cut to integers; one that is not a class is an error. NaN in a score makes the loss NaN.
    `class_weighting` is SegNet's: with `weight_by_label_freqs: true`, w is the weight of the label's class (M counts
    positions, not weights); it needs one number for each class. Elsewhere w = 1. WeightedSoftmaxWithLoss is the same
    with a third bottom: a weight for each position, multiplied to w; it takes no gradient.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netc.kernels.geometry import SoftmaxLossGeometry
from netc.kernels.labels import LABEL_OUT_OF_RANGE, SWAPPED, class_labels
from netc.kernels.softmax import (
    cross_entropy,
    cross_entropy_gradient,
    guess_of_classes,
    normalization,
    normalizer,
    softmax,
)
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
    Refused,
    Setup,
    Shape,
    Site,
    flat,
    format_shape,
)
from netc.role import ANYTHING, Guess, Holds, Role, whole


def setup(site: Site) -> Setup:
    p, (scores, labels) = site.p, site.bottoms[:2]
    axis = site.record.softmax_param.axis
    if not -len(scores) <= axis < len(scores):
        message = f"softmax_param {{ axis: {axis} }} is out of range for scores of shape {format_shape(scores)}"
        swapped = SWAPPED if len(labels) > len(scores) else None
        site.refuse(AXIS_OUT_OF_RANGE, message, "softmax_param", help=swapped)
    axis %= len(scores)
    positions = prod(scores) // scores[axis]
    if prod(labels) != positions:
        message = f"scores of shape {format_shape(scores)} need {positions} labels, one for each position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom")
    if len(site.bottoms) > 2 and prod(site.bottoms[2]) != positions:
        message = f"needs {positions} weights, one for each position, but they are {format_shape(site.bottoms[2])}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    if not 0 <= p.label_smoothing < 1:
        site.refuse(BAD_FIELD, f"label_smoothing is {p.label_smoothing:g}: it must be in [0, 1)", "label_smoothing")
    ignore = p.ignore_label if p.has("ignore_label") else None
    g = SoftmaxLossGeometry(axis, normalization(p), ignore, _class_weights(site, scores[axis]))
    buffers = [Buffer("classes", (positions,), "int32")]
    if site.top_count < 2:
        buffers.append(Buffer("prob", scores))
    tops = ((), scores)[: max(1, site.top_count)]
    reads = ("y1",) * (len(tops) > 1) + ("x2",) * (len(site.bottoms) > 2)
    holds = (ANYTHING, whole(scores[axis]), Holds("uniform"))
    return Setup(tops=tops, buffers=tuple(buffers), reads=reads, holds=holds, geometry=g)


def _class_weights(site: Site, classes: int) -> tuple[float, ...]:
    p = site.p
    if not p.weight_by_label_freqs:
        if p.class_weighting:
            message = "class_weighting is not used without weight_by_label_freqs: true, as in SegNet"
            site.warn(BAD_FIELD, message, "class_weighting", help="add `weight_by_label_freqs: true`")
        return ()
    if len(p.class_weighting) != classes:
        message = f"class_weighting has {len(p.class_weighting)} numbers for {classes} classes"
        site.refuse(BAD_FIELD, message, "class_weighting", "weight_by_label_freqs")
    return tuple(p.class_weighting)


def forward(call: Call) -> None:
    g = call.known(SoftmaxLossGeometry)
    prob = _prob(call)
    scores = flat(call.bottoms[0], g.axis)
    found = class_labels(call.record, call.bottoms[1], scores.shape[1], g.ignore)
    call.buffers["classes"][:] = found
    softmax(scores, prob)
    classes = found.reshape(prob.shape[0], prob.shape[2])
    loss = cross_entropy(prob, classes, _weights(call, classes), call.p.label_smoothing)
    call.tops[0][...] = loss / _divisor(g, classes)


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    g = call.known(SoftmaxLossGeometry)
    prob = _prob(call)
    classes = call.buffers["classes"].reshape(prob.shape[0], prob.shape[2])
    weights = _weights(call, classes) * (call.top_diffs[0].item() / _divisor(g, classes))
    cross_entropy_gradient(prob, classes, weights, call.p.label_smoothing, flat(dx, g.axis))


def _prob(call: Call) -> Array:
    return flat(call.tops[1] if len(call.tops) > 1 else call.buffers["prob"], call.known(SoftmaxLossGeometry).axis)


def _weights(call: Call, classes: Array) -> Array:
    """The weight of each position: that of its class, times its own; 0 where the label is ignored."""
    g = call.known(SoftmaxLossGeometry)
    weights = np.array(g.weights)[classes] if g.weights else np.ones(classes.shape)
    if len(call.bottoms) > 2:
        weights = weights * call.bottoms[2].reshape(classes.shape)
    return np.where(classes < 0, 0.0, weights)


def _divisor(g: SoftmaxLossGeometry, classes: Array) -> float:
    return normalizer(g.mode, classes.shape[0], classes.shape[1], int(np.count_nonzero(classes >= 0)))


def _guess(record: Any, bottoms: Sequence[Shape]) -> Guess | None:
    return guess_of_classes(record, bottoms, record.softmax_param.axis)


_IMAGE = (Input((2, 5, 3, 4)), Input((2, 1, 3, 4), "labels", 0, 5))
_ROWS = (Input((6, 7)), Input((6,), "labels", 0, 7))

_CALLED = ("crossentropy", "crossentropyloss", "softmaxcrossentropy", "softmaxcrossentropyloss", "softmaxloss")

SOFTMAX_WITH_LOSS = LayerType(
    "SoftmaxWithLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="loss_param",
    also=("softmax_param",),
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    codes=(LABEL_OUT_OF_RANGE,),
    aliases=("SoftmaxLoss",),
    role=Role(
        "loss",
        judges="Softmax",
        guess=_guess,
        called={
            "categoricalcrossentropy": "",
            "crossentropy": "",
            "sparsecategoricalcrossentropy": "",
            "crossentropyloss": "",
            "softmaxcrossentropy": "",
            "softmaxcrossentropyloss": "",
            "softmaxloss": "",
        },
    ),
    examples=(
        Example(inputs=_ROWS),
        Example("loss_weight: 0.3 loss_param { ignore_label: 2 }", inputs=_IMAGE),
        Example("loss_param { ignore_label: 1 normalization: FULL }", inputs=_IMAGE),
        Example("loss_param { ignore_label: 1 normalization: BATCH_SIZE }", inputs=_IMAGE),
        Example("loss_param { ignore_label: 1 normalization: NONE }", inputs=_IMAGE),
        Example("loss_param { normalize: false }", inputs=_IMAGE),
        Example("softmax_param { axis: -1 }", inputs=(Input((2, 3, 4)), Input((2, 3), "labels", 0, 4))),
        Example("loss_param { label_smoothing: 0.1 ignore_label: 2 }", inputs=_IMAGE),
        Example(
            "loss_param { weight_by_label_freqs: true class_weighting: [0.5, 2, 1] }",
            inputs=(Input((4, 3)), Input((4,), "labels", 0, 3)),
        ),
        Example(inputs=_ROWS, tops=2, gradient=False, note="The second top gives no gradient, as in Caffe."),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (5,))),
        Refused(AXIS_OUT_OF_RANGE, "softmax_param { axis: 2 }", bottoms=((4, 3), (4,))),
        Refused(BAD_FIELD, "loss_param { label_smoothing: 1 }", bottoms=((4, 3), (4,))),
        Refused(
            BAD_FIELD, "loss_param { weight_by_label_freqs: true class_weighting: [1, 2] }", bottoms=((4, 3), (4,))
        ),
    ),
)

WEIGHTED_SOFTMAX_WITH_LOSS = LayerType(
    "WeightedSoftmaxWithLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="loss_param",
    also=("softmax_param",),
    bottoms=Arity(3, 3),
    tops=Arity(1, 2),
    differentiable=(True, False, False),
    loss=True,
    auto_tops=True,
    origin="netc",
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss", judges="Softmax"),
    examples=(
        Example(inputs=(*_ROWS, Input((6,), "uniform", 0, 2))),
        Example(
            "loss_param { ignore_label: 2 label_smoothing: 0.1 weight_by_label_freqs: true "
            "class_weighting: [0.5, 2, 1, 1, 3] }",
            inputs=(*_IMAGE, Input((2, 1, 3, 4), "uniform", 0, 2)),
        ),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4,), (3,))),),
)
