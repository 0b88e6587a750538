"""MeanIoU: how well marked regions cover the true ones.

Computes:
    For each class the positions that have its label and were given it, divided by those that have its label or were
    given it (intersection over union); the mean over the classes that occur. A second top gives each class alone.

Shapes:
    Bottoms: scores, and as many labels as scores divided by classes. Tops: a scalar; one value for each class.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. A position's class is that of its largest score, the first of equal ones; with one score a
    position it is class 1 where the score is above `threshold`, else class 0. Positions whose label is `ignore_label`
    do not count; any other label that is no class is an error. A class that does not
    occur has no figure (NaN). A test gives the figures of all positions
    together, not means of those of its batches.
"""

from netc.kernels.confusion import Classes
from netc.kernels.labels import LABEL_OUT_OF_RANGE
from netc.kernels.tally import counting
from netc.layer import BAD_BOTTOM_SHAPE, Arity, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional
from netc.setups.labelled import FIELDS, compared, confused

PARAMETER = Message("MeanIoUParameter", FIELDS, doc="Fields of MeanIoU.", origin="netc")


def setup(site: Site) -> Setup:
    return compared(site, lambda classes: ((), (classes,)))


def figures(classes: Classes) -> tuple[float, list[float]]:
    return classes.mean_iou, classes.iou


_INPUTS = (Input((2, 3, 4, 5), "distinct"), Input((2, 4, 5), "labels", 0, 3))

MEAN_IOU = LayerType(
    "MeanIoU",
    __doc__,
    setup,
    counting(confused(figures)),
    param="mean_iou_param",
    own=Param(
        optional("mean_iou_param", 2172, "MeanIoUParameter", doc="Fields of MeanIoU.", origin="netc"), (PARAMETER,)
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=False,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=_INPUTS, tops=2, phase="TEST"),
        Example(
            "mean_iou_param { ignore_label: 1 threshold: 0.1 }",
            inputs=(Input((3, 1, 6)), Input((3, 6), "labels", 0, 2)),
            phase="TEST",
        ),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))),),
)
