"""Multinomial logistic loss of probabilities that are given (SoftmaxWithLoss takes scores, and is more exact).

Computes:
    loss = -1/N sum of log max(p_label, 1e-20).

Shapes:
    Bottoms: probabilities (N x ...: all axes after the first are classes), N labels. The top is a scalar.

Gradient:
    dp_label = -weight / (N max(p_label, 1e-20)), 0 for other classes. Labels take none.

Caffe notes:
    Labels are floats, cut to integers; one that is not a class is an error. NaN in a label's probability makes the
    loss NaN.
"""

from math import prod

import numpy as np

from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.kernels.softmax import guess_of_classes
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Holds, Role, whole

_LEAST = 1e-20


def setup(site: Site) -> Setup:
    prob, labels = site.bottoms
    if not prob or prod(labels) != prob[0]:
        message = f"probabilities of shape {format_shape(prob)} need one label an image, but the labels are "
        site.refuse(BAD_BOTTOM_SHAPE, message + format_shape(labels), "bottom")
    holds = (Holds("probabilities"), whole(prod(prob[1:])))
    return Setup(tops=((),), buffers=(Buffer("classes", (prob[0],), "int32"),), reads=("x0",), holds=holds)


def forward(call: Call) -> None:
    prob = call.bottoms[0].reshape(call.bottoms[0].shape[0], -1)
    classes = class_labels(call.record, call.bottoms[1], prob.shape[1])
    call.buffers["classes"][:] = classes
    terms = np.log(np.maximum(prob[np.arange(len(prob)), classes], _LEAST))
    call.tops[0][...] = -terms.sum(dtype=np.float64) / len(prob)


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    prob = call.bottoms[0].reshape(call.bottoms[0].shape[0], -1)
    at = np.arange(len(prob)), call.buffers["classes"]
    dx[...] = 0
    dx.reshape(prob.shape)[at] = -call.top_diffs[0].item() / len(prob) / np.maximum(prob[at], _LEAST)


MULTINOMIAL_LOGISTIC_LOSS = LayerType(
    "MultinomialLogisticLoss",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss", guess=guess_of_classes, advice="a probability is not finite; SoftmaxWithLoss is the stable form"),
    examples=(
        Example(inputs=(Input((6, 7), "probabilities"), Input((6,), "labels", 0, 7))),
        Example("loss_weight: 2", inputs=(Input((3, 4, 1, 1), "probabilities"), Input((3, 1, 1, 1), "labels", 0, 4))),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4, 2))),),
)
