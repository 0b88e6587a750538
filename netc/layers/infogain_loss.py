"""Infogain loss: cross-entropy with a matrix that says how much each confusion of classes matters.

Computes:
    p = softmax of the scores along `axis`; loss = -1/M sum over positions, over classes c, of
    H[label, c] log max(p_c, 1e-20). H is the third bottom, or a BlobProto file named by `source`. M is as in
    SoftmaxWithLoss (`loss_param`: VALID by default). With the identity for H this is SoftmaxWithLoss.

Shapes:
    Bottoms: scores, one label for each position, and H with C x C values. Tops: a scalar; the probabilities.

Gradient:
    dx_c = weight (p_c sum of H[label, :] - H[label, c]) / M, 0 where the label is ignored. Labels and H take none.

Caffe notes:
    The scores are not probabilities: the layer has its softmax inside, as in Caffe since 2017. The second top gives no
    gradient. A label that is not a class is an error. NaN in a score makes the loss NaN.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc.errors import Code, NetError
from netc.files import read_regular
from netc.kernels.labels import LABEL_OUT_OF_RANGE, bad_value, class_labels
from netc.kernels.softmax import guess_of_classes, normalization, normalizer, softmax
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    MISSING_FIELD,
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
    flat,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role, whole

BAD_MATRIX_FILE = Code(
    "LAY104",
    "the infogain matrix cannot be read",
    why="`source` names a binary BlobProto file (.binaryproto) with one row and one column for each class.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "label = Input() { shape { dim: 2 } }\n"
    "fc = InnerProduct(x) { num_output: 10 }\n"
    'loss = InfogainLoss(fc, label) { source: "no_such_file.binaryproto" }',
    fix="Correct the path (it is relative to the current directory), or give the matrix as the third bottom.",
)
_LEAST = 1e-20
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Geometry:
    """The axis of the classes, what the loss is divided by, and the label that does not count."""

    axis: int
    mode: str
    ignore: int | None


def setup(site: Site) -> Setup:
    scores, labels = site.bottoms[:2]
    axis = site.axis(site.p.axis)
    classes = scores[axis]
    positions = prod(scores) // classes
    if prod(labels) != positions:
        message = f"scores of shape {format_shape(scores)} need {positions} labels, one a position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom", "axis")
    if len(site.bottoms) < 3 and not site.p.source:
        message = "needs the matrix as a third bottom, or `source`, a file with it"
        site.refuse(MISSING_FIELD, message, "source", help=MISSING_FIELD.fix)
    if len(site.bottoms) == 3 and prod(site.bottoms[2]) != classes * classes:
        message = f"the matrix needs {classes} x {classes} values, but is {format_shape(site.bottoms[2])}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    loss = site.record.loss_param
    g = Geometry(axis, normalization(loss), loss.ignore_label if loss.has("ignore_label") else None)
    buffers = (Buffer("classes", (positions,), "int32"), Buffer("prob", scores))
    holds = (ANYTHING, whole(classes), Holds("uniform"))
    tops = ((), scores)[: max(1, site.top_count)]
    reads = ("x2",) if len(site.bottoms) == 3 else ()
    return Setup(tops=tops, buffers=buffers, reads=reads, holds=holds, geometry=g)


def _matrix(call: Call, classes: int) -> Array:
    if len(call.bottoms) == 3:
        return call.bottoms[2].reshape(classes, classes)
    if "matrix" not in call.memory:
        call.memory["matrix"] = _read(call, classes).astype(call.bottoms[0].dtype)
    matrix: Array = call.memory["matrix"]
    return matrix


def _read(call: Call, classes: int) -> Array:
    source = call.p.source
    blob: Any = call.record.message_type.schema.message_class("BlobProto")()
    try:
        blob.ParseFromString(read_regular(source, _MOST_BYTES))
    except OSError as error:
        raise _unreadable(call, f"{source}: {error.strerror}") from None
    except Exception:
        raise _unreadable(call, f"{source} is not a BlobProto file") from None
    values = np.array(blob.data if len(blob.data) else blob.double_data)
    if values.size != classes * classes:
        raise _unreadable(call, f"{source} has {values.size} values, but {classes} classes need {classes * classes}")
    return values.reshape(classes, classes)


def _unreadable(call: Call, message: str) -> NetError:
    return bad_value(BAD_MATRIX_FILE, call.record, message)


def forward(call: Call) -> None:
    g = call.known(Geometry)
    scores, prob = flat(call.bottoms[0], g.axis), flat(call.buffers["prob"], g.axis)
    found = class_labels(call.record, call.bottoms[1], scores.shape[1], g.ignore)
    call.buffers["classes"][:] = found
    matrix = _matrix(call, scores.shape[1])
    softmax(scores, prob)
    classes = found.reshape(prob.shape[0], prob.shape[2])
    rows = matrix[classes].transpose(0, 2, 1)
    terms = (rows * np.log(np.maximum(prob, _LEAST))).sum(axis=1, dtype=np.float64)
    call.tops[0][...] = -terms[classes >= 0].sum() / _divisor(g, classes)
    if len(call.tops) > 1:
        np.copyto(call.tops[1], call.buffers["prob"])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    g = call.known(Geometry)
    prob = flat(call.buffers["prob"], g.axis)
    classes = call.buffers["classes"].reshape(prob.shape[0], prob.shape[2])
    rows = _matrix(call, prob.shape[1])[classes].transpose(0, 2, 1)
    diff = prob * rows.sum(axis=1, keepdims=True) - rows
    diff *= call.top_diffs[0].item() / _divisor(g, classes)
    flat(dx, g.axis)[...] = np.where((classes >= 0)[:, None, :], diff, 0)


def _divisor(g: Geometry, classes: Array) -> float:
    return normalizer(g.mode, classes.shape[0], classes.shape[1], int(np.count_nonzero(classes >= 0)))


_ROWS = (Input((6, 4)), Input((6,), "labels", 0, 4), Input((1, 1, 4, 4), "uniform"))
_IMAGE = (Input((2, 3, 2, 2)), Input((2, 1, 2, 2), "labels", 0, 3), Input((3, 3), "uniform"))

INFOGAIN_LOSS = LayerType(
    "InfogainLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="infogain_loss_param",
    also=("loss_param",),
    bottoms=Arity(2, 3),
    tops=Arity(1, 2),
    differentiable=(True, False, False),
    loss=True,
    auto_tops=True,
    codes=(LABEL_OUT_OF_RANGE, BAD_MATRIX_FILE),
    role=Role("loss", judges="Softmax", guess=guess_of_classes),
    examples=(
        Example(inputs=_ROWS),
        Example("loss_param { ignore_label: 1 normalization: FULL }", inputs=_IMAGE),
        Example("loss_param { ignore_label: 1 normalization: BATCH_SIZE }", inputs=_IMAGE),
        Example("loss_param { ignore_label: 0 }", inputs=_IMAGE),
        Example(
            "infogain_loss_param { axis: -1 } loss_param { normalize: false }",
            inputs=(Input((2, 2, 3)), Input((2, 2), "labels", 0, 3), Input((3, 3), "uniform")),
        ),
        Example(inputs=_ROWS, tops=2, gradient=False, note="The second top gives no gradient, as in Caffe."),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=((4, 3), (4,))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (5,), (3, 3))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4,), (3, 4))),
    ),
)
