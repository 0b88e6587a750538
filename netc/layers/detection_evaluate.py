"""DetectionEvaluate: which detections are right (Liu et al. 2016; Everingham et al. 2010).

Computes:
    Bottoms are detections (rows of DetectionOutput) and true boxes (rows of AnnotatedData). In each image and class the
    detections, best first, are compared with the true boxes: one whose largest overlap (intersection over union) is at
    least `overlap_threshold` is a true positive, unless a better one has taken that true box already; every other one
    is a false positive. One that finds a difficult box is neither, with `evaluate_difficult_gt: false`.

Shapes:
    1 x 1 x rows x 5. First a row for each class but the background: -1, class, number of true boxes, -1, -1. Then a row
    for each detection: image, class, confidence, 1 for a true positive, 1 for a false one. The number of detections is
    known only after forward; planned is the most there can be.

Gradient:
    None.

Caffe notes:
    A layer of the SSD fork. Rows stand by image, then class, then confidence. With `name_size_file` (lines of `name
    height width`, in the order of the images) boxes are compared in pixels of the original images, whose borders belong
    to them: widths are xmax - xmin + 1. If the file is not there, boxes are compared as shares of the image, and a
    warning says so. Rows of true boxes whose image is -1 are left out. Equal confidences stand as they come.
    The mean average precision is computed by tests of a solver with `eval_type: "detection"`, and by `netc test`.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from netc.errors import Code
from netc.files import near, read_regular, text_of
from netc.kernels.average_precision import Detections
from netc.kernels.judged_boxes import BAD_DETECTION, Judge
from netc.kernels.tally import TALLY
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Buffer,
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

_MOST_BYTES = 1 << 26  # of name_size_file: a line for each test image
SSD = "SSD (weiliu89/caffe)"
PARAMETER = Message(
    "DetectionEvaluateParameter",
    (
        optional("num_classes", 1, "uint32", doc="Classes, the background among them.", origin=SSD),
        optional("background_label_id", 2, "uint32", 0, "The class that is no object.", origin=SSD),
        optional("overlap_threshold", 3, "float", 0.5, "The overlap that makes a detection right.", origin=SSD),
        optional("evaluate_difficult_gt", 4, "bool", True, "Difficult boxes count too.", origin=SSD),
        optional("name_size_file", 5, "string", doc="Names and sizes of the original images.", origin=SSD),
        optional("resize_param", 6, "ResizeParameter", doc="How the images were resized.", origin=SSD),
    ),
    doc="Compares detections with true boxes.",
    origin=SSD,
)
NO_SIZES = Code(
    "LAY330",
    "the sizes of the images are not known",
    why="With name_size_file boxes are compared in pixels of the original images. Without it they are compared as "
    "shares of the image, which gives nearly, but not exactly, the same true and false positives.",
    example='detection_evaluate_param { num_classes: 21 name_size_file: "data/VOC0712/test_name_size.txt" }',
    fix="Put the file where the net looks for it (from the current directory, or from the net's), or take the field "
    "out.",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Height and width of each original image, in the order of the database; empty to compare shares of images."""

    sizes: tuple[tuple[int, int], ...]


def setup(site: Site) -> Setup:
    p, (found, truth) = site.p, site.bottoms
    if not p.num_classes:
        site.refuse(MISSING_FIELD, "needs num_classes, the background among them", "num_classes")
    if p.background_label_id >= p.num_classes:
        site.refuse(BAD_FIELD, f"class {p.background_label_id} is not one of {p.num_classes}", "background_label_id")
    if not p.overlap_threshold > 0:
        site.refuse(BAD_FIELD, "overlap_threshold must be above 0", "overlap_threshold")
    for index, (shape, width) in enumerate(((found, 7), (truth, 8))):
        if not shape or shape[-1] != width:
            message = f"needs rows of 7 values (detections) and of 8 (true boxes), but has {format_shape(shape)}"
            site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=index)
    rows = p.num_classes - 1 + prod(found) // 7
    return Setup(
        tops=((1, 1, rows, 5),),
        buffers=(Buffer("image", (1,), "int64", "state"),),
        reads=(),
        dynamic=True,
        geometry=Geometry(_sizes(site)),
    )


def _sizes(site: Site) -> tuple[tuple[int, int], ...]:
    """What name_size_file says, or nothing if there is none."""
    name = site.p.name_size_file
    if not name:
        return ()
    here = Path(site.record.span.source.path).absolute().parent if site.record.span is not None else None
    try:
        path = near(name, here)
        text = text_of(read_regular(path, _MOST_BYTES)) if path else None
    except (OSError, ValueError):
        text = None
    if text is None:
        site.warn(NO_SIZES, f'there is no "{name}"; boxes are compared as shares of the image', "name_size_file")
        return ()
    try:
        lines = [line.split() for line in text.splitlines() if line.strip()]
        return tuple((int(height), int(width)) for *_, height, width in lines)
    except ValueError:
        site.refuse(BAD_FIELD, f'a line of "{name}" is not a name, a height and a width', "name_size_file")


def forward(call: Call) -> None:
    p = call.p
    judge = Judge(
        call.record,
        p.num_classes,
        p.background_label_id,
        p.overlap_threshold,
        p.evaluate_difficult_gt,
        lambda: _next_size(call),
        p.resize_param if p.has("resize_param") else None,
    )
    rows = judge.rows(*call.bottoms)
    top = call.resize_top(0, (1, 1, len(rows), 5))
    top[0, 0] = rows
    call.memory[TALLY] = Detections((top.copy(),))


def _next_size(call: Call) -> tuple[int, int] | None:
    """The size of the next image of the database; after the last one comes the first again."""
    sizes = call.known(Geometry).sizes
    if not sizes:
        return None
    place = call.buffers["image"]
    at = int(place[0]) % len(sizes)
    place[0] = (at + 1) % len(sizes)
    size: tuple[int, int] = sizes[at]
    return size


# Image 0: two of class 1 (one difficult), one of class 2. Image 1: one of class 1.
_TRUTH = Input(
    (1, 1, 5, 8),
    "values",
    values=(
        *(0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0),
        *(0, 1, 1, 0.6, 0.6, 0.9, 0.9, 1),
        *(0, 2, 0, 0.2, 0.6, 0.4, 0.8, 0),
        *(1, 1, 0, 0.3, 0.3, 0.7, 0.7, 0),
        *(-1,) * 8,
    ),
)
_FOUND = Input(
    (1, 1, 6, 7),
    "values",
    values=(
        *(0, 1, 0.6, 0.12, 0.1, 0.5, 0.5),  # the second to find the first box
        *(0, 1, 0.9, 0.1, 0.1, 0.5, 0.52),
        *(0, 1, 0.8, 0.6, 0.6, 0.9, 0.88),  # the difficult one
        *(0, 2, 0.7, 0.5, 0.6, 0.7, 0.8),  # beside
        *(1, 1, 0.5, 0.3, 0.3, 0.7, 0.68),
        *(2, 1, 0.4, 0.0, 0.0, 0.5, 0.5),  # an image without true boxes
    ),
)
_FIELDS = "num_classes: 3 overlap_threshold: 0.5"
_SHAPES = ((1, 1, 6, 7), (1, 1, 4, 8))

DETECTION_EVALUATE = LayerType(
    "DetectionEvaluate",
    __doc__,
    setup,
    forward,
    param="detection_evaluate_param",
    own=Param(
        optional("detection_evaluate_param", 205, "DetectionEvaluateParameter", doc="Fields of the layer.", origin=SSD),
        (PARAMETER,),
    ),
    origin=SSD,
    bottoms=Arity(2, 2),
    differentiable=False,
    codes=(BAD_DETECTION, NO_SIZES),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(
            f"detection_evaluate_param {{ {_FIELDS} evaluate_difficult_gt: false }}", (_FOUND, _TRUTH), phase="TEST"
        ),
        Example(f"detection_evaluate_param {{ {_FIELDS} }}", (_FOUND, _TRUTH), phase="TEST"),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=_SHAPES),
        Refused(BAD_FIELD, "detection_evaluate_param { num_classes: 3 background_label_id: 3 }", bottoms=_SHAPES),
        Refused(BAD_FIELD, "detection_evaluate_param { num_classes: 3 overlap_threshold: 0 }", bottoms=_SHAPES),
        Refused(BAD_BOTTOM_SHAPE, f"detection_evaluate_param {{ {_FIELDS} }}", bottoms=(_SHAPES[0], (1, 1, 4, 7))),
    ),
)
