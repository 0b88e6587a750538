"""Hinge loss, one class against all others.

Computes:
    m_c = max(0, 1 + x_c), and max(0, 1 - x_c) for the label's class; loss = 1/N sum of m (L1), or of m^2 (L2).

Shapes:
    Bottoms: scores (N x ...: all axes after the first are classes), N labels. The top is a scalar.

Gradient:
    dx_c = s weight / N where m_c > 0 (L1), 2 s weight m_c / N (L2), with s = -1 for the label's class and 1 elsewhere.
    Labels take none.

Caffe notes:
    Labels are floats, cut to integers; one that is not a class is an error. NaN in a score makes the loss NaN.
"""

from math import prod

import numpy as np

from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Array,
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
from netc.role import ANYTHING, Role, whole


def setup(site: Site) -> Setup:
    scores, labels = site.bottoms
    if not scores or prod(labels) != scores[0]:
        message = f"scores of shape {format_shape(scores)} need one label an image, but the labels are "
        site.refuse(BAD_BOTTOM_SHAPE, message + format_shape(labels), "bottom")
    classes = prod(scores[1:])
    buffers = (Buffer("classes", (scores[0],), "int32"),)
    return Setup(tops=((),), buffers=buffers, reads=("x0",), holds=(ANYTHING, whole(classes)))


def _margins(call: Call) -> tuple[Array, Array]:
    """The margins, and the sign of each score in them."""
    scores = call.bottoms[0].reshape(call.bottoms[0].shape[0], -1)
    sign = np.ones_like(scores)
    sign[np.arange(len(scores)), call.buffers["classes"]] = -1
    return np.maximum(0, 1 + sign * scores), sign


def forward(call: Call) -> None:
    num = call.bottoms[0].shape[0]
    classes = call.bottoms[0].size // num
    call.buffers["classes"][:] = class_labels(call.record, call.bottoms[1], classes)
    margins, _ = _margins(call)
    if call.p.norm == "L2":
        margins *= margins
    call.tops[0][...] = margins.sum(dtype=np.float64) / num


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    margins, sign = _margins(call)
    weight = call.top_diffs[0].item() / margins.shape[0]
    slope = 2 * margins if call.p.norm == "L2" else np.sign(margins)
    np.multiply(sign * slope, weight, out=dx.reshape(margins.shape))


_BOTTOMS = (Input((6, 7), "distinct"), Input((6,), "labels", 0, 7))

HINGE_LOSS = LayerType(
    "HingeLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="hinge_loss_param",
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss"),
    examples=(
        Example(inputs=(Input((6, 7)), Input((6,), "labels", 0, 7))),
        Example("hinge_loss_param { norm: L2 }", inputs=_BOTTOMS),
        Example("loss_weight: 0.5", inputs=(Input((3, 2, 2)), Input((3, 1), "labels", 0, 4))),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))),),
)
