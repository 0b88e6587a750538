"""GridTarget: what a detector's map of predictions should be (YOLO v2 and v3; Redmon & Farhadi 2016, 2018).

Computes:
    A true box belongs to the cell that its centre lies in, and to the anchor whose size overlaps most with its own; if
    that is one of the map's anchors, the prediction there has targets: x and y, the centre's place in its cell (0..1);
    w and h, the logarithms of the box's size divided by the anchor's; o = 1, or the overlap of the prediction's own box
    with the true one with `rescore`; and 1 for its class, 0 for the others. All other predictions have the target
    o = 0, but those whose box overlaps some true one by more than `threshold` have none at all. A later box of the same
    cell and anchor takes the place of an earlier one.
    Weights are `coord_scale` (2 - the box's share of the image) for x, y, w and h, `object_scale` for o = 1,
    `noobject_scale` for o = 0, `class_scale` for classes, and 0 where there is no target.

Shapes:
    Bottoms: predictions, num x (anchors * (5 + classes)) x H x W, and true boxes, rows of 8 as AnnotatedData gives
    them. Tops: targets and weights, num x anchors x (5 + classes) x H x W, and perhaps the class of each prediction,
    num x anchors x H x W: 0..classes-1, -1 without one.

Gradient:
    None: targets are taken as given, as in YOLO, though `rescore` and `threshold` read the predictions.

Caffe notes:
    Caffe has no such layer; darknet computes targets inside its losses. `nets/blocks/yolo.net` has the losses of v2
    (`rescore`, threshold 0.6, object_scale 5) and of v3. The coordinates' loss of v2's first 12,800 images is not done.
    With several maps each has a layer, with all anchors, and its own ones in `mask`.
"""

from dataclasses import dataclass

import numpy as np

from netc.kernels.boxes import overlap, overlaps
from netc.kernels.grid import CLASSES, COORDINATES, OBJECT, GridMap, best_anchor, boxes_of
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
)
from netc.role import ANYTHING, Role
from netc.schema.declare import Message, optional
from netc.setups.grid import FIELDS, grid_maps
from netc.setups.truths import BAD_TRUTH, check_rows, held, true_boxes

_NAME = "GridTargetParameter"
PARAMETER = Message(
    _NAME,
    (
        *FIELDS,
        optional("threshold", 5, "float", 0.5, "Predictions that overlap a true box by more are not told o = 0."),
        optional("rescore", 6, "bool", False, "o is the overlap with the true box, not 1 (v2)."),
        optional("coord_scale", 7, "float", 1.0, "Weight of x, y, w and h."),
        optional("object_scale", 8, "float", 1.0, "Weight of o where an object is."),
        optional("noobject_scale", 9, "float", 1.0, "Weight of o where none is."),
        optional("class_scale", 10, "float", 1.0, "Weight of the classes."),
    ),
    doc="Targets of a map of predictions.",
    origin="netc",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The map, and how many images there are."""

    grid: GridMap
    images: int


def setup(site: Site) -> Setup:
    p, shape = site.p, site.bottoms[0]
    check_rows(site, 1)
    (grid,) = grid_maps(site, (shape,))
    for name in ("coord_scale", "object_scale", "noobject_scale", "class_scale"):
        if getattr(p, name) < 0:
            site.refuse(BAD_FIELD, f"{name}: {getattr(p, name):g} must not be negative", name)
    top = (shape[0], len(grid.own), 5 + grid.classes, *shape[2:])
    return Setup(
        tops=(top, top, (*top[:2], *top[3:]))[: site.top_count],
        reads=(),
        holds=(ANYTHING, held(shape[0], grid.classes)),
        own_gradient="GridTarget takes its targets as given" if p.rescore else "",
        geometry=Geometry(grid, shape[0]),
    )


def forward(call: Call) -> None:
    g = call.known(Geometry)
    predicted = g.grid.split(call.bottoms[0])
    target, weight = call.tops[:2]
    target.fill(0)
    weight.fill(0)
    labels = call.tops[2] if len(call.tops) > 2 else np.empty((*target.shape[:2], *target.shape[3:]), target.dtype)
    labels.fill(-1)
    for n, truths in enumerate(true_boxes(call, 1, g.images, g.grid.classes)):
        boxes = boxes_of(g.grid, predicted[n])
        weight[n, :, OBJECT] = call.p.noobject_scale * _free(boxes, truths, call.p.threshold).reshape(labels[n].shape)
        for truth in truths:
            _mark(call, g.grid, boxes, truth, target[n], weight[n], labels[n])


def _free(boxes: Array, truths: Array, threshold: float) -> Array:
    """Which boxes overlap no true box by more than the threshold."""
    table = np.zeros((len(boxes), len(truths)), boxes.dtype)
    overlaps(np.ascontiguousarray(boxes), np.ascontiguousarray(truths[:, 1:], boxes.dtype), table)
    found: Array = table.max(axis=1, initial=0) <= threshold
    return found


def _mark(call: Call, grid: GridMap, boxes: Array, truth: Array, target: Array, weight: Array, labels: Array) -> None:
    """Put one true box where it belongs."""
    p, (left, top, right, bottom) = call.p, truth[1:]
    x, y = (left + right) / 2 * grid.width, (top + bottom) / 2 * grid.height
    width, height = (right - left) * grid.width, (bottom - top) * grid.height
    anchor = best_anchor(grid, width, height)
    if anchor not in grid.own:
        return
    k, i, j = grid.own.index(anchor), _cell(x, grid.width), _cell(y, grid.height)
    size, at = grid.anchors[anchor], (k, slice(None), j, i)
    box = boxes[(k * grid.height + j) * grid.width + i]
    score = overlap(box, np.ascontiguousarray(truth[1:], boxes.dtype), boxes.dtype.type(0)) if p.rescore else 1
    row, of_row = target[at], weight[at]
    row[COORDINATES] = x - i, y - j, np.log(width / size[0]), np.log(height / size[1])
    row[OBJECT], row[CLASSES], row[4 + int(truth[0])] = score, 0, 1
    of_row[COORDINATES] = p.coord_scale * (2 - (right - left) * (bottom - top))
    of_row[OBJECT], of_row[CLASSES] = p.object_scale, p.class_scale
    labels[k, j, i] = truth[0] - 1


def _cell(place: float, count: int) -> int:
    return min(max(int(place), 0), count - 1)


def backward(call: Call) -> None:
    """Nothing: no bottom is ever asked for."""


_TRUTHS = Input(
    (1, 1, 4, 8),
    "values",
    values=(
        *(0, 1, 0, 0.1, 0.1, 0.5, 0.6, 0),
        *(0, 2, 1, 0.55, 0.5, 0.95, 0.7, 0),
        *(1, 2, 0, 0.2, 0.3, 0.4, 0.9, 0),
        *(-1, -1, -1, -1, -1, -1, -1, -1),
    ),
)
_FIELDS = "classes: 2 anchor: 1 anchor: 1.5 anchor: 2 anchor: 1"
_INPUTS = (Input((2, 14, 3, 4)), _TRUTHS)
_SHAPES = ((2, 14, 3, 4), (1, 1, 4, 8))

GRID_TARGET = LayerType(
    "GridTarget",
    __doc__,
    setup,
    forward,
    backward,
    param="grid_target_param",
    own=Param(
        optional("grid_target_param", 1123, _NAME, doc="Fields of GridTarget layers.", origin="netc"), (PARAMETER,)
    ),
    bottoms=Arity(2, 2),
    tops=Arity(2, 3),
    differentiable=False,
    origin="netc",
    role=Role("detection"),
    codes=(BAD_TRUTH,),
    examples=(
        Example(f"grid_target_param {{ {_FIELDS} }}", inputs=_INPUTS, tops=2),
        Example(
            f"grid_target_param {{ {_FIELDS} rescore: true threshold: 0.1 object_scale: 5 }}", inputs=_INPUTS, tops=3
        ),
        Example(
            "grid_target_param { classes: 2 anchor: [8, 12, 16, 8, 30, 30] mask: [0, 2] stride: 8 }",
            inputs=_INPUTS,
            tops=2,
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "grid_target_param { classes: 2 }", _SHAPES, 2),
        Refused(BAD_FIELD, "grid_target_param { classes: 2 anchor: 1 }", _SHAPES, 2),
        Refused(BAD_FIELD, "grid_target_param { classes: 2 anchor: 1 anchor: 1 }", _SHAPES, 2),
        Refused(BAD_FIELD, f"grid_target_param {{ {_FIELDS} mask: 0 mask: 2 }}", _SHAPES, 2),
        Refused(BAD_FIELD, f"grid_target_param {{ {_FIELDS} stride: 8 stride: 16 }}", _SHAPES, 2),
        Refused(BAD_FIELD, f"grid_target_param {{ {_FIELDS} class_scale: -1 }}", _SHAPES, 2),
        Refused(BAD_BOTTOM_SHAPE, f"grid_target_param {{ {_FIELDS} }}", ((2, 15, 3, 4), (1, 1, 4, 8)), 2),
        Refused(BAD_BOTTOM_SHAPE, f"grid_target_param {{ {_FIELDS} }}", ((2, 14, 3, 4), (1, 1, 4, 7)), 2),
    ),
)
