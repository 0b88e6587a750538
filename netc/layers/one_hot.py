"""OneHot: a vector for each class number, 1 at its class and 0 elsewhere.

Computes:
    y_c = 1 where c is the bottom's value, else 0. Values of `ignore_label` give zeros everywhere.

Shapes:
    The bottom's, with one axis more, of `num_classes`: the last one, or `axis`, counted in the top.

Gradient:
    None: class numbers take none.

Caffe notes:
    Caffe has no such layer; an Embed whose table is fixed to the identity does the same. Values are floats, cut to
    integers; one that is no class, or NaN, is an error (LAY100).
"""

import numpy as np

from netc.kernels.geometry import Along
from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    BAD_FIELD,
    MISSING_FIELD,
    MOST_AXES,
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
from netc.role import Role, whole
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "OneHotParameter",
    (
        optional("num_classes", 1, "uint32", 0, "How many classes there are."),
        optional("axis", 2, "int32", -1, "Which axis of the top the classes are."),
        optional("ignore_label", 3, "int32", doc="A value that gives zeros; none if unset."),
    ),
    doc="Class numbers as vectors.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p, x = site.p, site.bottoms[0]
    if not p.num_classes:
        site.refuse(MISSING_FIELD, "needs num_classes, how many classes there are", "num_classes")
    rank = len(x) + 1
    if rank > MOST_AXES:
        site.refuse(BAD_FIELD, f"its top would have {rank} axes; the most that a blob has is {MOST_AXES}", "axis")
    if not -rank <= p.axis < rank:
        message = f"axis: {p.axis} is out of range for the top of a bottom of shape {format_shape(x)}: it has {rank}"
        site.refuse(AXIS_OUT_OF_RANGE, message, "axis")
    axis = p.axis % rank
    return Setup(
        tops=((*x[:axis], p.num_classes, *x[axis:]),),
        reads=(),
        holds=(whole(p.num_classes),),
        geometry=Along(axis),
    )


def forward(call: Call) -> None:
    ignore = call.p.ignore_label if call.p.has("ignore_label") else None
    labels = class_labels(call.record, call.bottoms[0], call.p.num_classes, ignore)
    y = flat(call.tops[0], call.known(Along).axis)
    np.equal(labels.reshape(y.shape[0], 1, y.shape[2]), np.arange(y.shape[1])[:, None], out=y, casting="unsafe")


ONE_HOT = LayerType(
    "OneHot",
    __doc__,
    setup,
    forward,
    param="one_hot_param",
    own=Param(
        optional("one_hot_param", 1121, "OneHotParameter", doc="Fields of OneHot layers.", origin="netc"), (PARAMETER,)
    ),
    differentiable=False,
    origin="netc",
    role=Role("shape"),
    codes=(LABEL_OUT_OF_RANGE,),
    examples=(
        Example("one_hot_param { num_classes: 5 }", inputs=(Input((4,), "labels", 0, 5),)),
        Example("one_hot_param { num_classes: 3 axis: 1 }", inputs=(Input((2, 2, 3), "labels", 0, 3),)),
        Example(
            "one_hot_param { num_classes: 3 axis: 0 ignore_label: 255 }",
            inputs=(Input((2, 2), "values", values=(0, 255, 2, 1)),),
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=((4,),)),
        Refused(AXIS_OUT_OF_RANGE, "one_hot_param { num_classes: 3 axis: 2 }", bottoms=((4,),)),
        Refused(AXIS_OUT_OF_RANGE, "one_hot_param { num_classes: 3 axis: -3 }", bottoms=((4,),)),
    ),
)
