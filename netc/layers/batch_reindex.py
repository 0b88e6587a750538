"""BatchReindex: picks items of a batch by their numbers.

Computes:
    y[i] = x[index[i]], with index the second bottom: numbers from 0 on, in any order, any number of times.

Shapes:
    The top has the first bottom's shape, with as many items as there are indices (a 1-d bottom).

Gradient:
    dx[j] = the sum of dy[i] over all i with index[i] = j; none for the indices.

Caffe notes:
    An index out of range is a diagnostic, as in Caffe.
"""

import numpy as np

from netc.kernels.labels import INDEX_OUT_OF_RANGE, indices
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
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
    x, index = site.bottoms
    if not x or len(index) != 1:
        message = f"needs items and a 1-d bottom of indices, not {format_shape(x)} and {format_shape(index)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    return Setup(tops=((index[0], *x[1:]),), reads=("x1",), holds=(ANYTHING, whole(x[0])))


def forward(call: Call) -> None:
    x, index = call.bottoms
    np.take(x, indices(call.record, index, len(x)), axis=0, out=call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        dx.fill(0)
        np.add.at(dx, indices(call.record, call.bottoms[1], len(dx)), call.top_diffs[0])


BATCH_REINDEX = LayerType(
    "BatchReindex",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    role=Role("shape", apart=(1,)),
    examples=(
        Example(inputs=(Input((4, 3, 2)), Input((6,), "labels", high=4))),
        Example(inputs=(Input((3,)), Input((1,), "values", values=(2,)))),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (6, 1))), Refused(BAD_BOTTOM_SHAPE, bottoms=((), (6,)))),
    codes=(INDEX_OUT_OF_RANGE,),
)
