"""PrecisionRecall: of what was given a class, and of what is of it, the right share.

Computes:
    Precision (of the positions that were given a class, the share that is of it), recall (of those that are of it,
    the share that was given it) and F1, their harmonic mean: of the class `positive`, or without it each as the mean
    over the classes that have one (macro averages).

Shapes:
    Bottoms: scores, and as many labels as scores divided by classes. Tops: precision, recall, F1, each a scalar.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. A position's class is that of its largest score, the first of equal ones; with one score a
    position it is class 1 where the score is above `threshold`, else class 0. Positions whose label is `ignore_label`
    do not count; any other label that is no class is an error. A class that was
    never given has no precision, one that does not occur no recall (NaN). A test gives the figures of all positions
    together, not means of those of its batches.
"""

from netc.kernels.confusion import Classes, Confused, mean
from netc.kernels.labels import LABEL_OUT_OF_RANGE
from netc.kernels.tally import counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Shape,
    Site,
)
from netc.role import Role
from netc.schema.declare import Message, optional
from netc.setups.labelled import FIELDS, Compared, compared, confused

PARAMETER = Message(
    "PrecisionRecallParameter",
    (
        *FIELDS,
        optional("positive", 4, "uint32", doc="The class whose figures are given; all if unset.", origin="netc"),
    ),
    doc="Fields of PrecisionRecall.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    found = compared(site, _shapes)
    p, classes = site.p, found.known(Compared).classes
    if p.has("positive") and p.positive >= classes:
        site.refuse(BAD_FIELD, f"class {p.positive} is not one of {classes}", "positive")
    return found


def _shapes(classes: int) -> tuple[Shape, ...]:
    return (), (), ()


def figures(classes: Classes) -> tuple[float, ...]:
    """The means over all classes."""
    return mean(classes.precision), mean(classes.recall), mean(classes.f1)


def count(call: Call) -> Confused:
    if not call.p.has("positive"):
        return confused(figures)(call)
    one = int(call.p.positive)
    return confused(lambda classes: (classes.precision[one], classes.recall[one], classes.f1[one]))(call)


_INPUTS = (Input((2, 3, 4, 5), "distinct"), Input((2, 4, 5), "labels", 0, 3))

PRECISION_RECALL = LayerType(
    "PrecisionRecall",
    __doc__,
    setup,
    counting(count),
    param="precision_recall_param",
    own=Param(
        optional(
            "precision_recall_param", 2174, "PrecisionRecallParameter", doc="Fields of PrecisionRecall.", origin="netc"
        ),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 3),
    differentiable=False,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=_INPUTS, tops=3, phase="TEST"),
        Example(
            "precision_recall_param { ignore_label: 1 threshold: 0.1 }",
            inputs=(Input((3, 1, 6)), Input((3, 6), "labels", 0, 2)),
            phase="TEST",
        ),
        Example("precision_recall_param { positive: 2 }", inputs=_INPUTS, tops=3),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))),
        Refused(BAD_FIELD, "precision_recall_param { positive: 3 }", bottoms=((4, 3), (4,))),
    ),
)
