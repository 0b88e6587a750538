"""Center loss (Wen et al. 2016): features close to a learned center of their class.

Computes:
    loss = 1/(2N) sum of |x - center_label|^2 over the N images.

Shapes:
    Bottoms: features (N x ..., flattened from `axis` on to K values), N labels. The top is a scalar. Blob: centers
    (`num_output` x K).

Gradient:
    dx = weight (x - center_label) / N. The centers' diff is not a derivative: for each class it is the sum of
    (center - x) over its n images, divided by n + 1, whatever the loss weight. Labels take none.

Caffe notes:
    The layer is ydwen's (caffe-face). A label that is not a class is an error. NaN in a feature makes the loss NaN.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    MISSING_FIELD,
    Arity,
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
    format_shape,
)
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Field, Message, optional

ORIGIN = "Center loss (ydwen/caffe-face)"
UPDATE_RULE = "CenterLoss gives its centers an update rule of their own"
OWN = Param(
    Field("center_loss_param", 2107, "CenterLossParameter", "Fields of CenterLoss layers.", origin=ORIGIN),
    (
        Message(
            "CenterLossParameter",
            (
                optional("num_output", 1, "uint32", doc="Number of classes."),
                optional("center_filler", 2, "FillerParameter", doc="How the centers start; zeros if unset."),
                optional("axis", 3, "int32", 1, "First axis of the features."),
            ),
            doc="Distance of features to the center of their class.",
            origin=ORIGIN,
        ),
    ),
)


def setup(site: Site) -> Setup:
    p, (features, labels) = site.p, site.bottoms
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the number of classes", "num_output")
    axis = site.axis(p.axis)
    rows, values = prod(features[:axis]), prod(features[axis:])
    if prod(labels) != rows:
        message = f"features of shape {format_shape(features)} need {rows} labels, but they are {format_shape(labels)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    centers = ParamBlob("centers", (p.num_output, values), p.center_filler, own_gradient=UPDATE_RULE)
    buffers = (Buffer("classes", (rows,), "int32"), Buffer("distance", (rows, values)))
    return Setup(
        tops=((),),
        params=(centers,),
        buffers=buffers,
        reads=(),
        holds=(ANYTHING, whole(p.num_output)),
        geometry=Matrix(rows, values),
    )


def forward(call: Call) -> None:
    view = call.known(Matrix)
    centers, distance = call.params[0], call.buffers["distance"]
    classes = class_labels(call.record, call.bottoms[1], len(centers))
    call.buffers["classes"][:] = classes
    np.subtract(call.bottoms[0].reshape(view), centers[classes], out=distance)
    call.tops[0][...] = np.dot(distance.ravel(), distance.ravel()) / view.rows / 2


def backward(call: Call) -> None:
    view = call.known(Matrix)
    classes, distance = call.buffers["classes"], call.buffers["distance"]
    if (dc := call.param_diffs[0]) is not None:
        share = np.bincount(classes, minlength=len(dc))[classes] + 1
        np.subtract.at(dc, classes, (distance / share[:, None]).astype(dc.dtype))
    if (dx := call.bottom_diffs[0]) is not None:
        np.multiply(distance, call.top_diffs[0].item() / view.rows, out=dx.reshape(view))


_FILLER = 'center_filler { type: "gaussian" }'

CENTER_LOSS = LayerType(
    "CenterLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="center_loss_param",
    own=OWN,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    origin=ORIGIN,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss"),
    examples=(
        Example(
            f"center_loss_param {{ num_output: 4 {_FILLER} }}",
            inputs=(Input((6, 3)), Input((6,), "labels", 0, 4)),
        ),
        Example(
            f"center_loss_param {{ num_output: 3 axis: 2 {_FILLER} }} loss_weight: 0.01",
            inputs=(Input((2, 3, 2)), Input((2, 3), "labels", 0, 3)),
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=((4, 3), (4,))),
        Refused(BAD_BOTTOM_SHAPE, "center_loss_param { num_output: 3 }", bottoms=((4, 3), (3,))),
    ),
)
