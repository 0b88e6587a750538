"""MeanAveragePrecision: how good detections are (Everingham et al. 2010; Liu et al. 2016).

Computes:
    Bottoms are detections (rows of DetectionOutput) and true boxes (rows of AnnotatedData, Scenes). In each image and
    class the detections, best first, are compared with the true boxes: one whose largest overlap (intersection over
    union) is at least `overlap_threshold` is right, unless a better one has taken that box already. The average
    precision of a class is the area under its curve of precision over recall, as `ap_version` says (11point,
    MaxIntegral or Integral); the first top is their mean over all classes but the background, the second one is that of
    each class, the background's 0.

Shapes:
    Bottoms: 1 x 1 x rows x 7 and 1 x 1 x rows x 8. Tops: a scalar; one value for each class.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer; SSD's DetectionEvaluate gives the rows that this figure is made of, and a solver makes it.
    A test gives that of all its images together. A class without true boxes counts as 0, as in SSD.
"""

import numpy as np

from netc.kernels.average_precision import VERSIONS, ClassPrecisions
from netc.kernels.judged_boxes import BAD_DETECTION, Judge
from netc.kernels.tally import counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "MeanAveragePrecisionParameter",
    (
        optional("num_classes", 1, "uint32", doc="Classes, the background among them.", origin="netc"),
        optional("background_label_id", 2, "uint32", 0, "The class that is no object.", origin="netc"),
        optional("overlap_threshold", 3, "float", 0.5, "The overlap that makes a detection right.", origin="netc"),
        optional("evaluate_difficult_gt", 4, "bool", True, "Difficult boxes count too.", origin="netc"),
        optional("ap_version", 5, "string", "Integral", "How precision is averaged.", origin="netc"),
    ),
    doc="Fields of MeanAveragePrecision.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p = site.p
    if not p.num_classes:
        site.refuse(MISSING_FIELD, "needs num_classes, the background among them", "num_classes")
    if p.background_label_id >= p.num_classes:
        site.refuse(BAD_FIELD, f"class {p.background_label_id} is not one of {p.num_classes}", "background_label_id")
    if not p.overlap_threshold > 0:
        site.refuse(BAD_FIELD, "overlap_threshold must be above 0", "overlap_threshold")
    if p.ap_version not in VERSIONS:
        site.refuse(BAD_FIELD, f'ap_version: "{p.ap_version}" is none of {", ".join(VERSIONS)}', "ap_version")
    for index, (shape, width) in enumerate(zip(site.bottoms, (7, 8), strict=True)):
        if not shape or shape[-1] != width:
            message = f"needs rows of 7 values (detections) and of 8 (true boxes), but has {format_shape(shape)}"
            site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=index)
    return Setup(tops=((), (p.num_classes,))[: site.top_count], reads=())


def count(call: Call) -> ClassPrecisions:
    p = call.p
    judge = Judge(call.record, p.num_classes, p.background_label_id, p.overlap_threshold, p.evaluate_difficult_gt)
    rows = np.array(judge.rows(*call.bottoms), np.float64).reshape(-1, 5)
    return ClassPrecisions((rows,), p.ap_version, int(p.num_classes))


_TRUTH = Input(
    (1, 1, 3, 8),
    "values",
    values=(
        *(0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0),
        *(0, 2, 0, 0.2, 0.6, 0.4, 0.8, 0),
        *(1, 1, 0, 0.3, 0.3, 0.7, 0.7, 0),
    ),
)
_FOUND = Input(
    (1, 1, 3, 7),
    "values",
    values=(
        *(0, 1, 0.9, 0.1, 0.1, 0.5, 0.52),
        *(0, 2, 0.7, 0.5, 0.6, 0.7, 0.8),  # beside
        *(1, 1, 0.5, 0.3, 0.3, 0.7, 0.68),
    ),
)
_SHAPES = ((1, 1, 6, 7), (1, 1, 4, 8))
_NAME = "mean_average_precision_param"

MEAN_AVERAGE_PRECISION = LayerType(
    "MeanAveragePrecision",
    __doc__,
    setup,
    counting(count),
    param=_NAME,
    own=Param(
        optional(_NAME, 2177, "MeanAveragePrecisionParameter", doc="Fields of the layer.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=False,
    codes=(BAD_DETECTION,),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(f"{_NAME} {{ num_classes: 3 }}", (_FOUND, _TRUTH), tops=2, phase="TEST"),
        Example(f'{_NAME} {{ num_classes: 3 ap_version: "11point" }}', (_FOUND, _TRUTH), phase="TEST"),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=_SHAPES),
        Refused(BAD_FIELD, f"{_NAME} {{ num_classes: 3 background_label_id: 3 }}", bottoms=_SHAPES),
        Refused(BAD_FIELD, f"{_NAME} {{ num_classes: 3 overlap_threshold: 0 }}", bottoms=_SHAPES),
        Refused(BAD_FIELD, f'{_NAME} {{ num_classes: 3 ap_version: "Area" }}', bottoms=_SHAPES),
        Refused(BAD_BOTTOM_SHAPE, f"{_NAME} {{ num_classes: 3 }}", bottoms=((1, 1, 6, 8), (1, 1, 4, 8))),
    ),
)
