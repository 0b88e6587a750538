"""Accuracy: the share of right predictions.

Computes:
    The share of positions where the label's score is among the `top_k` largest along `axis`. A second top gives the
    same for each class on its own. Positions whose label is `ignore_label` do not count.

Shapes:
    Bottoms: scores, and as many labels as scores divided by classes. Tops: a scalar; one value for each class.

Gradient:
    None.

Caffe notes:
    A label's rank counts the scores that are at least as large as its own, so ties count against it. 0 if nothing
    counts, for a class that does not occur too. A position where the label's own score is NaN is wrong (Caffe calls
    it right). A label that is not a class is an error.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import AccuracyGeometry
from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.kernels.softmax import picked
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    flat,
    format_shape,
)
from netc.role import ANYTHING, Role, whole


def setup(site: Site) -> Setup:
    p, (scores, labels) = site.p, site.bottoms
    axis = site.axis(p.axis)
    classes = scores[axis]
    if prod(labels) * classes != prod(scores):
        message = f"scores of shape {format_shape(scores)} need {prod(scores) // classes} labels, one a position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom", "axis")
    if not 1 <= p.top_k <= classes:
        site.refuse(BAD_FIELD, f"top_k is {p.top_k}: it must be 1 to {classes}, the number of classes", "top_k")
    tops = ((), (classes,))[: site.top_count]
    return Setup(
        tops=tops,
        reads=(),
        holds=(ANYTHING, whole(classes)),
        geometry=AccuracyGeometry(axis, p.ignore_label if p.has("ignore_label") else None),
    )


def forward(call: Call) -> None:
    g = call.known(AccuracyGeometry)
    scores = flat(call.bottoms[0], g.axis)
    count = scores.shape[1]
    classes = class_labels(call.record, call.bottoms[1], count, g.ignore).reshape(scores.shape[0], scores.shape[2])
    own = picked(scores, classes)
    rank = (scores >= own[:, None, :]).sum(axis=1)
    valid = classes >= 0
    right = valid & (rank <= call.p.top_k) & ~np.isnan(own)
    call.tops[0][...] = right.sum() / max(1, int(valid.sum()))
    if len(call.tops) > 1:
        hits = np.bincount(classes[right], minlength=count)
        occurs = np.bincount(classes[valid], minlength=count)
        call.tops[1][:] = hits / np.maximum(occurs, 1)


ACCURACY = LayerType(
    "Accuracy",
    __doc__,
    setup,
    forward,
    param="accuracy_param",
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=False,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("measure", end="measure"),
    examples=(
        Example(inputs=(Input((20, 7), "distinct"), Input((20,), "labels", 0, 7))),
        Example("accuracy_param { top_k: 3 }", inputs=(Input((20, 7), "distinct"), Input((20,), "labels", 0, 7))),
        Example(
            "accuracy_param { ignore_label: 2 axis: -3 }",
            inputs=(Input((2, 5, 3, 4), "distinct"), Input((2, 1, 3, 4), "labels", 0, 5)),
            tops=2,
        ),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))),
        Refused(BAD_FIELD, "accuracy_param { top_k: 6 }", bottoms=((4, 5), (4,))),
        Refused(BAD_FIELD, "accuracy_param { top_k: 0 }", bottoms=((4, 5), (4,))),
    ),
)
